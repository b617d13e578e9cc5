"""Protected files: what comes back of which loss, that it is proven, and that nothing else ever says so."""

from __future__ import annotations

import functools
import random
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_pictures import make_picture

import imgcrypt
from imgcrypt import (
    DamagedError,
    ImgcryptError,
    Key,
    TruncatedError,
    WrongKeyError,
    container,
    envelope,
    payload,
    recovery,
)
from imgcrypt.keys import RawKey
from imgcrypt.pictures.metadata import Metadata

KEY = RawKey(bytes(range(32)))
IMAGE = make_picture(120, 160)
OPTIONS: dict[str, dict[str, Any]] = {
    "light": {},
    "strong": {"protection": "strong"},
    "survive": {"survive": 0.25},
    "survive much": {"survive": 0.6},
    "lossless": {"lossless": True, "survive": 0.25},
    "raw": {"raw": True, "protection": "light"},
    "chaos": {"suite": "chaos", "survive": 0.25},
    "paper's net": {"net": "fclbcnn", "protection": "strong"},
}
NAMES = st.sampled_from([*OPTIONS])
FILLS = st.sampled_from(["zeros", "noise", "one bit", "another's"])


@functools.cache
def sealed(name: str) -> tuple[bytes, container.Header, npt.NDArray[np.uint8]]:
    """A file, its header and its payload."""
    picture = imgcrypt.Picture(IMAGE, metadata=Metadata(name="a.png", exif=b"II*\0"))
    blob = imgcrypt.encrypt(picture, KEY, **OPTIONS[name])
    header, data, _ = envelope.open_(blob, KEY)
    return blob, header, data


def design(header: container.Header) -> int:
    """Packets that the file may lose in full."""
    return header.packets - max(part.needed for part in header.parts)


def lose(name: str, numbers: list[int], fill: str, chance: random.Random) -> bytes:
    """The file with these packets gone."""
    blob, header, _ = sealed(name)
    other = sealed("strong" if name == "light" else "light")[0]
    file = bytearray(blob)
    for number in numbers:
        place = slice(header.packet_at(number), header.packet_at(number) + header.packet_bytes)
        if fill == "zeros":
            file[place] = bytes(header.packet_bytes)
        elif fill == "noise":
            file[place] = chance.randbytes(header.packet_bytes)
        elif fill == "one bit":
            file[chance.randrange(place.start, place.stop)] ^= 1 << chance.randrange(8)
        else:
            file[place] = (other * 20)[: header.packet_bytes]
    return bytes(file)


def proven(found: recovery.Found) -> int:
    """Bytes of the payload that are said to be proven."""
    return sum(part.length for part in found.header.payload_parts[: found.whole])


def test_profiles_have_parity_here() -> None:
    assert {name: design(sealed(name)[1]) > 0 for name in OPTIONS} == dict.fromkeys(OPTIONS, True)
    assert len(sealed("strong")[1].payload_parts) == 4


@given(name=NAMES, fill=FILLS, share=st.floats(0, 1), front=st.booleans(), seed=st.integers(0, 2**32))
@settings(max_examples=80)
def test_what_is_lost_up_to_the_design_comes_back(name: str, fill: str, share: float, front: bool, seed: int) -> None:
    blob, header, data = sealed(name)
    chance = random.Random(seed)
    numbers = chance.sample(range(header.packets), round(share * design(header)))
    file = lose(name, numbers, fill, chance)
    if front and header.front:
        file = file[: header.header_bytes] + bytes(header.front_bytes) + file[header.packet_at(0) :]
    found = recovery.open_damaged(file, KEY)
    assert (found.complete, found.authentic, found.failed) == (True, True, tuple(sorted(numbers)))
    assert not (found.lost | found.doubtful).any()
    np.testing.assert_array_equal(found.payload, data)
    assert imgcrypt.repair(file, KEY) == blob


@pytest.mark.parametrize("name", OPTIONS)
def test_decrypt_gives_the_picture_and_says_that_it_was_mended(name: str, caplog: pytest.LogCaptureFixture) -> None:
    blob, header, _ = sealed(name)
    lost = design(header)
    file = lose(name, list(range(lost)), "zeros", random.Random(0))
    whole = imgcrypt.decrypt_picture(blob, KEY, provider="cpu")
    assert not caplog.text
    back = imgcrypt.decrypt_picture(file, KEY, provider="cpu")
    assert f"repaired: {lost} of {header.packets} packets were damaged" in caplog.text
    np.testing.assert_array_equal(back.pixels, whole.pixels)
    assert back.metadata == whole.metadata
    done = imgcrypt.recover(file, KEY, provider="cpu")
    np.testing.assert_array_equal(done.image, whole.pixels)
    assert (done.complete, done.authentic, done.failed_packets) == (True, True, lost)
    assert (done.whole, done.lost_bytes, done.doubtful_bytes) == (done.parts, 0, 0)
    assert done.metadata == whole.metadata
    out = np.zeros_like(whole.pixels)
    np.testing.assert_array_equal(imgcrypt.Codec(KEY, provider="cpu").decrypt(file, out), whole.pixels)


