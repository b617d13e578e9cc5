"""The net ``anyrate`` as ONNX files and tables: imgcrypt.runtime.anyrate runs them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from imgcrypt import runtime
from imgcrypt.codec import bitplanes
from imgcrypt.codec.bitplanes import PLANES, SIDE
from imgcrypt.export import onnx_files
from imgcrypt.nets.anyrate import Anyrate
from imgcrypt.nets.sampling import FULL
from imgcrypt.runtime.anyrate import AnyrateNet
from imgcrypt.runtime.zoo import Entry

DEFAULT_RATE = 0.18
"""Of pictures for which none is asked."""
HALO = 2
"""Superblocks: the last move of coefficients into their intervals needs whole superblocks, and these the moved ones 6
convolutions of 2 pixels around; the first move needs again whole ones, and 7 convolutions around."""


class SamplerGraph(nn.Module):
    """Picture uint8 (32 h, 32 w, C) and mode -> classes uint8 (h, w, 4), indices int16 (h, w, C * 1024)."""

    def __init__(self, net: Anyrate) -> None:
        super().__init__()
        self.sampler = net.sampler
        for mode in (0, 1):
            for name, tensor in zip(("weights", "bias"), net.sampler.rule(mode), strict=True):
                self.register_buffer(f"{name}{mode}", tensor)

    def forward(self, image: Tensor, mode: Tensor) -> tuple[Tensor, Tensor]:
        picture = image.permute(2, 0, 1).unsqueeze(0).float()
        coefficients = self.sampler.coefficients(picture, mode)
        one = self.sampler.classes(coefficients, 0, (self.weights0, self.bias0))
        four = self.sampler.classes(coefficients, 1, (self.weights1, self.bias1))
        classes = torch.where(mode == 0, one, four)
        laws = zip(self.sampler.laws(classes, 0), self.sampler.laws(classes, 1), strict=True)
        steps, means = (torch.where(mode == 0, *pair) for pair in laws)
        indices = self.sampler.indices(coefficients, steps, means)[0].flatten(2)
        return classes[0].to(torch.uint8), indices.to(torch.int16)


class ReconstructorGraph(nn.Module):
    """Indices int16 (h, w, C * 1024), their known bits and steps, uint8 of that shape, the blocks' means (h, w, C, 4),
    mode and threshold -> picture uint8 (32 h, 32 w, C)."""

    def __init__(self, net: Anyrate) -> None:
        super().__init__()
        self.net = net

    def forward(
        self, indices: Tensor, bits: Tensor, steps: Tensor, means: Tensor, mode: Tensor, threshold: Tensor
    ) -> Tensor:
        h, w, c = indices.shape[0], indices.shape[1], self.net.channels

        def in_place(each: Tensor) -> Tensor:
            return each.reshape(h, w, c, SIDE, SIDE).permute(2, 0, 3, 1, 4).reshape(1, c, h * SIDE, w * SIDE)

        firsts = F.pad(means.reshape(h, w, c, 2, 1, 2, 1), (0, 15, 0, 0, 0, 15))
        # Moved while they are small integers, which is cheaper.
        known = self.net.sampler.known(in_place(indices).int(), in_place(bits).int(), in_place(steps), in_place(firsts))
        picture = self.net.reconstructor(known, threshold.reshape(1), mode)
        return picture.clamp(0, 255).round().to(torch.uint8)[0].permute(1, 2, 0)


@torch.no_grad()
def export(model: Anyrate, kind: str, rate: float, gray: bool, folder: Path) -> dict[str, Any]:
    """Write the files and check them: the manifest's entry, less the training. The net serves more than ``rate``."""
    name = f"{kind}-{'gray' if gray else 'color'}"
    channels = model.channels
    size = channels * SIDE**2
    h, w = 2, 3
    image = torch.randint(0, 256, (h * SIDE, w * SIDE, channels), dtype=torch.uint8)
    maps = {
        "indices": torch.randint(0, FULL, (h, w, size), dtype=torch.int16),
        "bits": torch.randint(0, PLANES + 1, (h, w, size), dtype=torch.uint8),
        "steps": torch.randint(0, 256, (h, w, size), dtype=torch.uint8),
        "means": torch.zeros(h, w, channels, 4),
    }
    axes = {0: "rows", 1: "columns"}
    sampler, reconstructor = SamplerGraph(model), ReconstructorGraph(model)
    tables = _write_tables(model, folder / f"{name}-tables.npz")
    files = {
        "sampler": onnx_files.write(
            sampler,
            {"image": image, "mode": torch.tensor(1)},
            ["classes", "indices"],
            dict.fromkeys(("image", "classes", "indices"), axes),
            folder / f"{name}-sampler.onnx",
            half_precision_axes=2,
        ),
        "reconstructor": onnx_files.write(
            reconstructor,
            maps | {"mode": torch.tensor(1), "level": torch.tensor(150)},
            ["image"],
            dict.fromkeys((*maps, "image"), axes),
            folder / f"{name}-reconstructor.onnx",
            half_precision_axes=4,
            # So that the reconstructor's SHA-256, which is in every file, stands for the tables too.
            notes={"tables": tables["sha256"]},
        ),
    }
    entry = {
        "name": name,
        "color_rate": None if gray else DEFAULT_RATE,
        "gray_rate": DEFAULT_RATE if gray else None,
        "layout": "bits",
        "block": SIDE,
        "block_bytes": 0,
        "halo": HALO,
        **files,
        "tables": tables,
    }
    _check_parity(Entry.from_json(entry, folder), sampler, reconstructor)
    return entry


