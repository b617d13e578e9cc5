"""Pictures kept sample by sample: every kind comes back, smaller where it can be, and nothing else is opened."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_pictures import make_picture

import imgcrypt
from imgcrypt import container, envelope, padding
from imgcrypt.codec import lossless
from imgcrypt.container import Mode
from imgcrypt.errors import DamagedError
from imgcrypt.keys import RawKey

KEY = RawKey(bytes(range(32)))
SHAPES = [(1, 1), (1, 900), (33, 70), (33, 70, 3), (33, 70, 4), (900, 1, 3)]
DTYPES = pytest.mark.parametrize("dtype", ["uint8", "uint16"])


def same(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> bool:
    return one.shape == other.shape and one.dtype == other.dtype and bool((one == other).all())


@settings(max_examples=60)
@given(
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    channels=st.sampled_from([1, 3, 4]),
    dtype=st.sampled_from(["uint8", "uint16"]),
    smooth=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_picture_comes_back(size: tuple[int, int], channels: int, dtype: str, smooth: bool, seed: int) -> None:
    shape = size if channels == 1 else (*size, channels)
    image = np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, shape, dtype)
    if smooth:
        image.sort(axis=1)
    if channels == 4:
        image[::2, :, 3] = 0  # the colors of what nobody sees are samples too
    data = lossless.encode(image)
    assert same(lossless.decode(data, shape, dtype), image)
    assert same(lossless.decode(data + bytes(50), shape, dtype), image)


@DTYPES
@pytest.mark.parametrize("shape", SHAPES)
def test_other_payloads_are_refused(shape: tuple[int, ...], dtype: str) -> None:
    data = lossless.encode(np.zeros(shape, dtype))
    other = "uint16" if dtype == "uint8" else "uint8"
    for bad, *asked in (
        (data, (shape[0] + 1, *shape[1:]), dtype),
        (data, shape, other),
        (data, (*shape[:2], 3 if len(shape) == 2 else 4 if shape[2] == 3 else 3), dtype),
        (data[:-1], shape, dtype),
        (b"", shape, dtype),
        (bytes(100), shape, dtype),
    ):
        with pytest.raises(DamagedError, match="does not fit"):
            lossless.decode(bad, *asked)


@given(st.binary(max_size=200), st.integers(0, 200))
def test_no_bytes_raise_another_error(data: bytes, at: int) -> None:
    good = lossless.encode(np.zeros((9, 9), np.uint8))
    for each in (data, good[:at] + data + good[at:]):
        try:
            found = lossless.decode(each, (9, 9), "uint8")
        except DamagedError:
            continue
        assert found.shape == (9, 9)


@DTYPES
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_file_is_smaller_and_its_length_is_padded(channels: int, dtype: str) -> None:
    image = make_picture(120, 150, channels, texture=False).astype(dtype)
    blob = imgcrypt.encrypt(image, KEY, lossless=True)
    info = imgcrypt.inspect(blob)
    assert (info.mode, info.bits, info.net, info.rate) == ("lossless", 8 * image.itemsize, None, None)
    assert info.payload_bytes == padding.padded(info.payload_bytes) < 0.8 * image.nbytes
    assert same(imgcrypt.decrypt(blob, KEY), image)


@DTYPES
def test_noise_and_raw_pictures_stay_as_they_are(dtype: str) -> None:
    noise = np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, (50, 60, 3), dtype)
    for image, options in ((noise, {"lossless": True}), (np.zeros_like(noise), {"raw": True})):
        blob = imgcrypt.encrypt(image, KEY, **options)
        assert imgcrypt.inspect(blob).mode == "raw"
        assert imgcrypt.inspect(blob).payload_bytes == image.nbytes
        assert same(imgcrypt.decrypt(blob, KEY), image)


def test_damaged_compressed_picture_is_refused_whole_one_recovered() -> None:
    image = make_picture(60, 80)
    blob = bytearray(imgcrypt.encrypt(image, KEY, lossless=True))
    header = container.parse(blob)
    at = header.packet_at(0)
    blob[at + header.packet_bytes - 1] ^= 1  # a tag alone
    assert same(imgcrypt.recover(blob, KEY).image, image)
    blob[at : header.trailer_at] = bytes(header.trailer_at - at)
    with pytest.raises(DamagedError, match=r"spoils it|nothing of what"):
        imgcrypt.recover(blob, KEY)


def test_sealed_codestream_of_another_picture_is_refused() -> None:
    header, data, _ = envelope.open_(imgcrypt.encrypt(make_picture(60, 80), KEY, lossless=True), KEY)
    assert header.mode is Mode.LOSSLESS
    for change in ({"height": 2**31, "width": 2**31}, {"height": 61}, {"channels": 4}, {"sample_bytes": 2}):
        content = dataclasses.replace(header.content, **change)
        with pytest.raises(imgcrypt.ImgcryptError):
            imgcrypt.decrypt(envelope.seal(data, content, header.layout, KEY, envelope.Secrets.fresh()), KEY)
