"""What the tests share: Hypothesis' profile, pictures made by code, a key, the folder of the data sets."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import settings

from imgcrypt import Key

Picture = npt.NDArray[Any]

settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")


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


@pytest.fixture(scope="session")
def picture() -> Callable[..., Picture]:
    """``picture(height, width, channels=3, dtype="uint8", texture=True)``: see make_picture."""
    return make_picture


@pytest.fixture(scope="session")
def key() -> Key:
    """A key; nothing else may know it."""
    return Key.generate()


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of the data sets; the test is skipped where there is none."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("IMGCRYPT_DATA", default))
    if not (folder / "bsds500" / "test").is_dir():
        pytest.skip(f"no BSDS500 in {folder}: set IMGCRYPT_DATA to the folder that holds bsds500/test")
    return folder