def _write_tables(model: Anyrate, path: Path) -> dict[str, str]:
    path.parent.mkdir(parents=True, exist_ok=True)
    steps = model.sampler.steps.reshape(2, -1, model.channels, SIDE, SIDE)
    np.savez_compressed(
        path,
        steps0=steps[0].flatten(1).numpy(),
        steps1=steps[1, :, :, :16, :16].flatten(1).numpy(),
        means0=model.sampler.means[0].numpy(),
        means1=model.sampler.means[1].numpy(),
        gains=model.sampler.gains.numpy().astype(np.int16),
    )
    return onnx_files.stamp(path)


def _check_parity(entry: Entry, sampler: SamplerGraph, reconstructor: ReconstructorGraph) -> None:
    """onnxruntime must find PyTorch's classes and indices, but for a few at a cell's edge, and its picture within one
    gray level, up to the weights in half precision."""
    net = runtime.load(entry, "cpu")
    assert isinstance(net, AnyrateNet)
    channels = net.tables.channels
    rng = np.random.default_rng(0)
    for height, width in ((1, 1), (2, 5), (7, 3)):
        coarse = torch.from_numpy(rng.random((1, channels, height * 4, width * 4), np.float32))
        smooth = F.interpolate(coarse, (height * SIDE, width * SIDE), mode="bicubic").clamp(0, 1)
        picture = (smooth[0].permute(1, 2, 0) * 255).round().to(torch.uint8)
        for rate in (0.02, 0.3):
            length = bitplanes.size(rate, height * SIDE, width * SIDE, channels)
            mode = bitplanes.mode(length, height * width, channels)
            classes, indices = net.describe(picture.numpy(), mode)
            expected = sampler(picture, torch.tensor(mode))
            same = (classes == expected[0].numpy()).all(-1)
            close = np.abs(indices.astype(int) - expected[1].numpy())[same]
            known = bitplanes.unpack(
                net.tables, bitplanes.pack(net.tables, classes, indices, length), None, height, width
            )
            rebuilt = net.picture(known, net.tables.dc_means(known.classes, mode))
            wanted = reconstructor(
                torch.from_numpy(known.indices.view(np.int16)),
                torch.from_numpy(known.bits),
                torch.from_numpy(net.tables.expand(known.classes, mode)),
                torch.from_numpy(net.tables.dc_means(known.classes, mode)),
                torch.tensor(mode),
                torch.tensor(net.threshold(known)),
            )
            apart = int(np.abs(rebuilt.astype(int) - wanted.numpy()).max())
            print(
                f"{height} x {width}, rate {rate}: {same.mean():.1%} of the classes the same, "
                f"indices {close.max(initial=0)}, gray levels {apart} apart"
            )
            if same.mean() < 0.9 or close.max(initial=0) > 1 or apart > 1:
                raise SystemExit("onnxruntime and PyTorch disagree")
