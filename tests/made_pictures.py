"""Pictures made by code, for tests that have no fixture at hand; others ask for the fixture ``picture``."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[Any]


def make_picture(height: int, width: int, channels: int = 3, dtype: str = "uint8", *, texture: bool = True) -> Picture:
    """Gradients and soft waves; with ``texture`` also shapes with hard edges, and noise.

    Channel 3, alpha, is noise always: nothing but an exact copy looks like it.
    """
    rng = np.random.default_rng([height, width, channels])
    y, x = np.mgrid[0:height, 0:width] / max(height, width, 100)
    planes = [
        0.5 + 0.2 * np.sin(3 * x + channel) + 0.2 * np.cos(4 * y - channel) + 0.08 * (x - y) for channel in range(3)
    ]
    picture = np.stack(planes, 2)
    if texture:
        picture[(x - 0.3) ** 2 + (y - 0.3) ** 2 < 0.02] = (0.9, 0.2, 0.1)
        picture[(abs(x - 0.6) < 0.1) & (abs(y - 0.5) < 0.2)] = (0.1, 0.3, 0.8)
        picture += rng.normal(0, 0.02, picture.shape)
    peak = np.iinfo(dtype).max
    samples = (picture.clip(0, 1) * peak).round().astype(dtype)
    if channels == 4:
        return np.dstack([samples, rng.integers(0, peak + 1, (height, width), dtype)])
    return samples[:, :, 0].copy() if channels == 1 else samples
