"""Files as datagrams: whichever arrive, in whatever order, the best file comes of them."""

from __future__ import annotations

import dataclasses
import itertools
import random
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_pictures import make_picture

import imgcrypt
from imgcrypt import (
    DamagedError,
    ImgcryptError,
    Key,
    NotImgcError,
    TruncatedError,
    container,
    datagrams,
)
from imgcrypt.keys import RawKey

KEY = RawKey(bytes(range(32)))
IMAGE = make_picture(120, 160)
FILES = {
    "none": imgcrypt.encrypt(IMAGE, KEY, protection="none"),
    "light": imgcrypt.encrypt(IMAGE, KEY),
    "strong": imgcrypt.encrypt(IMAGE, KEY, protection="strong"),
    "survive": imgcrypt.encrypt(IMAGE, KEY, survive=0.25),
    "lossless": imgcrypt.encrypt(IMAGE, KEY, lossless=True, survive=0.25),
    "raw": imgcrypt.encrypt(IMAGE, KEY, raw=True),
    "tiny": imgcrypt.encrypt(IMAGE[:1, :1], KEY),
    "exact": imgcrypt.encrypt_bytes(bytes(range(256)) * 300, KEY, name="a.bin", survive=0.25),
    "empty": imgcrypt.encrypt_bytes(b"", KEY),
}
OTHER = imgcrypt.packets(imgcrypt.encrypt(make_picture(40, 50), KEY))
MTUS = [400, 576, 1200, 65_000]


def sealed(body: bytes) -> bytes:
    return body + struct.pack("<I", zlib.crc32(body))


@pytest.mark.parametrize("mtu", MTUS)
@pytest.mark.parametrize("name", FILES)
def test_all_of_them_give_the_file(name: str, mtu: int) -> None:
    sent = imgcrypt.packets(FILES[name], mtu)
    assert max(map(len, sent)) <= mtu
    assert imgcrypt.join(sent) == FILES[name]
    assert imgcrypt.join(sent[::-1] + sent) == FILES[name]
    assert imgcrypt.packets(memoryview(FILES[name]), mtu) == sent


