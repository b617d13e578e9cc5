"""The net that makes a decoded picture better: what the quantizer took, guessed from what is around.

It works on patches of 4 x 4 pixels, a quarter of the resolution each way, in the picture code's color planes, and is
told how large the error is expected to be, plane by plane and cell by cell, and where blocks end.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from imgcrypt.codec import picture
from imgcrypt.opencv import cv2

PATCH = 4
CELL = 8
PLANES = 3
SIDE = 128
"""Of the pictures that training codes."""
STEPS = (2.5, 170.0)
"""Of their quantizers, in gray levels."""
VALIDATED = (7, 18, 45, 100)
NOISY, DRAWN = 0.08, 0.08
"""Shares of the pictures that get noise, of a deviation up to LOUDEST gray levels, or are drawn over."""
LOUDEST = 90.0
SLOPE = 0.1
"""Of the rectifier on its negative side."""


class Restorer(nn.Module):
    """A residual net on three planes; a gray picture's second and third are 0."""

    LINEAR: tuple[str, ...] = ()
    CROP = 224
    WARM_CROPS = 1
    GRAY_SHARE = 0.4
    LARGEST_GRADIENT = 1.0

    def __init__(self, width: int = 32, depth: int = 2) -> None:
        super().__init__()
        waves = _cosines(PATCH)
        patch = torch.kron(waves, waves).float().reshape(PATCH**2, 1, PATCH, PATCH)
        self.register_buffer("patch", patch, persistent=False)
        maps = PLANES * PATCH**2
        self.enter = nn.Conv2d(maps + 2 * PLANES + 5, width, 1)
        self.steps = nn.ModuleList(Step(width) for _ in range(depth))
        self.leave = nn.Conv2d(width, maps, 1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, planes: Tensor, error: Tensor, borders: Tensor) -> Tensor:
        """Better planes, (N, 3, 8 h, 8 w).

        Args:
            planes: (N, 3, 8 h, 8 w), about [-128 sqrt(3), 128 sqrt(3)].
            error: (N, 3, h, w), expected of a pixel's value, in gray levels.
            borders: (N, 5, 2 h, 2 w): 1 where a patch lies at its block's upper, lower, left or right end, and the
                logarithm of the block's side less 4.
        """
        n, c, height, width = planes.shape
        seen = F.conv2d(planes.reshape(n * c, 1, height, width), self.patch, None, PATCH)
        seen = seen.reshape(n, c, PATCH**2, height // PATCH, width // PATCH)
        error = F.interpolate(error, scale_factor=CELL // PATCH, mode="nearest")
        detail = seen[:, :, 1:] / (error + 1)[:, :, None]
        detail = detail / (2 + detail.abs() / 4)
        flat = seen[:, :, 0] / 512
        doubt = torch.log2(error + 0.1) / 4
        # How far the mean of each patch is from those around, in errors.
        smooth = F.avg_pool2d(seen[:, :, 0], 3, 1, 1, count_include_pad=False)
        slope = (seen[:, :, 0] - smooth) / (error + 1)
        slope = slope / (2 + slope.abs() / 4)
        maps = torch.cat([flat, detail.flatten(1, 2), slope, doubt, borders], 1)
        features = F.leaky_relu(self.enter(maps), SLOPE)
        for step in self.steps:
            features = step(features)
        change = self.leave(features).float().reshape(seen.shape) * error[:, :, None]
        pixels = F.conv_transpose2d(change.reshape(n * c, PATCH**2, *seen.shape[3:]), self.patch, None, PATCH)
        return planes + pixels.reshape(planes.shape)

    def warm_start(self, pictures: Tensor) -> None:
        """Nothing can be computed beforehand."""

    def loss(self, pictures: Tensor, seed: int, mixed: bool) -> Tensor:
        """What to minimize: the mean logarithm of what is left of the pictures' mean squared errors.

        Args:
            pictures: (N, 3, CROP, CROP) in [0, 1].
            seed: of what is drawn: which part of each is taken, how much smaller it is made, what is done to
                it, and its step.
            mixed: whether convolutions run in bfloat16.
        """
        rng = np.random.default_rng(seed)
        low, high = (math.log(step) for step in STEPS)
        parts = [_varied(_part(each, rng), rng) for each in _bytes(pictures)]
        drawn = [coded(part, math.exp(rng.uniform(low, high))) for part in parts]
        truth, planes, error, borders = (torch.from_numpy(np.stack(each)) for each in zip(*drawn, strict=True))
        with torch.autocast(pictures.device.type, torch.bfloat16, enabled=mixed):
            better = self(planes, error, borders)
        before, after = ((each - truth).square().mean((1, 2, 3)) + 0.02 for each in (planes, better))
        return (after / before).log().mean()

    def validate(self, each: Tensor) -> dict[str, float]:
        """What is gained in dB on a picture (1, 3, H, W) in [0, 1], in color and gray, at some steps."""
        height, width = (length // picture.SIDE * picture.SIDE for length in each.shape[2:])
        colors = _bytes(each[:, :, :height, :width])[0]
        found = {}
        for step in VALIDATED:
            for name, samples in (("color", colors), ("gray", cv2.cvtColor(colors, cv2.COLOR_RGB2GRAY)[:, :, None])):
                truth, planes, error, borders = (torch.from_numpy(x)[None] for x in coded(np.asarray(samples), step))
                better = self(planes, error, borders)
                gain = (planes - truth).square().mean() / (better - truth).square().mean()
                found[f"{name}, step {step}"] = float(10 * gain.log10())
        return found


def coded(samples: NDArray[np.uint8], step: float) -> tuple[NDArray[np.float32], ...]:
    """The planes of samples (8 h, 8 w, C), and what the net is given for them once coded at this step."""
    planes = picture.planes(samples)
    code = picture.step_code(step)
    known = picture.quantize(*picture.transform(planes, code), code)
    found = planes, picture.inverse(known), picture.doubt(known)
    missing = PLANES - len(planes)
    return *(np.pad(each, [(0, missing), (0, 0), (0, 0)]) for each in found), picture.borders(known.sides)


def _cosines(side: int) -> Tensor:
    """The orthonormal cosine transform, in double precision: (side, side)."""
    k, i = torch.arange(side, dtype=torch.float64)[:, None], torch.arange(side, dtype=torch.float64)
    matrix = math.sqrt(2 / side) * torch.cos(math.pi * (2 * i + 1) * k / (2 * side))
    matrix[0] /= math.sqrt(2)
    return matrix


def _bytes(pictures: Tensor) -> NDArray[np.uint8]:
    """Pictures (N, 3, H, W) in [0, 1] as uint8 (N, H, W, 3)."""
    found: NDArray[np.uint8] = (pictures * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return found


def _part(colors: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A part of (H, W, 3) made as small as SIDE, which is as sharp as pictures of many pixels are not; one channel if
    all are equal."""
    side = int(rng.integers(SIDE, len(colors) + 1)) if rng.random() < 0.6 else SIDE
    top, left = (int(rng.integers(len(colors) - side + 1)) for _ in range(2))
    part = np.ascontiguousarray(colors[top : top + side, left : left + side])
    if side > SIDE:
        part = np.asarray(cv2.resize(part, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)
    return part[:, :, :1] if (part == part[:, :, :1]).all() else part


def _varied(part: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A picture's part (H, W, C), some with noise, others drawn over: the net must leave what is no photograph."""
    height, width, channels = part.shape
    sort = rng.random()
    if sort < NOISY:
        noise = rng.normal(0, math.exp(rng.uniform(0, math.log(LOUDEST))), (height, width, channels))
        return np.asarray(np.clip(part + noise, 0, 255).round(), np.uint8)
    if sort < NOISY + DRAWN:
        part = part.copy()
        for _ in range(int(rng.integers(2, 12))):
            x, y, across, down = (int(rng.integers(side)) for side in (width, height, width, height))
            color = [int(rng.integers(256)) for _ in range(channels)]
            if rng.random() < 0.5:
                cv2.rectangle(part, (x, y), (x + across // 2, y + down // 2), color, -1)
            else:
                text = "".join(chr(int(rng.integers(33, 127))) for _ in range(12))
                size, weight = rng.uniform(0.3, 1.2), int(rng.integers(1, 3))
                cv2.putText(part, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, size, color, weight, cv2.LINE_AA)
    return part


class Step(nn.Module):
    """Two convolutions around which the features pass."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.see = nn.Conv2d(width, width, 3, padding=1)
        self.say = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, width, h, w) -> the same, changed."""
        return features + self.say(F.leaky_relu(self.see(F.leaky_relu(features, SLOPE)), SLOPE))


def build(rate: float, gray: bool) -> Restorer:
    """One untrained net for gray and color and every rate: both arguments are for nets that differ by them."""
    return Restorer()