@given(
    name=NAMES,
    start=st.floats(0, 1),
    fill=st.sampled_from([b"\0", b"\xff", b"x"]),
    how=st.sampled_from(["over", "cut", "in"]),
)
@settings(max_examples=60)
def test_a_burst_anywhere_comes_back(name: str, start: float, fill: bytes, how: str) -> None:
    blob, header, _ = sealed(name)
    # So long that it meets no more packets than may be lost, wherever it begins.
    length = max((design(header) - 2) * header.packet_bytes + 2, 1)
    at = int(start * (len(blob) - length))
    between = {"over": fill * length, "cut": b"", "in": blob[at : at + length] + fill * length}[how]
    if at < header.header_bytes < header.trailer_at < at + length:
        return  # both copies
    file = blob[:at] + between + blob[at + length :]
    assert imgcrypt.repair(file, KEY) == blob


@given(name=NAMES, where=st.sampled_from(["first", "second"]), at=st.floats(0, 1), bit=st.integers(0, 7))
@settings(max_examples=60)
def test_either_copy_of_the_header_and_the_design_loss(name: str, where: str, at: float, bit: int) -> None:
    blob, header, data = sealed(name)
    place = min(int(at * header.header_bytes), header.header_bytes - 1) + (0 if where == "first" else header.trailer_at)
    file = bytearray(lose(name, list(range(design(header))), "zeros", random.Random(0)))
    file[place] ^= 1 << bit
    found = recovery.open_damaged(bytes(file), KEY)
    assert found.complete
    np.testing.assert_array_equal(found.payload, data)
    assert imgcrypt.repair(file, KEY) == blob


@given(name=NAMES, share=st.floats(0, 1), fill=FILLS, front=st.booleans(), seed=st.integers(0, 2**32))
@settings(max_examples=80)
def test_beyond_the_design_the_first_parts_come_back(
    name: str, share: float, fill: str, front: bool, seed: int
) -> None:
    _, header, data = sealed(name)
    chance = random.Random(seed)
    left = round(share * (header.packets - design(header)))
    file = lose(name, chance.sample(range(header.packets), header.packets - left), fill, chance)
    spared = header.front and not front
    if header.front and front:
        file = file[: header.header_bytes] + bytes(header.front_bytes) + file[header.packet_at(0) :]
    needed = [part.needed for part in header.payload_parts]
    parts = 0
    while parts < len(needed) and (left >= needed[parts] or (parts == 0 and spared)):
        parts += 1
    try:
        found = recovery.open_damaged(file, KEY)
    except ImgcryptError:
        assert not parts
        return
    # One wrong bit in each packet is mended column by column, as far as more comes back.
    assert found.whole == parts or (fill == "one bit" and found.whole > parts)
    assert (found.authentic, found.complete) == (
        found.whole == len(needed),
        found.complete and found.whole == len(needed),
    )
    np.testing.assert_array_equal(found.payload[: proven(found)], data[: proven(found)])
    assert not (found.lost | found.doubtful)[: proven(found)].any()


@pytest.mark.parametrize(("lost", "whole"), [(0.05, 4), (0.2, 3), (0.45, 2), (0.7, 1)])
def test_strong_gives_coarser_pictures_the_more_is_lost(lost: float, whole: int) -> None:
    _, header, data = sealed("strong")
    file = lose("strong", list(range(int(lost * header.packets))), "zeros", random.Random(0))
    done = imgcrypt.recover(file, KEY, provider="cpu")
    assert (done.whole, done.parts, done.authentic) == (whole, 4, True)
    assert done.complete == (whole == 4)
    assert done.doubtful_bytes == 0
    kept = sum(part.length for part in header.payload_parts[:whole])
    assert done.lost_bytes == len(data) - kept
    valid = (np.arange(len(data)) < kept).astype(np.uint8)
    np.testing.assert_array_equal(done.image, payload.rebuild(data, header.content, "cpu", valid))
    if whole < 4:
        with pytest.raises(DamagedError, match="to recover it would give a coarser picture, authentic"):
            imgcrypt.decrypt(file, KEY)
        with pytest.raises(DamagedError, match="more than the file's parity mends"):
            imgcrypt.repair(file, KEY)


@pytest.mark.parametrize("name", OPTIONS)
def test_wrong_bytes_in_all_packets_are_corrected_up_to_half_the_parity(name: str) -> None:
    blob, header, data = sealed(name)
    chance = random.Random(0)
    width, most = header.packet_bytes - container.TAG_BYTES, design(header) // 2
    assert most or name in ("light", "raw")
    file, hit = bytearray(blob), dict.fromkeys(range(width), 0)
    for number in range(header.packets):
        # One wrong byte in each, and no more than can be mended in a column.
        column = chance.choice([column for column in hit if hit[column] < most] or [0])
        hit[column] += 1
        file[header.packet_at(number) + column] ^= chance.randrange(1, 256)
    found = recovery.open_damaged(bytes(file), KEY)
    assert len(found.failed) == header.packets
    if most:
        assert found.complete
        np.testing.assert_array_equal(found.payload, data)
        assert imgcrypt.repair(file, KEY) == blob


