"""The picture code's net as an ONNX file: imgcrypt.runtime.layered runs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from imgcrypt import runtime
from imgcrypt.codec import picture, tables
from imgcrypt.export import onnx_files
from imgcrypt.nets.restorer import CELL, PLANES, Restorer, coded
from imgcrypt.runtime.layered import LayeredNet
from imgcrypt.runtime.zoo import DEFAULT, Entry

HALO = 1
"""Superblocks: the net sees 20 pixels around each pixel, and a superblock has 32."""


class Graph(nn.Module):
    """Planes float32 (3, 8 h, 8 w), their expected errors (3, h, w) and borders (5, 2 h, 2 w) -> better planes."""

    def __init__(self, net: Restorer) -> None:
        super().__init__()
        self.net = net

    def forward(self, planes: Tensor, error: Tensor, borders: Tensor) -> Tensor:
        better: Tensor = self.net(planes[None], error[None], borders[None])[0]
        return better


@torch.no_grad()
def export(model: Restorer, kind: str, rate: float, gray: bool, folder: Path) -> dict[str, Any]:
    """Write the file and check it: the manifest's entry, less the training. The net serves more than ``rate``."""
    graph = Graph(model)
    h, w = 8, 12
    inputs = {
        "planes": torch.randn(PLANES, h * CELL, w * CELL) * 50,
        "error": torch.rand(PLANES, h, w) * 9,
        "borders": torch.zeros(5, 2 * h, 2 * w),
    }
    entry = {
        "name": DEFAULT,
        "color_rate": rate,
        "gray_rate": rate,
        "layout": "layers",
        "block": picture.SIDE,
        "block_bytes": 0,
        "halo": HALO,
        "reconstructor": onnx_files.write(
            graph,
            inputs,
            ["better"],
            {key: {1: "rows", 2: "columns"} for key in (*inputs, "better")},
            folder / f"{DEFAULT}-{kind}.onnx",
            half_precision_axes=4,
        ),
        "tables_sha256": tables.sha256(),
    }
    _check_parity(Entry.from_json(entry, folder), graph)
    return entry


def _check_parity(entry: Entry, graph: Graph) -> None:
    """onnxruntime must give PyTorch's pictures within one gray level, half precision aside."""
    net = runtime.load(entry, "cpu")
    assert isinstance(net, LayeredNet)
    rng = np.random.default_rng(0)
    for height, width, channels in ((32, 32, 1), (64, 160, 3), (224, 96, 3)):
        coarse = torch.from_numpy(rng.random((1, channels, height // 8, width // 8), np.float32))
        smooth = F.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
        samples = (smooth[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
        for step in (8.0, 60.0):
            _, planes, error, borders = map(torch.from_numpy, coded(samples, step))
            wanted = picture.colors(graph(planes, error, borders).numpy()[:channels])
            code = picture.step_code(step)
            known = picture.quantize(*picture.transform(picture.planes(samples), code), code)
            rebuilt = net.restore(planes.numpy()[:channels], known)
            apart = int(np.abs(rebuilt.astype(int) - wanted).max())
            print(f"{height} x {width} x {channels}, step {step}: gray levels {apart} apart")
            if apart > 1:
                raise SystemExit("onnxruntime and PyTorch disagree")
