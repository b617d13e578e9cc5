"""Previews: a small authentic picture from the first kilobytes of a file, and no more of it is read."""

from __future__ import annotations

import functools
import io
import pathlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_pictures import make_picture

import imgcrypt
from imgcrypt import (
    DamagedError,
    ImageError,
    ImgcryptError,
    Key,
    NewerVersionError,
    NotImgcError,
    TruncatedError,
    WrongKeyError,
    container,
    previewing,
)
from imgcrypt.keys import RawKey
from imgcrypt.metrics import psnr

KEY = RawKey(bytes(range(32)))
OPTIONS: dict[str, dict[str, Any]] = {
    "none": {"protection": "none"},
    "light": {},
    "strong": {"protection": "strong"},
    "survive": {"survive": 0.3},
    "chaos": {"suite": "chaos"},
}


@functools.cache
def sealed(channels: int = 3, kind: str = "light") -> bytes:
    return imgcrypt.encrypt(make_picture(203, 261, channels), KEY, **OPTIONS[kind])


class Counting(io.BytesIO):
    """A file that counts what is read of it."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.count = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.count += len(data)
        return data


@pytest.mark.parametrize("kind", OPTIONS)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_preview_looks_like_the_picture(channels: int, kind: str) -> None:
    image = make_picture(203, 261, channels)
    small = imgcrypt.preview(sealed(channels, kind), KEY)
    assert small.dtype == np.uint8
    assert small.shape == (26, 33, *image.shape[2:])
    large = imgcrypt.preview(sealed(channels, kind), KEY, full_size=True)
    assert large.shape == image.shape
    np.testing.assert_array_equal(small, previewing.smaller(large))
    colors = np.s_[:, :, :3] if channels == 4 else np.s_[:]
    assert psnr(image[colors], large[colors]) > 16
    assert psnr(previewing.smaller(image)[colors], small[colors]) > 17
    if channels == 4:
        assert (small[:, :, 3] == 255).all()


@pytest.mark.parametrize("kind", OPTIONS)
def test_no_more_is_read_than_is_needed(kind: str) -> None:
    blob = sealed(3, kind)
    header = container.parse(blob)
    file = Counting(blob)
    small = imgcrypt.preview(file, KEY)
    assert file.count == header.packet_at(0) < len(blob) / 3
    np.testing.assert_array_equal(small, imgcrypt.preview(blob, KEY))
    np.testing.assert_array_equal(small, imgcrypt.preview(blob[: header.packet_at(0)], KEY))
    np.testing.assert_array_equal(small, imgcrypt.preview(memoryview(blob + bytes(9)), KEY))
    # Of a file that turns out to be none, only the fixed fields.
    other = Counting(b"words" * 1000)
    with pytest.raises(NotImgcError):
        imgcrypt.preview(other, KEY)
    assert other.count <= container.FIXED.size + 2**16


def test_files_on_disk(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.imgc").write_bytes(sealed())
    with (tmp_path / "a.imgc").open("rb") as file:
        np.testing.assert_array_equal(imgcrypt.preview(file, KEY), imgcrypt.preview(sealed(), KEY))


def test_preview_is_what_recovery_gives_of_the_first_part_alone() -> None:
    blob = sealed()
    header = container.parse(blob)
    file = blob[: header.packet_at(0)] + bytes(header.trailer_at - header.packet_at(0)) + blob[header.trailer_at :]
    done = imgcrypt.recover(file, KEY, provider="cpu")
    assert (done.authentic, done.complete, done.whole) == (True, False, 1)
    np.testing.assert_array_equal(done.image, imgcrypt.preview(blob, KEY, full_size=True))


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([(), (3,), (4,)]), st.integers(0, 255))
def test_smaller_is_the_mean(height: int, width: int, more: tuple[int, ...], value: int) -> None:
    picture = np.random.default_rng(value).integers(0, 256, (height, width, *more), np.uint8)
    small = previewing.smaller(picture)
    assert small.shape == (-(-height // 8), -(-width // 8), *more)
    assert (previewing.smaller(np.full_like(picture, value)) == value).all()
    if height >= 8 and width >= 8:
        np.testing.assert_array_equal(small[0, 0], np.floor(picture[:8, :8].mean((0, 1)) + 0.5))


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "blob",
    [
        imgcrypt.encrypt(make_picture(203, 261), KEY, raw=True),
        imgcrypt.encrypt(make_picture(203, 261), KEY, lossless=True),
        imgcrypt.encrypt(make_picture(203, 261), KEY, net="fclbcnn"),
        imgcrypt.encrypt(make_picture(30, 40), KEY),
        imgcrypt.encrypt_bytes(b"words", KEY),
    ],
    ids=["raw", "lossless", "the paper's net", "small", "another file"],
)
def test_files_without_preview(blob: bytes) -> None:
    with pytest.raises(ImageError, match=r"no preview|decrypt_bytes"):
        imgcrypt.preview(blob, KEY)


def test_truncated_files() -> None:
    blob = sealed()
    header = container.parse(blob)
    for length in (8, 11, 12, 59, 60, 100, header.header_bytes - 1, header.header_bytes, header.packet_at(0) - 1):
        for file in (blob[:length], io.BytesIO(blob[:length])):
            with pytest.raises(TruncatedError, match="the file ends inside its"):
                imgcrypt.preview(file, KEY)
    for file in (b"", io.BytesIO(b""), blob[:7], blob[1:]):
        with pytest.raises(NotImgcError):
            imgcrypt.preview(file, KEY)


def test_wrong_key() -> None:
    for file in (sealed(), io.BytesIO(sealed())):
        with pytest.raises(WrongKeyError):
            imgcrypt.preview(file, Key.generate())
        with pytest.raises(WrongKeyError):
            imgcrypt.preview(io.BytesIO(sealed()), Key.from_passphrase("words"))


@given(at=st.floats(0, 1, exclude_max=True), change=st.integers(1, 255), kind=st.sampled_from([*OPTIONS]))
@settings(max_examples=60)
def test_changed_byte_before_the_packets_is_refused(at: float, change: int, kind: str) -> None:
    blob = bytearray(sealed(3, kind))
    blob[int(at * container.parse(bytes(blob)).packet_at(0))] ^= change
    with pytest.raises((DamagedError, TruncatedError, NewerVersionError, NotImgcError, WrongKeyError)):
        imgcrypt.preview(bytes(blob), KEY)


def test_damage_behind_does_not_matter() -> None:
    blob = sealed()
    at = container.parse(blob).packet_at(0)
    file = blob[:at] + bytes(len(blob) - at)
    np.testing.assert_array_equal(imgcrypt.preview(file, KEY), imgcrypt.preview(blob, KEY))


def test_associated_data() -> None:
    blob = imgcrypt.encrypt(make_picture(203, 261), KEY, associated_data=b"account 7")
    assert imgcrypt.preview(blob, KEY, associated_data=b"account 7").shape == (26, 33, 3)
    with pytest.raises(DamagedError, match="associated data"):
        imgcrypt.preview(blob, KEY)


@pytest.mark.parametrize("file", ["photo.imgc", pathlib.Path("photo.imgc"), None, 5, [1]])
def test_wrong_types(file: Any) -> None:
    with pytest.raises(TypeError):
        imgcrypt.preview(file, KEY)
    with pytest.raises(TypeError):
        imgcrypt.preview(sealed(), "key")  # type: ignore[arg-type]


def test_text_file_is_refused() -> None:
    with pytest.raises((TypeError, ImgcryptError)):
        imgcrypt.preview(io.StringIO("words"), KEY)  # type: ignore[arg-type]
