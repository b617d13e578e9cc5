"""The pictures that are measured: those of a folder, the bundled one, and ones made by code."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from imgcrypt import demo_job, pictures
from imgcrypt.arrays import Bytes
from imgcrypt.bench.common import BenchError
from imgcrypt.errors import ImageError
from imgcrypt.opencv import cv2

SUFFIXES = frozenset({*pictures.FORMATS, *pictures.LOSSY_SUFFIXES})
GRAY, COLOR = "gray", "color"
"""The kinds of picture."""
SMALLEST = 11
"""Pixels a side of any picture that is measured: those of the window of SSIM."""
SMALLEST_FOR_STATISTICS = 64
"""Pixels a side: the statistics' distributions are those of many samples."""


class Loaded(NamedTuple):
    """A picture: its file's name without suffix, its kind, and uint8 (H, W) if it is gray or (H, W, 3) RGB."""

    name: str
    kind: str
    samples: Bytes


def kind_of(channels: int) -> str:
    """What pictures of 1 and of 3 channels are called."""
    return GRAY if channels == 1 else COLOR


def paths(images: Path | None) -> list[Path]:
    """The picture files of a folder, by name, without those of its subfolders; ``None`` takes the bundled picture.

    Raises:
        BenchError: there is none.
    """
    if images is None:
        return [Path(str(demo_job.PICTURE))]
    found = sorted(path for path in images.glob("*") if path.suffix.lower() in SUFFIXES)
    if not found:
        raise BenchError(f"there are no pictures in the folder {images.name!r}; name one that holds picture files")
    return found


def read(path: Path) -> dict[str, Bytes]:
    """A file's picture by kind: in gray (H, W), ITU-R BT.601 luma, and in color (H, W, 3) if it has any.

    Raises:
        ImageError: it is no picture of 8 bits, or below SMALLEST pixels a side.
    """
    image = pictures.read(path.read_bytes(), name=path.name).pixels
    if image.dtype != np.uint8 or min(image.shape[:2]) < SMALLEST:
        raise ImageError(f"{path.name} is not of 8 bits, or below {SMALLEST} pixels a side; take it out of the folder")
    if image.ndim == 2:
        return {GRAY: np.asarray(image, np.uint8)}
    color = np.ascontiguousarray(image[:, :, :3], np.uint8)
    gray = np.asarray(cv2.cvtColor(color, cv2.COLOR_RGB2GRAY), np.uint8)
    return {GRAY: gray} if (color == gray[:, :, None]).all() else {GRAY: gray, COLOR: color}


def load(images: Path | None) -> Iterator[Loaded]:
    """Every picture, in gray and in color, large enough for statistics.

    Args:
        images: a folder, read without its subfolders; ``None`` takes waves made by code, and the bundled picture.

    Raises:
        BenchError: the folder holds no picture, or one below SMALLEST_FOR_STATISTICS pixels a side.
        ImageError: a picture is not of 8 bits.
    """
    if images is None:
        yield Loaded("waves", GRAY, waves(256, 1))
        yield Loaded("waves", COLOR, waves(256, 3))
    for path in paths(images):
        for kind, samples in read(path).items():
            if min(samples.shape[:2]) < SMALLEST_FOR_STATISTICS:
                raise BenchError(
                    f"{path.name} is below {SMALLEST_FOR_STATISTICS} pixels a side; take it out of the folder"
                )
            yield Loaded(path.stem, kind, samples)


def waves(size: int, channels: int, seed: int = 0) -> Bytes:
    """Waves with a little noise: uint8 (size, size), or (size, size, 3) for 3 channels. The same at every call."""
    rng = np.random.default_rng([size, seed])
    at = np.linspace(0, 2 * np.pi, size, dtype=np.float32)
    made = np.empty((size, size, channels), np.uint8)
    for channel in range(channels):
        swell = np.sin((3 + channel) * at)[:, None] * np.cos(5 * at) * 80 + np.sin(40 * at)[:, None] * 20
        noise = rng.standard_normal((size, size), np.float32) * 4
        made[:, :, channel] = np.clip(swell + noise + 128, 0, 255)
    return made if channels == 3 else made[:, :, 0]


def random_waves(size: int, rng: np.random.Generator) -> Bytes:
    """Three soft waves of random direction and length, with the noise of a camera: uint8 (size, size)."""
    y, x = np.mgrid[:size, :size] / size
    swell = sum(30 * np.sin(2 * np.pi * (rng.normal(0, 2) * x + rng.normal(0, 2) * y + rng.random())) for _ in range(3))
    return np.asarray(np.clip(128 + swell + rng.normal(0, 3, (size, size)), 0, 255), np.uint8)


def random_window(photograph: Bytes, size: int, rng: np.random.Generator) -> Bytes:
    """A random part, uint8 (size, size), of a gray picture, which is enlarged first if it is too small."""
    scale = size / min(photograph.shape)
    if scale > 1:
        photograph = np.asarray(cv2.resize(photograph, None, fx=scale, fy=scale), np.uint8)
    top, left = (int(rng.integers(side - size + 1)) for side in photograph.shape)
    return photograph[top : top + size, left : left + size]


def resized(samples: Bytes, side: int) -> Bytes:
    """The middle square of a picture, uint8 (H, W) or (H, W, 3), with so many pixels a side."""
    square = middle(samples, min(samples.shape[:2]))
    return np.asarray(cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def middle(samples: Bytes, side: int) -> Bytes:
    """So many pixels a side out of a picture's middle, or all that it has."""
    top, left = (max(0, length - side) // 2 for length in samples.shape[:2])
    return samples[top : top + side, left : left + side]
