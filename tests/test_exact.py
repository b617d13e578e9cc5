"""Files kept exactly: every byte and the name come back, nothing else opens them, and nothing is guessed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import imgcrypt
from imgcrypt import DamagedError, ImageError, ImgcryptError, WrongKeyError
from imgcrypt.keys import RawKey
from imgcrypt.pictures.metadata import Metadata

KEY = RawKey(bytes(range(32)))
NAMES = st.none() | st.text(st.characters(codec="utf-8", exclude_characters="/\\:\0"), min_size=1)


@given(data=st.binary(), name=NAMES, suite=st.sampled_from(["hybrid", "chaos"]))
@example(data=bytes(range(256)) * 1000, name="a.gif", suite="hybrid")
@example(data=bytes(70_000), name=None, suite="chaos")
def test_every_byte_and_the_name_come_back(data: bytes, name: str | None, suite: str) -> None:
    blob = imgcrypt.encrypt_bytes(data, KEY, name=name, suite=suite)
    assert imgcrypt.decrypt_bytes(blob, KEY) == (data, None if name == "." else name)
    assert imgcrypt.recover_bytes(blob, KEY) == imgcrypt.decrypt_bytes(blob, KEY)


def test_header_tells_the_length_and_nothing_else() -> None:
    one, other = (imgcrypt.encrypt_bytes(b"GIF89a", KEY, name=name) for name in ("a", "a much longer name.gif"))
    assert imgcrypt.inspect(one) == imgcrypt.inspect(other)
    info = imgcrypt.inspect(one)
    assert (info.mode, info.payload_bytes, info.net, info.rate) == ("exact", 6, None, None)
    assert (info.height, info.width, info.channels, info.bits) == (0, 0, 0, 0)
    assert b"GIF" not in one


@pytest.mark.parametrize("name", ["b.png", "/in/b.png", "../b.png", "in/b.png"])
def test_folders_stay_at_home(name: str) -> None:
    assert imgcrypt.decrypt_bytes(imgcrypt.encrypt_bytes(b"", KEY, name=name), KEY).name == "b.png"


@pytest.mark.parametrize("data", [bytearray(b"abc"), memoryview(b"abc"), memoryview(b"xaxbxc")[1::2].tobytes()])
def test_all_kinds_of_bytes_are_taken(data: Any) -> None:
    assert imgcrypt.decrypt_bytes(imgcrypt.encrypt_bytes(data, KEY), KEY).data == b"abc"


def test_files_and_pictures_are_not_mistaken_for_each_other() -> None:
    file, picture = (
        imgcrypt.encrypt_bytes(b"abc", KEY),
        imgcrypt.encrypt(np.zeros((2, 3), np.uint8), KEY, lossless=True),
    )
    for opener in (imgcrypt.decrypt, imgcrypt.decrypt_picture, imgcrypt.recover):
        with pytest.raises(ImageError, match="decrypt_bytes"):
            opener(file, KEY)
    for opener in (imgcrypt.decrypt_bytes, imgcrypt.recover_bytes):
        with pytest.raises(ImageError, match="there is a picture"):
            opener(picture, KEY)


def test_suites_that_are_not_there_are_refused() -> None:
    with pytest.raises(ImgcryptError, match="hybrid, chaos"):
        imgcrypt.encrypt_bytes(b"", KEY, suite="plain")


@pytest.mark.parametrize("opener", [imgcrypt.decrypt_bytes, imgcrypt.recover_bytes])
def test_wrong_key_and_any_changed_byte_are_refused(opener: Callable[..., object]) -> None:
    blob = imgcrypt.encrypt_bytes(bytes(range(200)), KEY, name="a.gif")
    with pytest.raises(WrongKeyError):
        opener(blob, RawKey(bytes(32)))
    info = imgcrypt.inspect(blob)
    assert info.packets == 1
    header = (len(blob) - info.packet_bytes) // 2
    for at in range(header, header + 200, 7):
        changed = bytearray(blob)
        changed[at] ^= 1
        with pytest.raises(DamagedError):
            opener(bytes(changed), KEY)


def test_damage_beside_the_bytes_is_overcome() -> None:
    data = bytes(range(200))
    blob = imgcrypt.encrypt_bytes(data, KEY, name="a.gif")
    # One packet: the file's bytes, 256 of metadata, the tag.
    end = (len(blob) - 200 - 256 - 16) // 2 + 200
    tag = blob[: end + 256] + bytes([blob[end + 256] ^ 1]) + blob[end + 257 :]
    for damaged in (blob[:-1], bytes(50) + blob[50:], tag):
        assert imgcrypt.decrypt_bytes(damaged, KEY) == imgcrypt.recover_bytes(damaged, KEY) == (data, "a.gif")
    damaged = blob[: end + 9] + bytes(9) + blob[end + 18 :]
    with pytest.raises(DamagedError, match="all but what was encrypted beside it"):
        imgcrypt.decrypt_bytes(damaged, KEY)
    assert imgcrypt.recover_bytes(damaged, KEY) == (data, None)
    with pytest.raises(DamagedError, match="nothing can stand in"):
        imgcrypt.recover_bytes(blob[: end - 50] + bytes(20) + blob[end - 30 :], KEY)
    with pytest.raises(DamagedError, match="nothing of what was encrypted"):
        imgcrypt.recover_bytes(blob[: end - 50] + blob[end:], KEY)


# --- pictures with what their files say -------------------------------------------------------------------------------


@pytest.mark.parametrize("lossless", [True, False])
def test_metadata_travel_with_a_picture(lossless: bool) -> None:
    said = Metadata(
        profile=b"icc" * 100, exif=b"II*\0", xmp=b"<x/>", resolution=(72, 72.5), name="a.jpg", format="JPEG"
    )
    pixels = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    blob = imgcrypt.encrypt(imgcrypt.Picture(pixels, metadata=said), KEY, lossless=lossless)
    for part in (b"icc", b"<x/>", b"a.jpg", b"JPEG"):
        assert part not in blob
    back = imgcrypt.decrypt_picture(blob, KEY)
    assert (back.metadata, back.format, back.bits, back.notes) == (said, "JPEG", 8, ())
    np.testing.assert_array_equal(back.pixels, imgcrypt.decrypt(blob, KEY))
    assert not lossless or (back.pixels == pixels).all()
    assert imgcrypt.decrypt_picture(imgcrypt.encrypt(pixels, KEY, lossless=True), KEY).metadata == Metadata()


def test_metadata_of_a_damaged_picture_are_authentic_or_none() -> None:
    said = Metadata(name="a.png", exif=b"II*\0")
    blob = imgcrypt.encrypt(imgcrypt.Picture(np.zeros((30, 40), np.uint8), metadata=said), KEY, raw=True)
    header = (len(blob) - 1200 - 16 - 256 - 16) // 2
    assert imgcrypt.recover(blob, KEY).metadata == said
    assert imgcrypt.recover(blob[: header + 300] + bytes(200) + blob[header + 500 :], KEY).metadata == said
    block = header + 1200 + 16
    damaged = blob[: block + 5] + bytes([blob[block + 5] ^ 1]) + blob[block + 6 :]
    result = imgcrypt.recover(damaged, KEY)
    assert (result.metadata, result.authentic) == (None, True)
