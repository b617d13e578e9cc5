"""What travels beside the pixels: packed and unpacked, and made to say that they are upright."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_reading import exif, xmp

from imgcrypt.errors import DamagedError, ImageError
from imgcrypt.pictures import metadata
from imgcrypt.pictures.metadata import FIELDS, Metadata

NUMBERS = st.floats(allow_nan=False)
EVERYTHING = st.builds(
    Metadata,
    profile=st.none() | st.binary(),
    exif=st.none() | st.binary(),
    xmp=st.none() | st.binary(),
    resolution=st.none() | st.tuples(NUMBERS, NUMBERS),
    gamma=st.none() | NUMBERS,
    chromaticities=st.none() | st.tuples(*[NUMBERS] * 8),
    intent=st.none() | st.integers(0, 255),
    coding=st.none() | st.tuples(*[st.integers(0, 255)] * 4),
    # File names may hold bytes that are no text.
    name=st.none() | st.binary().map(lambda name: name.decode("utf-8", "surrogateescape")),
    format=st.none() | st.text(),
)


def test_every_field_is_packed() -> None:
    assert {field for field, _ in FIELDS.values()} == {field.name for field in dataclasses.fields(Metadata)}


@given(EVERYTHING)
def test_packed_metadata_comes_back(everything: Metadata) -> None:
    assert metadata.unpack(metadata.pack(everything)) == everything


@given(EVERYTHING)
def test_length_tells_little(everything: Metadata) -> None:
    size = len(metadata.pack(everything))
    assert size == 0 or (size >= 256 and size & (size - 1) == 0)


def test_what_cannot_be_packed_is_refused() -> None:
    with pytest.raises(ImageError, match="67,108,864"):
        metadata.pack(Metadata(xmp=bytes(2**26)))
    with pytest.raises(ImageError, match="not text"):
        metadata.pack(Metadata(name="\ud800"))


def test_nothing_takes_no_bytes() -> None:
    assert metadata.pack(Metadata()) == b""
    assert metadata.unpack(b"") == Metadata()


@given(EVERYTHING, st.binary(max_size=20))
def test_field_of_a_later_release_is_skipped(everything: Metadata, body: bytes) -> None:
    later = metadata.HEAD.pack(999, len(body)) + body
    assert metadata.unpack(later + metadata.pack(everything)) == everything


@given(st.binary(max_size=80) | st.builds(lambda m, n: metadata.pack(m)[:n], EVERYTHING, st.integers(0, 100)))
def test_malformed_block_raises_nothing_else(data: bytes) -> None:
    try:
        unpacked = metadata.unpack(data)
    except DamagedError:
        return
    assert isinstance(unpacked, Metadata)


@pytest.mark.parametrize(
    "data",
    [
        b"\1",
        metadata.HEAD.pack(1, 5) + b"1234",
        metadata.HEAD.pack(5, 3) + b"123",
        metadata.pack(Metadata(gamma=1.0)) * 2,
        metadata.HEAD.pack(10, 3) + b"PNG" + metadata.HEAD.pack(10, 3) + b"PNG",
        bytes(300) + b"\1",
        bytes(3) + b"\1",
    ],
)
def test_malformed_block_is_refused(data: bytes) -> None:
    with pytest.raises(DamagedError, match="metadata"):
        metadata.unpack(data)


@given(st.binary(max_size=60), st.integers(0, 8), st.integers(0, 60))
def test_damaged_exif_block_is_ignored(data: bytes, orientation: int, length: int) -> None:
    assert metadata.orientation(exif(orientation)[:length]) in range(1, 9)
    for start in (b"", b"II", b"MM", b"II*\0\x08\0\0\0", b"MM\0*\xff\xff\xff\xff"):
        assert metadata.orientation(start + data) in range(1, 9)
        assert metadata.orientation(metadata.upright(Metadata(exif=start + data)).exif or b"") == 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("order", ["<", ">"])
def test_upright_metadata_turns_nothing(orientation: int, order: str) -> None:
    block = exif(orientation, order, before=3)
    assert metadata.orientation(block) == orientation
    upright = metadata.upright(Metadata(exif=block, xmp=xmp(orientation), profile=b"profile"))
    assert upright.exif == exif(1, order, before=3)
    assert upright.xmp == xmp(1)
    assert upright.profile == b"profile"
