"""Writing pictures: exact copies where the format allows, ImageErrors for the rest."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st
from PIL import Image, ImageCms
from test_metadata import EVERYTHING
from test_reading import exif

import imgcrypt
from imgcrypt import ImageError, pictures
from imgcrypt.metrics import psnr
from imgcrypt.pictures.metadata import Metadata

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
        back = pictures.read(pictures.encode(image, name)).pixels
        assert back.dtype == image.dtype
        np.testing.assert_array_equal(back, image)
        assert back.flags.c_contiguous


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".JPG"])
def test_jpeg_gives_a_similar_picture_back(suffix: str, channels: int, picture: Callable[..., Picture]) -> None:
    image = picture(60, 90, channels, texture=False)
    assert psnr(image, pictures.read(pictures.encode(image, suffix)).pixels) > 30


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


def everything(profile: bytes) -> Metadata:
    """Metadata with every field that some format holds."""
    block = Image.Exif()
    block[0x010F] = "maker"
    block.get_ifd(0x8769).update({0x9003: "2020:02:20 20:20:20", 0x829A: 0.01})
    block.get_ifd(0x8825).update({1: "N", 2: (48.0, 8.0, 0.0)})
    packet = '<x:xmpmeta xmlns:x="adobe:ns:meta/">käse</x:xmpmeta>'.encode()
    return Metadata(
        profile=profile,
        exif=block.tobytes().removeprefix(b"Exif\0\0"),
        xmp=packet,
        resolution=(300.0, 200.0),
        gamma=0.45455,
        chromaticities=(0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06),
        intent=1,
        coding=(12, 13, 0, 1),
    )


@pytest.mark.parametrize(("suffix", "channels", "bits"), [*HELD, (".jpg", 1, 8), (".jpg", 3, 8)])
def test_metadata_is_put_back_or_named(suffix: str, channels: int, bits: int) -> None:
    image = noise((33, 65) if channels == 1 else (33, 65, channels), bits)
    given = everything(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    picture = imgcrypt.read(pictures.encode(image, suffix, given))
    if suffix != ".jpg":
        np.testing.assert_array_equal(picture.pixels, image)
    assert picture.notes == ()
    left_out = pictures.left_out(suffix, given)
    for field in dataclasses.fields(Metadata):
        value, back = getattr(given, field.name), getattr(picture.metadata, field.name)
        if field.name in ("name", "format"):
            continue
        if field.name in left_out:
            assert back is None
        elif field.name in ("resolution", "gamma", "chromaticities"):
            assert back == pytest.approx(value, abs=0.02 if field.name == "resolution" else 1e-9)
        elif field.name == "exif":
            found = Image.Exif()
            found.load(back)
            assert found[0x010F] == "maker"
            assert found.get_ifd(0x8825)[2] == (48.0, 8.0, 0.0)
            assert found.get_ifd(0x8769)[0x9003] == "2020:02:20 20:20:20"
        else:
            assert back == value
    assert pictures.left_out(suffix, Metadata(name="a", format="PNG")) == []


@for_all(EVERYTHING, st.sampled_from(sorted(pictures.FORMATS)))
def test_no_metadata_keeps_a_picture_from_being_written(everything: Metadata, suffix: str) -> None:
    image = noise((3, 4))
    data = pictures.encode(image, suffix, everything)
    # Nonsense in, nonsense out: what another decoder says of the pixels is enough.
    back = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pictures.FORMATS[suffix].lossless:
        np.testing.assert_array_equal(back, image)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg"])
def test_long_metadata_is_put_back_or_named(suffix: str) -> None:
    body = np.random.default_rng(0).bytes(100_000)
    given = Metadata(profile=body, xmp=body, exif=exif(1) + body)
    picture = imgcrypt.read(pictures.encode(noise((3, 4)), suffix, given))
    assert picture.profile == body
    assert pictures.left_out(suffix, given) == (["exif", "xmp"] if suffix == ".jpg" else [])
    assert picture.xmp == (None if suffix == ".jpg" else body)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
def test_thin_picture_comes_back(suffix: str) -> None:
    for shape in ((1, 1_100_000), (1_100_000, 1), (1, 1_100_000, 3)):
        image = noise(shape)
        np.testing.assert_array_equal(imgcrypt.read(pictures.encode(image, suffix)).pixels, image)


def test_thin_png_of_16_bits_is_refused() -> None:
    with pytest.raises(ImageError, match=r"try \.tif"):
        pictures.encode(noise((1, 1_100_000), 16), ".png")


def test_bmp_names_all_that_it_leaves_out() -> None:
    given = everything(b"profile")
    assert set(pictures.left_out(".bmp", given)) == {f.name for f in dataclasses.fields(given)} - {"name", "format"}
