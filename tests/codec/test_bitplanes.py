"""The layout of measurements for any rate: what goes in comes out, and lost bytes cost what they held and no more."""

from __future__ import annotations

import functools
import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from imgcrypt.codec import bitplanes
from imgcrypt.codec.bitplanes import Tables

Bytes = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.uint16]

GAINS = np.array([-16, -27, -47, -73, -102, -133, -165, -196, -228, -260], np.int16)

channel_numbers = st.sampled_from([1, 3])
sides = st.integers(1, 4)
seeds = st.integers(0, 2**32 - 1)
shares = st.floats(0, 1)


@functools.cache
def tables(channels: int, flat: bool = False) -> Tables:
    """Steps that fall with the frequency, more or less so by class; ``flat``: much the same for all."""
    rng = np.random.default_rng(channels)
    steps = []
    for side in (32, 16):
        frequency = np.add(*np.mgrid[:side, :side]) / side
        fall = np.full((256, channels, 1, 1), 5) if flat else rng.integers(20, 200, (256, channels, 1, 1))
        noise = rng.integers(0, 20, (256, channels, side, side))
        steps.append((210 - fall * frequency + noise).clip(0, 255).astype(np.uint8).reshape(256, -1))
    means = [rng.normal(0, 300, (256, channels)).astype(np.float32) for _ in range(2)]
    return Tables((steps[0], steps[1]), (means[0], means[1]), GAINS)


def least(height: int, width: int) -> int:
    """The fewest bytes for so many superblocks."""
    return 5 * height * width


def length_of(share: float, height: int, width: int, channels: int) -> int:
    """From the fewest bytes to more than all bits of all coefficients; short ones more often."""
    return least(height, width) + int(share**3 * 1300 * height * width * channels)


def made(height: int, width: int, channels: int, length: int, seed: int) -> tuple[Bytes, Indices]:
    """Random classes, of the mode that the length asks for, and indices."""
    rng = np.random.default_rng(seed)
    mode = bitplanes.mode(length, height * width, channels)
    classes = np.broadcast_to(rng.integers(0, 256, (height, width, 4 if mode else 1), np.uint8), (height, width, 4))
    return classes, rng.integers(0, 1024, (height, width, 1024 * channels), np.uint16)


def first_bits(indices: Indices, bits: Bytes) -> Indices:
    """The first bits of each index."""
    return indices >> (bitplanes.PLANES - bits.astype(np.uint16))


def assert_there(known: bitplanes.Known, indices: Indices) -> None:
    """What is said to be known is right."""
    assert known.bits.max(initial=0) <= bitplanes.PLANES
    np.testing.assert_array_equal(first_bits(known.indices, known.bits), first_bits(indices, known.bits))


def parts(length: int, height: int, width: int, channels: int) -> tuple[int, int]:
    """Where the bits begin, and where the parity does."""
    count = height * width * (4 if bitplanes.mode(length, height * width, channels) else 1)
    return count, length - bitplanes.parities(length, height * width, channels) * count


@settings(max_examples=60)
@given(channels=channel_numbers, height=sides, width=sides, share=shares, flat=st.booleans(), seed=seeds)
def test_kept_bits_come_back(channels: int, height: int, width: int, share: float, flat: bool, seed: int) -> None:
    length, own = length_of(share, height, width, channels), tables(channels, flat)
    classes, indices = made(height, width, channels, length, seed)
    payload = bitplanes.pack(own, classes, indices, length)
    assert (payload.shape, payload.dtype) == ((length,), np.uint8)
    known = bitplanes.unpack(own, payload, None, height, width)
    assert known.mode == bitplanes.mode(length, height * width, channels)
    np.testing.assert_array_equal(known.classes, classes)
    start, end = parts(length, height, width, channels)
    level, bits = bitplanes.allocate(own, classes, known.mode, end - start)
    assert known.threshold == level
    np.testing.assert_array_equal(known.bits, bits)
    assert_there(known, indices)
    # No room is left for another superblock's bits of the next level.
    if level:
        more = own.bits[level - 1][own.expand(classes, known.mode)] - bits.astype(int)
        wanted = more.sum(2).reshape(-1)
        assert wanted[wanted > 0][0] > 8 * (end - start) - 7 * height - bits.sum(dtype=int)
    # A mask that says that all is there changes nothing.
    again = bitplanes.unpack(own, payload, np.ones(length, np.uint8), height, width)
    np.testing.assert_array_equal(again.bits, bits)
    np.testing.assert_array_equal(again.indices, known.indices)