@given(data=st.data(), name=st.sampled_from([*FILES]), mtu=st.sampled_from(MTUS), seed=st.integers(0, 2**32))
@settings(max_examples=60)
def test_any_of_them_in_any_order_with_others_among_them(data: st.DataObject, name: str, mtu: int, seed: int) -> None:
    blob, chance = FILES[name], random.Random(seed)
    header = container.parse(blob)
    sent = imgcrypt.packets(blob, mtu)
    kept = chance.sample(sent, round(data.draw(st.floats(0, 1)) * len(sent)))
    garbage = [chance.randbytes(chance.randrange(99)), *data.draw(st.lists(st.binary(max_size=60), max_size=3))]
    few = OTHER[: min(len(kept) - 1, 9)] if kept else []
    arrived = [*kept, *chance.choices(kept, k=len(kept) // 3), *garbage, *few]
    chance.shuffle(arrived)
    if len(kept) < max(min(len(sent), 255) // 4, 1) and not few:
        with pytest.raises((TruncatedError, NotImgcError)):
            imgcrypt.join(arrived)
        return
    try:
        made = imgcrypt.join(iter(arrived))
    except TruncatedError:
        # Of more than 255 datagrams several have the same share of the header.
        assert len(kept) < len(sent) // 4 * 2
        return
    if made[: header.header_bytes] != blob[: header.header_bytes]:
        return  # the other file, if this one's header is not there
    assert len(made) == len(blob)
    one, other = np.frombuffer(made, np.uint8), np.frombuffer(blob, np.uint8)
    assert not one[one != other].any()
    if len(kept) == len(sent):
        assert made == blob
    else:
        # No less is there than arrived.
        arrived_bytes = sum(len(each) for each in kept) / sum(map(len, sent))
        assert (one == other).mean() >= arrived_bytes - 0.1


@pytest.mark.parametrize("mtu", MTUS)
def test_a_quarter_of_few_datagrams_gives_the_header_whichever_they_are(mtu: int) -> None:
    sent = imgcrypt.packets(FILES["survive"], mtu)
    assert len(sent) <= 255
    for first in range(len(sent)):
        kept = [sent[(first + step) % len(sent)] for step in range(len(sent) // 4)]
        made = imgcrypt.join(kept)
        assert container.parse(made).file_bytes == len(FILES["survive"])


@pytest.mark.parametrize("mtu", [576, 1200, 65_000])
@pytest.mark.parametrize("seed", range(3))
def test_a_fifth_lost_costs_what_the_protection_says(mtu: int, seed: int) -> None:
    image = make_picture(300, 400)
    whole = {}
    for name, options in {"survive": {"survive": 0.4}, "strong": {"protection": "strong"}}.items():
        blob = imgcrypt.encrypt(image, KEY, **options)  # type: ignore[arg-type]
        sent = imgcrypt.packets(blob, mtu)
        kept = random.Random(seed).sample(sent, len(sent) - len(sent) // 5)
        whole[name] = imgcrypt.recover(imgcrypt.join(kept), KEY, provider="cpu")
        if name == "survive":
            np.testing.assert_array_equal(
                imgcrypt.decrypt(imgcrypt.join(kept), KEY, provider="cpu"), imgcrypt.decrypt(blob, KEY, provider="cpu")
            )
            assert imgcrypt.repair(imgcrypt.join(kept), KEY) == blob
    assert whole["survive"].complete
    assert (whole["strong"].authentic, whole["strong"].complete) == (True, False)
    assert whole["strong"].whole in (2, 3)


@given(cut=st.integers(1, 5000), length=st.integers(1, 70_000), start=st.integers(0, 10**9), room=st.integers(32, 2000))
def test_pieces_are_even_and_cover_all(cut: int, length: int, start: int, room: int) -> None:
    spans = datagrams._cut(start, length, room)
    assert spans[0][0] == start
    assert spans[-1][1] == start + length
    assert all(one[1] == other[0] for one, other in itertools.pairwise(spans))
    sizes = {end - begin for begin, end in spans}
    assert max(sizes) <= room
    assert max(sizes) - min(sizes) <= 1
    assert len(spans) == 1 or min(sizes) >= 16


def test_packets_are_cut_at_the_same_places() -> None:
    header = container.parse(FILES["raw"])
    spans = []
    for each in imgcrypt.packets(FILES["raw"], 700):
        found = datagrams._read(each)
        assert found
        spans.append((found[1].offset, len(found[1].piece)))
    for number in range(header.packets):
        at = header.packet_at(number)
        inside = [(start - at, size) for start, size in spans if at <= start < at + header.packet_bytes]
        assert sum(size for _, size in inside) == header.packet_bytes
        assert inside == [(start - header.packet_at(0), size) for start, size in spans[: len(inside)]]


# --- what is not welcome ----------------------------------------------------------------------------------------------


def test_nothing_makes_no_file() -> None:
    for arrived in ([], [b""], [b"words"] * 9, [FILES["light"]], [bytes(1000)]):
        with pytest.raises(NotImgcError, match="none of these"):
            imgcrypt.join(arrived)


@given(at=st.integers(0, 10**6), bit=st.integers(0, 7), which=st.integers(0, 10**6))
def test_a_changed_datagram_is_a_lost_one(at: int, bit: int, which: int) -> None:
    sent = imgcrypt.packets(FILES["light"], 576)
    changed = bytearray(sent[which % len(sent)])
    changed[at % len(changed)] ^= 1 << bit
    others = [each for number, each in enumerate(sent) if number != which % len(sent)]
    assert imgcrypt.join([bytes(changed), *others]) == imgcrypt.join(others)


def test_file_with_the_most_datagrams_is_made() -> None:
    one, other = imgcrypt.packets(FILES["light"]), imgcrypt.packets(FILES["strong"])
    assert imgcrypt.join(other[:9] + one) == FILES["light"]
    # A file of which many came but whose header cannot be made gives way.
    header = [
        sealed(datagrams.HEAD.pack(b"\x89imd", 1, b"stranger", 300, 2, number, 0) + bytes(300)) for number in (0, 1)
    ]
    assert imgcrypt.join([*header, *imgcrypt.packets(FILES["tiny"], 65_000)]) == FILES["tiny"]


@pytest.mark.parametrize("forged", [1, 3])
def test_forged_datagrams_deny_at_most(forged: int) -> None:
    # Their checksum is right, as anybody can make it.
    sent = imgcrypt.packets(FILES["survive"])
    wrong = []
    for each in sent[:: len(sent) // forged][:forged]:
        wrong.append(
            sealed(each[: datagrams.HEAD.size] + bytes(byte ^ 0x55 for byte in each[datagrams.HEAD.size : -4]))
        )
    made = imgcrypt.join(wrong + sent)
    assert made != FILES["survive"]
    np.testing.assert_array_equal(imgcrypt.decrypt(made, KEY), imgcrypt.decrypt(FILES["survive"], KEY))
    everything = [sealed(each[: datagrams.HEAD.size] + bytes(len(each) - datagrams.HEAD.size - 4)) for each in sent]
    with pytest.raises(DamagedError, match="contradict"):
        imgcrypt.join(everything + sent)


@pytest.mark.parametrize("offset", [0, 5, 10**5, 2**63, 2**64 - 1])
def test_places_outside_the_packets_are_not_written_to(offset: int) -> None:
    sent = imgcrypt.packets(FILES["light"])
    head = datagrams.HEAD.unpack_from(sent[3])
    stray = sealed(datagrams.HEAD.pack(*head[:-1], offset) + sent[3][datagrams.HEAD.size : -4])
    assert imgcrypt.join([stray, *sent]) == imgcrypt.join([*sent[:3], *sent[4:]])


def test_header_that_promises_more_than_arrived_costs_nothing() -> None:
    small = container.parse(FILES["exact"])
    parts = tuple(part._replace(length=2**40) for part in small.parts)
    packed = dataclasses.replace(small, parts=parts).pack() + bytes(32)
    head = datagrams.HEAD.pack(b"\x89imd", 1, datagrams._id(packed), len(packed), 1, 0, len(packed))
    with pytest.raises(TruncatedError, match="only 99 arrived"):
        imgcrypt.join([sealed(head + packed + bytes(99))])


@given(st.lists(st.binary(max_size=400).map(lambda tail: sealed(OTHER[0][:5] + tail)), max_size=5))
def test_hostile_datagrams_raise_no_other_error(hostile: list[bytes]) -> None:
    assert imgcrypt.join([*hostile, *OTHER]) == imgcrypt.join(OTHER)
    with pytest.raises(ImgcryptError):
        imgcrypt.join(hostile)


def test_what_cannot_be_sent_is_refused() -> None:
    with pytest.raises(TruncatedError):
        imgcrypt.packets(FILES["light"][:-1])
    with pytest.raises(NotImgcError):
        imgcrypt.packets(b"words")
    for mtu in (1, 40, 67):
        with pytest.raises(ImgcryptError, match="too short for this file; give an mtu of") as caught:
            imgcrypt.packets(FILES["light"], mtu)
        least = int(str(caught.value).split()[-1].replace(",", ""))
        assert imgcrypt.join(imgcrypt.packets(FILES["light"], least)) == FILES["light"]
    with pytest.raises(ImgcryptError, match="mtu is at least 1"):
        imgcrypt.packets(FILES["light"], 0)
    wrong: list[Any] = [None, 1200.0, "1200", True]
    for mtu_of_a_wrong_type in wrong:
        with pytest.raises(TypeError, match="mtu is a whole number"):
            imgcrypt.packets(FILES["light"], mtu_of_a_wrong_type)
    with pytest.raises(TypeError, match="bytes of a file"):
        imgcrypt.join(["words"])  # type: ignore[list-item]


def test_joined_file_tells_no_more_than_the_file() -> None:
    made = imgcrypt.join(imgcrypt.packets(FILES["light"])[::2])
    with pytest.raises(imgcrypt.WrongKeyError):
        imgcrypt.recover(made, Key.generate())
