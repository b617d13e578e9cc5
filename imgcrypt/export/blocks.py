"""Nets that sample block by block as ONNX files: imgcrypt.runtime.blocks runs them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from imgcrypt import runtime
from imgcrypt.export import onnx_files
from imgcrypt.nets.fclbcnn import BLOCK, BlockModel
from imgcrypt.runtime.blocks import BlockNet
from imgcrypt.runtime.zoo import Entry


class SamplerGraph(nn.Module):
    """RGB uint8 (33 h, 33 w, 3) -> measurements uint8 (h, w, bytes per block)."""

    def __init__(self, net: BlockModel) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> Tensor:
        picture = image.permute(2, 0, 1).unsqueeze(0).float() / 255
        grid, depth = self.net.grid, self.net.depth
        cells = (self.net.sampler(picture)[0].clamp(0, 1) * 255).round().to(torch.uint8)
        height, width = cells.shape[1] // grid, cells.shape[2] // grid
        blocks = cells.reshape(depth, height, grid, width, grid).permute(1, 3, 2, 4, 0)
        return blocks.reshape(height, width, grid**2 * depth)


class ReconstructorGraph(nn.Module):
    """Measurements uint8 (h, w, bytes per block) and which of them are valid, uint8 of the same shape, 1 or 0
    -> RGB uint8 (33 h, 33 w, 3), then the pictures of the net's branches, float32 (1, 3, 33 h, 33 w), where it has any.

    A measurement that is not valid counts as one half, where warm_start puts the mean of each.
    """

    def __init__(self, net: BlockModel) -> None:
        super().__init__()
        self.net = net

    def forward(self, measurements: Tensor, valid: Tensor) -> tuple[Tensor, ...]:
        grid, depth = self.net.grid, self.net.depth
        height, width = measurements.shape[0], measurements.shape[1]
        values = torch.where(valid > 0, measurements.float() / 255, torch.tensor(0.5))
        cells = values.reshape(height, width, grid, grid, depth).permute(4, 0, 2, 1, 3)
        branches = self.net.branches(cells.reshape(1, depth, height * grid, width * grid))
        picture = branches[0] if len(branches) == 1 else torch.add(*branches)
        samples = (picture.clamp(0, 1) * 255).round().to(torch.uint8)[0].permute(1, 2, 0)
        return samples, *branches[: len(self.net.BRANCHES)]


def export(model: BlockModel, kind: str, rate: float, gray: bool, folder: Path) -> dict[str, Any]:
    """Write the files and check them: the manifest's entry, less the training."""
    name = f"{kind}-{'gray-' * gray}{rate:.2f}"
    height, width = 3, 4
    image = torch.randint(0, 256, (height * BLOCK, width * BLOCK, 3), dtype=torch.uint8)
    measurements = torch.randint(0, 256, (height, width, model.block_bytes), dtype=torch.uint8)
    sampler, reconstructor = SamplerGraph(model), ReconstructorGraph(model)
    axes, pixels = {0: "rows", 1: "columns"}, {2: "pixel rows", 3: "pixel columns"}
    files = {
        "sampler": onnx_files.write(
            sampler,
            {"image": image},
            ["measurements"],
            dict.fromkeys(("image", "measurements"), axes),
            folder / f"{name}-sampler.onnx",
        ),
        "reconstructor": onnx_files.write(
            reconstructor,
            {"measurements": measurements, "valid": torch.ones_like(measurements)},
            ["image", *model.BRANCHES],
            dict.fromkeys(("measurements", "valid", "image"), axes) | dict.fromkeys(model.BRANCHES, pixels),
            folder / f"{name}-reconstructor.onnx",
        ),
    }
    entry = {
        "name": name,
        "color_rate": None if gray else rate,
        "gray_rate": round(model.block_bytes / BLOCK**2, 2),
        "layout": "blocks",
        "block": BLOCK,
        "block_bytes": model.block_bytes,
        "halo": 1,
        **files,
    }
    _check_parity(Entry.from_json(entry, folder), sampler, reconstructor)
    return entry


@torch.no_grad()
def _check_parity(entry: Entry, sampler: nn.Module, reconstructor: nn.Module) -> None:
    """onnxruntime must give PyTorch's measurements and pictures within one step, half precision aside."""
    net = runtime.load(entry, "cpu")
    assert isinstance(net, BlockNet)
    rng = np.random.default_rng(0)
    for height, width in ((1, 1), (2, 5), (7, 3)):
        # Smooth pictures: noise is nothing that the nets were made for.
        coarse = torch.from_numpy(rng.random((1, 3, height * 4, width * 4), np.float32))
        image = F.interpolate(coarse, (height * BLOCK, width * BLOCK), mode="bicubic").clamp(0, 1)
        picture = (image[0].permute(1, 2, 0) * 255).round().to(torch.uint8)
        measured = net.sample(picture.numpy())
        expected = sampler(picture)
        rebuilt = net.reconstruct(measured, np.ones_like(measured))
        wanted = reconstructor(torch.from_numpy(measured), torch.ones(measured.shape, dtype=torch.uint8))[0]
        apart = (
            int(np.abs(measured.astype(int) - expected.numpy()).max()),
            int(np.abs(rebuilt.astype(int) - wanted.numpy()).max()),
        )
        print(f"{height} x {width} blocks: measurements {apart[0]}, gray levels {apart[1]} apart")
        if max(apart) > 1:
            raise SystemExit("onnxruntime and PyTorch disagree")