@pytest.mark.parametrize("channels", [1, 3])
def test_every_length_serves_and_more_bytes_tell_more(channels: int) -> None:
    own, before, previous = tables(channels), None, None
    lengths = [*range(5, 300), *range(300, 1300 * channels, 37)]
    for length in lengths:
        classes, indices = made(1, 1, channels, length, 0)
        known = bitplanes.unpack(own, bitplanes.pack(own, classes, indices, length), None, 1, 1)
        assert_there(known, indices)
        layout = known.mode, bitplanes.parities(length, 1, channels)
        if layout == before:
            assert (known.bits >= previous).all()
            assert known.bits.sum() >= previous.sum()
        before, previous = layout, known.bits
    # All bits that are worth anything are there at last.
    assert known.threshold == 0


@given(channels=channel_numbers, height=sides, width=sides, share=shares, longer=st.integers(0, 50), seed=seeds)
def test_more_bytes_tell_more_of_every_coefficient(
    channels: int, height: int, width: int, share: float, longer: int, seed: int
) -> None:
    length, blocks = length_of(share, height, width, channels), height * width
    for find in (bitplanes.mode, bitplanes.parities):
        assume(find(length, blocks, channels) == find(length + longer, blocks, channels))
    classes, _ = made(height, width, channels, length, seed)
    start, end = parts(length, height, width, channels)
    mode = bitplanes.mode(length, blocks, channels)
    one, other = (bitplanes.allocate(tables(channels), classes, mode, end - start + each) for each in (0, longer))
    assert one[0] >= other[0]
    assert (one[1] <= other[1]).all()