@given(
    name=NAMES,
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=300),
    whole_file=st.booleans(),
)
@settings(max_examples=80)
def test_what_is_called_proven_is_what_was_encrypted(
    name: str, flips: list[tuple[float, int]], whole_file: bool
) -> None:
    blob, header, data = sealed(name)
    file = bytearray(blob)
    start, end = (0, len(file)) if whole_file else (header.header_bytes, header.trailer_at)
    for at, change in flips:
        file[start + int(at * (end - start))] ^= change
    try:
        found = recovery.open_damaged(bytes(file), KEY)
    except ImgcryptError:
        return
    np.testing.assert_array_equal(found.payload[: proven(found)], data[: proven(found)])
    sure = ~found.lost & ~found.doubtful
    np.testing.assert_array_equal(found.payload[sure], data[sure])
    if found.complete:
        assert imgcrypt.repair(file, KEY) == blob


def test_packets_and_fronts_of_other_files_prove_nothing() -> None:
    blob, header, data = sealed("survive")
    other = imgcrypt.encrypt(
        imgcrypt.Picture(IMAGE[::-1].copy(), metadata=Metadata(name="b.png", exif=b"II*\0")), KEY, survive=0.25
    )
    there = container.parse(other)
    front = (
        blob[: header.header_bytes] + other[there.header_bytes :][: header.front_bytes] + blob[header.packet_at(0) :]
    )
    assert imgcrypt.repair(front, KEY) == blob
    swapped = bytearray(blob)
    for number in range(header.packets):
        source = header.packet_at((number + 1) % header.packets)
        at = header.packet_at(number)
        swapped[at : at + header.packet_bytes] = blob[source : source + header.packet_bytes]
    found = recovery.open_damaged(bytes(swapped), KEY)
    assert len(found.failed) >= header.packets - 1
    np.testing.assert_array_equal(found.payload[: proven(found)], data[: proven(found)])


@pytest.mark.parametrize("name", OPTIONS)
def test_unprotected_pictures_never_claim_what_they_lost(name: str) -> None:
    options = {key: value for key, value in OPTIONS[name].items() if key not in ("protection", "survive")}
    blob = imgcrypt.encrypt(IMAGE, KEY, **options, protection="none")
    header = container.parse(blob)
    assert design(header) == 0
    at = header.packet_at(header.packets - 1)
    file = blob[: at + 40] + bytes([blob[at + 40] ^ 1]) + blob[at + 41 :]
    with pytest.raises(DamagedError):
        imgcrypt.decrypt(file, KEY)
    if name == "lossless":
        with pytest.raises(DamagedError, match="lossless picture is compressed"):
            imgcrypt.recover(file, KEY)
        return
    done = imgcrypt.recover(file, KEY, provider="cpu")
    assert not done.complete
    layered = header.front
    assert (done.authentic, done.whole, done.doubtful_bytes > 0) == (layered, int(layered), not layered)


# --- repair -----------------------------------------------------------------------------------------------------------


def test_repair_leaves_what_is_whole_and_refuses_what_it_cannot_mend() -> None:
    blob, header, _ = sealed("light")
    assert imgcrypt.repair(blob, KEY) == blob
    with pytest.raises(WrongKeyError):
        imgcrypt.repair(blob[:-1], Key.generate())
    with pytest.raises(TruncatedError):
        imgcrypt.repair(blob[: header.header_bytes], KEY)
    with pytest.raises(DamagedError, match="more than the file's parity mends; recover"):
        imgcrypt.repair(lose("light", list(range(design(header) + 1)), "zeros", random.Random(0)), KEY)
    with pytest.raises(TypeError):
        imgcrypt.repair("words", KEY)  # type: ignore[arg-type]


def test_repair_keeps_other_slots_and_associated_data() -> None:
    blob = imgcrypt.encrypt(IMAGE, KEY, survive=0.25, associated_data=b"account 7")
    file = blob[: len(blob) // 2] + bytes(99) + blob[len(blob) // 2 + 99 :]
    assert imgcrypt.repair(file, KEY, associated_data=b"account 7") == blob
    with pytest.raises(DamagedError, match="associated data"):
        imgcrypt.repair(file, KEY)


@given(data=st.binary(max_size=3000), suite=st.sampled_from(["hybrid", "chaos"]), seed=st.integers(0, 2**32))
@settings(max_examples=30)
def test_exact_files_are_repaired(data: bytes, suite: Any, seed: int) -> None:
    blob = imgcrypt.encrypt_bytes(data, KEY, name="a.bin", suite=suite, survive=0.25)
    header, chance = container.parse(blob), random.Random(seed)
    file = bytearray(blob)
    for number in chance.sample(range(header.packets), design(header)):
        at = header.packet_at(number)
        file[at : at + header.packet_bytes] = bytes(header.packet_bytes)
    assert imgcrypt.repair(file, KEY) == blob
    assert imgcrypt.decrypt_bytes(file, KEY) == imgcrypt.recover_bytes(file, KEY) == (data, "a.bin")
