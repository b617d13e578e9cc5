"""What profiles promise: layouts that the container accepts, lengths that follow from n alone, and so much loss."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcrypt import container, envelope, profiles, recovery
from imgcrypt.container import Content, Layout, Mode, NetRecord, Suite
from imgcrypt.errors import ImgcryptError
from imgcrypt.keys import RawKey
from imgcrypt.profiles import LEAST_CUT, LEAST_PAYLOAD, MOST_PACKETS, NAMES, PREVIEW_BYTES, Profile

LENGTHS = st.integers(1, 300) | st.integers(1, 10**6) | st.integers(1, 10**12)
SHARES = st.floats(0, 0.9, exclude_min=True)
PROFILES = st.sampled_from(list(NAMES.values())) | SHARES.map(profiles.surviving)
EXACT = Content(Suite.HYBRID, Mode.EXACT, 0, 0, 0, 0, None)
SAMPLED = Content(Suite.HYBRID, Mode.SAMPLED, 10, 10, 3, 1, NetRecord("net", bytes(32), 0))
SECRETS = envelope.Secrets(bytes(32), bytes(32))
KEY = RawKey(bytes(32))


def lost(layout: Layout) -> int:
    """How many packets may be lost so that all comes back, but for a part that stands in front alone."""
    return layout.packets - max(layout.metadata_needed, *(part.needed for part in layout.parts))


def check(layout: Layout, content: Content, payload_bytes: int) -> None:
    """The container takes a header with this layout, with metadata and without."""
    for metadata_bytes in (0, 256):
        header = container.make_header(content, layout, (), metadata_bytes, bytes(32))
        header = dataclasses.replace(header, digests=(bytes(32),) * len(header.parts))
        packed = header.pack() + bytes(container.MAC_BYTES)
        assert len(packed) == header.header_bytes
        assert container.parse(packed, whole=False) == header
        assert header.payload_bytes == payload_bytes


@given(PROFILES, LENGTHS, st.booleans())
def test_layouts_are_ones_that_the_container_takes(profile: Profile, length: int, layered: bool) -> None:
    layout = profiles.lay_out(profile, length, layered)
    check(layout, SAMPLED if layered else EXACT, length)
    assert 1 <= layout.packets <= MOST_PACKETS
    assert layout.front == (len(layout.parts) > 1)
    if layered:
        # The earlier a part, the more of the packets it may lose; the first may stand in front alone.
        needed = [part.needed for part in layout.parts]
        assert needed == sorted(needed)
        assert layout.parts[0].length <= PREVIEW_BYTES or len(layout.parts) == 1
    else:
        assert len(layout.parts) == 1


@given(PROFILES)
def test_another_file_may_be_empty(profile: Profile) -> None:
    check(profiles.lay_out(profile, 0, layered=False), EXACT, 0)


@given(PROFILES, st.integers(1, 5000), st.booleans())
def test_length_of_a_file_follows_from_that_of_the_payload(profile: Profile, length: int, layered: bool) -> None:
    content = SAMPLED if layered else EXACT
    flat, noise = np.zeros(length, np.uint8), np.random.default_rng(1).integers(0, 256, length, np.uint8)
    files = [
        envelope.seal(payload, content, profiles.lay_out(profile, length, layered), KEY, SECRETS)
        for payload in (flat, noise)
    ]
    assert len(files[0]) == len(files[1])
    header = container.parse(files[0])
    assert profiles.stored_bytes(header.layout) == len(files[0]) - 2 * header.header_bytes
    assert header.file_bytes == len(files[0])


@given(SHARES, LENGTHS, st.booleans())
def test_everything_survives_the_share_that_was_asked_for(loss: float, length: int, layered: bool) -> None:
    layout = profiles.lay_out(profiles.surviving(loss), length, layered)
    assert layout.packets >= LEAST_CUT
    assert lost(layout) >= math.ceil(loss * layout.packets)
    # And no more is paid for than a cut of so much of the whole file takes.
    assert lost(layout) <= loss * (layout.packets + profiles.BESIDE) + 1


@pytest.mark.parametrize("loss", [0.05, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("length", [60, 5000])
def test_any_packets_of_the_share_may_be_lost(loss: float, length: int) -> None:
    payload = np.random.default_rng(length).integers(0, 256, length, np.uint8)
    layout = profiles.lay_out(profiles.surviving(loss), length, layered=False)
    file = envelope.seal(payload, EXACT, layout, KEY, SECRETS, b"taken on a Monday")
    header = container.parse(file)
    count = math.ceil(loss * header.packets)
    middle = (header.packets - count) // 2
    rng = np.random.default_rng(7)
    for gone in (range(count), range(middle, middle + count), rng.permutation(header.packets)[:count]):
        damaged = bytearray(file)
        for number in gone:
            damaged[header.packet_at(number) : header.packet_at(number + 1)] = bytes(header.packet_bytes)
        found = recovery.open_damaged(damaged, KEY)
        assert found.complete
        np.testing.assert_array_equal(found.payload, payload)
    # The same share of the packets' bytes in one piece, wherever it begins, and gone altogether.
    begin, body = header.packet_at(0), header.packets * header.packet_bytes
    for start in (begin, begin + 5, begin + body // 3):
        found = recovery.open_damaged(file[:start] + file[start + int(loss * body) :], KEY)
        assert found.complete
        np.testing.assert_array_equal(found.payload, payload)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("length", [100, 3000, 30_000, 300_000, 10**7, 10**9])
def test_named_profiles_lose_what_they_say(name: str, length: int) -> None:
    layout = profiles.lay_out(NAMES[name], length, layered=True)
    shares = [1 - part.needed / layout.packets for part in layout.parts if part.needed]
    for share, loss in zip(shares, NAMES[name].losses[-len(shares) :], strict=True):
        # Few packets are lost in whole numbers.
        assert abs(share - (loss or 0)) <= 2 / layout.packets or layout.packets < 4
    if name == "none":
        assert lost(layout) == 0
    if name == "strong":
        assert layout.packets >= LEAST_CUT
    if length >= 10**6:
        ends = [end / length for end in itertools.accumulate(part.length for part in layout.parts)]
        least = min(NAMES[name].ends[0], PREVIEW_BYTES / length)
        assert ends == pytest.approx([least, *NAMES[name].ends[1:], 1], abs=1e-5)


@pytest.mark.parametrize("loss", [0, -0.1, 0.91, 1, math.nan, math.inf])
def test_other_shares_are_refused(loss: float) -> None:
    with pytest.raises(ImgcryptError, match=r"above 0 and at most 0\.9; give one"):
        profiles.surviving(loss)


@given(PROFILES, st.integers(0, 10**5) | st.integers(0, 10**10), st.booleans())
def test_what_fits_fits_and_little_more_would(profile: Profile, room: int, layered: bool) -> None:
    length = profiles.fitting(profile, room, layered)
    assert length >= LEAST_PAYLOAD
    stored = profiles.stored_bytes(profiles.lay_out(profile, length, layered))
    assert stored <= room or length == LEAST_PAYLOAD
    # With few packets needed, whole numbers of them make steps: one more of 4 is a third more of the payload in each.
    more = profiles.lay_out(profile, length + length // 3 + 2 * MOST_PACKETS, layered)
    assert profiles.stored_bytes(more) > room