@given(
    channels=channel_numbers,
    height=sides,
    width=sides,
    share=shares,
    lost=st.floats(0, 1),
    flat=st.booleans(),
    seed=seeds,
)
def test_lost_bytes_cost_the_bits_they_held_and_those_below(
    channels: int, height: int, width: int, share: float, lost: float, flat: bool, seed: int
) -> None:
    length, own = length_of(share, height, width, channels), tables(channels, flat)
    classes, indices = made(height, width, channels, length, seed)
    payload = bitplanes.pack(own, classes, indices, length)
    kept = bitplanes.unpack(own, payload, None, height, width).bits
    start, end = parts(length, height, width, channels)
    rng = np.random.default_rng(seed)
    valid = np.ones(length, np.uint8)
    valid[start:end] = rng.random(end - start) >= lost
    payload[valid == 0] = rng.integers(0, 256, np.count_nonzero(valid == 0), np.uint8)
    known = bitplanes.unpack(own, payload, valid, height, width)
    assert_there(known, indices)
    at = start
    for row, found in zip(kept.reshape(height, -1).tolist(), known.bits.reshape(height, -1), strict=True):
        ends = 8 * at + np.cumsum(row)
        there = np.repeat(valid.astype(bool), 8)
        expected = []
        for bits, stop in zip(row, ends.tolist(), strict=True):
            gone = np.flatnonzero(~there[stop - bits : stop]) if bits else ()
            expected.append(gone[0] if len(gone) else bits)
        np.testing.assert_array_equal(found, expected)
        at = -(-int(ends[-1]) // 8)


@given(channels=channel_numbers, height=sides, width=sides, share=shares, seed=seeds)
def test_classes_that_are_lost_come_from_their_parity(
    channels: int, height: int, width: int, share: float, seed: int
) -> None:
    length, own = length_of(share, height, width, channels), tables(channels)
    classes, indices = made(height, width, channels, length, seed)
    payload = bitplanes.pack(own, classes, indices, length)
    start, end = parts(length, height, width, channels)
    # One codeword: any so many bytes of classes and parity may be lost as there are bytes of parity.
    assert start <= 255 // (1 + bitplanes.parities(length, height * width, channels))
    rng = np.random.default_rng(seed)
    table = np.concatenate([np.arange(start), np.arange(end, length)])
    gone = rng.permutation(table)[: length - end]
    valid = np.ones(length, np.uint8)
    payload[gone], valid[gone] = rng.integers(0, 256, len(gone), np.uint8), 0
    known = bitplanes.unpack(own, payload, valid, height, width)
    np.testing.assert_array_equal(known.classes, classes)
    np.testing.assert_array_equal(known.bits, bitplanes.allocate(own, classes, known.mode, end - start)[1])
    assert_there(known, indices)
    # One more, and no bit counts.
    valid[table[np.flatnonzero(valid[table])[0]]] = 0
    assert not bitplanes.unpack(own, payload, valid, height, width).bits.any()


@given(channels=channel_numbers, height=sides, width=sides, share=shares, known=shares, seed=seeds)
def test_noise_is_no_error(channels: int, height: int, width: int, share: float, known: float, seed: int) -> None:
    length, rng = length_of(share, height, width, channels), np.random.default_rng(seed)
    payload, valid = rng.integers(0, 256, length, np.uint8), (rng.random(length) < known).astype(np.uint8)
    for mask in (None, valid):
        found = bitplanes.unpack(tables(channels), payload, mask, height, width)
        assert found.bits.shape == found.indices.shape == (height, width, 1024 * channels)
        assert found.indices.max() < 1024
        assert found.bits.max() <= 10


@given(channels=channel_numbers, height=sides, width=sides, mode=st.integers(0, 1), seed=seeds)
def test_coefficients_have_the_steps_and_means_of_their_block(
    channels: int, height: int, width: int, mode: int, seed: int
) -> None:
    own, rng = tables(channels), np.random.default_rng(seed)
    classes = np.broadcast_to(rng.integers(0, 256, (height, width, 4 if mode else 1), np.uint8), (height, width, 4))
    steps, means = own.expand(classes, mode), own.dc_means(classes, mode)
    assert (steps.shape, means.shape) == ((height, width, 1024 * channels), (height, width, channels, 4))
    for _ in range(30):
        y, x, p, i, j = (int(rng.integers(0, most)) for most in (height, width, channels, 32, 32))
        quarter = 2 * (i // 16) + j // 16
        step = own.steps[0][classes[y, x, 0], 1024 * p + 32 * i + j]
        if mode:
            step = own.steps[1][classes[y, x, quarter], 256 * p + 16 * (i % 16) + j % 16]
        assert steps[y, x, 1024 * p + 32 * i + j] == step
        mean = own.means[mode][classes[y, x, quarter], p] if mode or quarter == 0 else 0
        assert means[y, x, p, quarter] == mean


@given(channels=channel_numbers, mode=st.integers(0, 1), seed=seeds)
def test_dc_coefficients_are_told_within_their_cells(channels: int, mode: int, seed: int) -> None:
    own, rng = tables(channels), np.random.default_rng(seed)
    classes = np.broadcast_to(rng.integers(0, 256, (2, 3, 4 if mode else 1), np.uint8), (2, 3, 4))
    indices = rng.integers(0, 1024, (2, 3, 1024 * channels), np.uint16)
    bits = rng.integers(0, 11, indices.shape, np.uint8)
    found, there = bitplanes.dc_coefficients(own, bitplanes.Known(mode, 100, classes, indices, bits))
    steps, means = own.expand(classes, mode), own.dc_means(classes, mode)
    for y, x, p, quarter in np.ndindex(2, 3, channels, 4 if mode else 1):
        number = 1024 * p + 512 * (quarter // 2) + 16 * (quarter % 2)
        known = int(bits[y, x, number])
        assert there[y, x, p, quarter] == (known > 0)
        if not known:
            continue
        v = (float(found[y, x, p, quarter]) - float(means[y, x, p, quarter])) / 2 ** (steps[y, x, number] / 16 - 3)
        u = 0.5 + math.copysign(0.5 - 0.5 * math.exp(-math.sqrt(2) / 3 * abs(v)), v)
        # In the middle of the cell, as the quantizer sees it; single precision moves it a bit.
        assert u * 2**known == pytest.approx((indices[y, x, number] >> (10 - known)) + 0.5, abs=0.1)


@pytest.mark.parametrize(
    ("rate", "height", "width", "channels", "expected"),
    [
        (0.25, 256, 256, 1, 16384),
        (0.18, 100, 90, 3, 4860),
        (0.005, 256, 256, 1, 328),
        (0.18, 1, 1, 1, 10),
        (0.005, 33, 33, 1, 20),
        (0.007, 33, 33, 1, 28),
        (0.005, 33, 33, 3, 40),
        (0.75, 1, 5000, 1, 3750),
        (0, 33, 65, 3, 30),
    ],
)
def test_lengths_are_the_rates_or_the_least(rate: float, height: int, width: int, channels: int, expected: int) -> None:
    assert bitplanes.size(rate, height, width, channels) == expected
