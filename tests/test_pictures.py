"""Picture files: exact copies where the format allows, upright whatever EXIF says, ImageErrors for the rest."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcrypt import ImageError, pictures
from imgcrypt.metrics import psnr

Picture = npt.NDArray[Any]

LOSSLESS = [suffix for suffix, form in pictures.FORMATS.items() if form.lossless]
KINDS = [(suffix, c, b) for suffix in LOSSLESS for c in (1, 3, 4) for b in (8, 16)]
HELD = [(s, c, b) for s, c, b in KINDS if c in pictures.FORMATS[s].channels and b in pictures.FORMATS[s].bits]

# How a camera that is held in each way stores a picture that is upright: EXIF 2.32, section 4.6.4, "the 0th
# row is at the ... of the visual image, and the 0th column is at the ...".
STORED: dict[int, Callable[[Picture], Picture]] = {
    1: lambda a: a,  # top, left
    2: lambda a: a[:, ::-1],  # top, right
    3: lambda a: a[::-1, ::-1],  # bottom, right
    4: lambda a: a[::-1],  # bottom, left
    5: lambda a: a.swapaxes(0, 1),  # left, top
    6: lambda a: a[:, ::-1].swapaxes(0, 1),  # right, top
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),  # right, bottom
    8: lambda a: a[::-1].swapaxes(0, 1),  # left, bottom
}


def noise(shape: tuple[int, ...], bits: int = 8) -> Picture:
    return np.random.default_rng(0).integers(0, 2**bits, shape, f"uint{bits}")


def exif(orientation: int, order: str = "<", before: int = 0) -> bytes:
    """An EXIF block with the orientation as its only entry, or after some others."""
    entries = [struct.pack(order + "HHII", 0x0100 + i, 4, 1, 99) for i in range(before)]
    entries.append(struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0))
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8)
    return head + struct.pack(order + "H", len(entries)) + b"".join(entries) + bytes(4)


def with_exif(image: Picture, suffix: str, block: bytes) -> bytes:
    """A file written by OpenCV, not by the code under test."""
    bgr = image if image.ndim == 2 else image[:, :, [2, 1, 0, 3][: image.shape[2]]]
    done, data = cv2.imencodeWithMetadata(
        suffix,
        np.ascontiguousarray(bgr),
        [cv2.IMAGE_METADATA_EXIF],
        [np.frombuffer(block, np.uint8)],
        [cv2.IMWRITE_JPEG_QUALITY, 100] if suffix == ".jpg" else [],
    )
    assert done
    return bytes(data)


def png(width: int, height: int, depth: int, color_type: int, rows: bytes, *others: tuple[bytes, bytes]) -> bytes:
    """A PNG file of raw rows, each with its filter byte."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0))
    middle = b"".join(chunk(*other) for other in others)
    return b"\x89PNG\r\n\x1a\n" + head + middle + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def tiff(image: Picture, orientation: int) -> bytes:
    """An uncompressed RGB TIFF file."""
    height, width, _ = image.shape
    samples = image.tobytes()
    entries = [
        (256, width),
        (257, height),
        (258, 8),
        (259, 1),
        (262, 2),
        (273, 8),
        (274, orientation),
        (277, 3),
        (278, height),
        (279, len(samples)),
    ]
    packed = b"".join(struct.pack("<HHII", tag, 4 if tag in (273, 279) else 3, 1, value) for tag, value in entries)
    return b"II*\0" + struct.pack("<I", 8 + len(samples)) + samples + struct.pack("<H", 10) + packed + bytes(4)


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
    np.testing.assert_array_equal(pictures.decode(png(1, 1, 8, 2, b"\0\xff\x10\x20")), [[[255, 16, 32]]])


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 3), (5, 2, 4)])
def test_png_comes_upright(orientation: int, order: str, shape: tuple[int, ...]) -> None:
    upright = noise(shape)
    file = with_exif(STORED[orientation](upright), ".png", exif(orientation, order, before=2))
    np.testing.assert_array_equal(pictures.decode(file), upright)


@pytest.mark.parametrize("orientation", STORED)
def test_jpeg_comes_upright(orientation: int) -> None:
    upright = np.repeat(np.repeat(noise((3, 5, 3)), 32, 0), 32, 1)
    file = with_exif(STORED[orientation](upright), ".jpg", exif(orientation))
    back = pictures.decode(file)
    assert back.shape == upright.shape
    assert psnr(upright, back) > 30


@pytest.mark.parametrize("orientation", STORED)
def test_tiff_comes_upright(orientation: int) -> None:
    upright = noise((4, 6, 3))
    np.testing.assert_array_equal(pictures.decode(tiff(STORED[orientation](upright), orientation)), upright)


def test_orientations_differ() -> None:
    assert len({STORED[orientation](noise((3, 3))).tobytes() for orientation in STORED}) == 8


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_orientation_that_is_none_is_ignored(orientation: int) -> None:
    image = noise((4, 6))
    np.testing.assert_array_equal(pictures.decode(with_exif(image, ".png", exif(orientation))), image)


@given(st.binary(max_size=60), st.integers(0, 8), st.integers(0, 60))
def test_damaged_exif_block_is_ignored(data: bytes, orientation: int, length: int) -> None:
    assert pictures._orientation(exif(orientation)[:length]) in range(1, 9)
    for start in (b"", b"II", b"MM", b"II*\0\x08\0\0\0", b"MM\0*\xff\xff\xff\xff"):
        assert pictures._orientation(start + data) in range(1, 9)


def test_rarer_pngs_are_read() -> None:
    gray_alpha = pictures.decode(png(2, 1, 8, 4, b"\0\x10\x80\x20\xff"))
    np.testing.assert_array_equal(gray_alpha, [[[16, 16, 16, 128], [32, 32, 32, 255]]])
    one_bit = pictures.decode(png(8, 1, 1, 0, b"\0\xaa"))
    np.testing.assert_array_equal(one_bit, [[255, 0, 255, 0, 255, 0, 255, 0]])
    palette = pictures.decode(png(2, 1, 8, 3, b"\0\0\1", (b"PLTE", b"\1\2\3\xff\0\x10")))
    np.testing.assert_array_equal(palette, [[[1, 2, 3], [255, 0, 16]]])


def damaged_files() -> dict[str, bytes]:
    image = noise((50, 60, 3))
    files = {suffix: pictures.encode(image, suffix) for suffix in (".png", ".jpg")}
    flipped = bytearray(files[".png"])
    flipped[len(flipped) // 2] ^= 1
    return {
        "empty": b"",
        "text": b"no picture at all\n" * 10,
        "zeros": bytes(1000),
        "png magic": files[".png"][:8],
        "png cut": files[".png"][: len(files[".png"]) // 2],
        "png flipped": bytes(flipped),
        "jpg magic": files[".jpg"][:4],
        "jpg cut": files[".jpg"][: len(files[".jpg"]) // 2],
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
    }


@pytest.mark.parametrize("name", damaged_files())
def test_damaged_or_other_file_is_refused(name: str) -> None:
    with pytest.raises(ImageError, match="cannot read the picture"):
        pictures.decode(damaged_files()[name])


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ImageError):
        pictures.decode(data)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16"])
def test_samples_of_other_types_are_refused(dtype: str) -> None:
    done, data = cv2.imencode(".tif", np.ones((4, 4), dtype))
    assert done
    with pytest.raises(ImageError, match=dtype):
        pictures.decode(data.tobytes())


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
