"""The net that makes a decoded picture better: what the quantizer took, guessed from what is around.

It works on patches of 4 x 4 pixels, a quarter of the resolution each way, in the picture code's color planes, and is
told how large the error is expected to be, plane by plane and cell by cell, and where blocks end.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from imgcrypt.nets.sampling import cosines

PATCH = 4
CELL = 8
PLANES = 3
SLOPE = 0.1
"""Of the rectifier on its negative side."""


class Restorer(nn.Module):
    """A residual net on three planes; a gray picture's second and third are 0."""

    def __init__(self, width: int = 64, depth: int = 2) -> None:
        super().__init__()
        waves = cosines(PATCH)
        patch = torch.kron(waves, waves).float().reshape(PATCH**2, 1, PATCH, PATCH)
        self.register_buffer("patch", patch, persistent=False)
        maps = PLANES * PATCH**2
        self.enter = nn.Conv2d(maps + 2 * PLANES + 5, width, 3, padding=1)
        self.steps = nn.ModuleList(Step(width) for _ in range(depth))
        self.leave = nn.Conv2d(width, maps, 3, padding=1)
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


class Step(nn.Module):
    """Two convolutions around which the features pass."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.see = nn.Conv2d(width, width, 3, padding=1)
        self.say = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, width, h, w) -> the same, changed."""
        return features + self.say(F.leaky_relu(self.see(F.leaky_relu(features, SLOPE)), SLOPE))
