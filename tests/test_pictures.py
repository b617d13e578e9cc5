"""Writing pictures: exact copies where the format allows, ImageErrors for the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from imgcrypt import ImageError, pictures
from imgcrypt.metrics import psnr

Picture = npt.NDArray[Any]

LOSSLESS = [suffix for suffix, form in pictures.FORMATS.items() if form.lossless]
KINDS = [(suffix, c, b) for suffix in LOSSLESS for c in (1, 3, 4) for b in (8, 16)]
HELD = [(s, c, b) for s, c, b in KINDS if c in pictures.FORMATS[s].channels and b in pictures.FORMATS[s].bits]


def noise(shape: tuple[int, ...], bits: int = 8) -> Picture:
    return np.random.default_rng(0).integers(0, 2**bits, shape, f"uint{bits}")


def test_formats_cover_what_they_should() -> None:
    assert set(LOSSLESS) == {".png", ".tif", ".tiff", ".bmp"}
    assert len(HELD) == 3 * 6 + 2
    assert pictures.LOSSY_SUFFIXES.isdisjoint(LOSSLESS)


@pytest.mark.parametrize(("suffix", "channels", "bits"), HELD)
@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (33, 65)])
def test_lossless_format_gives_every_sample_back(suffix: str, channels: int, bits: int, size: tuple[int, int]) -> None:
    image = noise(size if channels == 1 else (*size, channels), bits)
    for name in (suffix, suffix.upper()):
        back = pictures.decode(pictures.encode(image, name))
        assert back.dtype == image.dtype
        np.testing.assert_array_equal(back, image)
        assert back.flags.c_contiguous


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".JPG"])
def test_jpeg_gives_a_similar_picture_back(suffix: str, channels: int, picture: Callable[..., Picture]) -> None:
    image = picture(60, 90, channels, texture=False)
    assert psnr(image, pictures.decode(pictures.encode(image, suffix))) > 30


def test_red_is_first() -> None:
    red = np.zeros((2, 2, 3), np.uint8)
    red[:, :, 0] = 255
    # OpenCV's own order is blue, green, red.
    np.testing.assert_array_equal(
        cv2.imdecode(np.frombuffer(pictures.encode(red, ".png"), np.uint8), -1)[0, 0], [0, 0, 255]
    )


@pytest.mark.parametrize("kind", sorted(set(KINDS) - set(HELD)))
def test_format_that_cannot_hold_the_picture_is_refused(kind: tuple[str, int, int]) -> None:
    suffix, channels, bits = kind
    with pytest.raises(ImageError, match=r"\.png or \.tif"):
        pictures.encode(noise((4, 4) if channels == 1 else (4, 4, channels), bits), suffix)


@pytest.mark.parametrize("suffix", ["", ".", ".xyz", ".gif", ".webp", ".imgc", "png"])
def test_unknown_suffix_is_refused(suffix: str) -> None:
    with pytest.raises(ImageError, match=r"\.png"):
        pictures.encode(noise((4, 4)), suffix)


def test_picture_too_long_for_its_format_is_refused() -> None:
    with pytest.raises(ImageError, match="70000 x 1"):
        pictures.encode(np.zeros((1, 70_000), np.uint8), ".jpg")
