"""How chaotic maps go wrong as keystream: neighboring seeds, uneven densities, states that stick, bits that do nothing.

The statistics are of fixed keys. Each is also shown a stream that has the fault, so that it is known to see it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from imgcrypt import cipher, envelope
from imgcrypt.cipher import kernels, layout, schedule
from imgcrypt.container import Header, Mode, Suite

Words = npt.NDArray[np.uint64]
States = npt.NDArray[np.float64]

KEY = bytes(range(32))
SEGMENTS = 256
ROWS = layout.SEGMENT_ROWS


def stream(seeds: Words, cloud: States | None = None) -> Words:
    """The words of every segment: uint64 (segments, rows, lanes)."""
    words = np.empty((len(seeds) // layout.SEED_WORDS, ROWS * layout.LANES), np.uint64)
    kernels.keystream_serial(0, len(words), seeds, schedule.cloud(KEY) if cloud is None else cloud, ROWS, words)
    return words.reshape(-1, ROWS, layout.LANES)


@pytest.fixture(scope="module")
def seeds() -> Words:
    made: Words = schedule.stream(KEY, schedule.RAW_STREAM, SEGMENTS * layout.SEED_WORDS)
    return made


@pytest.fixture(scope="module")
def words(seeds: Words) -> Words:
    return stream(seeds)


def evolve(a: States, b: States, cloud: States, rows: int) -> tuple[States, States]:
    """Both Logistic states of every lane, float64 (lanes,), before each row: float64 (rows, lanes) each.

    As docs/format.md, section 4.3, has it; NumPy's numbers round as the kernels' do.
    """
    ex1, ex2, en1, en2, he1, he2 = cloud
    h1, h2 = 2 - 4 * a, 2 - 4 * b
    ways: tuple[list[States], list[States]] = ([], [])
    for _ in range(rows):
        ways[0].append(a)
        ways[1].append(b)
        t = a * (1 - a)
        r = ((layout.RADIUS_3 * b + layout.RADIUS_2) * b + layout.RADIUS_1) * b + layout.RADIUS_0
        g1, g2 = r * (1 - 8 * t), r * (4 * np.sqrt(t) * (1 - 2 * a))
        d1, d2 = (ex1 + (en1 + he1 * h1) * g1).view(np.uint64), (ex2 + (en2 + he2 * h2) * g2).view(np.uint64)
        h1, h2 = g1, g2
        below, up = np.uint64(2**36 - 1), np.uint64(20)
        a = ((layout.MU * t).view(np.uint64) ^ ((d1 ^ (d2 << up)) & below)).view(np.float64)
        b = ((layout.MU * (b * (1 - b))).view(np.uint64) ^ ((d2 ^ (d1 << up)) & below)).view(np.float64)
    return np.stack(ways[0]), np.stack(ways[1])


@pytest.fixture(scope="module")
def states(seeds: Words) -> tuple[States, States]:
    """Both Logistic maps before every word: float64 (segments, rows, lanes)."""
    a, b = np.moveaxis(seeds.reshape(SEGMENTS, 2, layout.LANES), 1, 0)
    ways = evolve(start(a).reshape(-1), start(b).reshape(-1), schedule.cloud(KEY), ROWS)
    first, second = (way.reshape(ROWS, SEGMENTS, layout.LANES).transpose(1, 0, 2) for way in ways)
    return first, second


def start(seeds: Words) -> States:
    """The states that seeds begin with."""
    made: States = ((seeds >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
    return made


def planes(words: Words) -> npt.NDArray[np.uint8]:
    """Each of the 64 bits of all words together: uint8 (64, words / 8), filled up with zeros."""
    bits: npt.NDArray[np.uint8] = np.unpackbits(words.reshape(-1, 1).view(np.uint8), axis=1)
    return np.packbits(bits.T, axis=1)


def relation(one: Words, other: Words) -> float:
    """The farthest of the 64 x 64 correlations of bits from 0, in standard deviations."""
    right = planes(other)
    apart = np.array([np.bitwise_count(left ^ right).sum(1, dtype=np.int64) for left in planes(one)])
    return float(np.abs(one.size - 2 * apart).max() / one.size**0.5)


def bias(words: Words) -> float:
    """The farthest of the means of the 64 bits from one half, in standard deviations."""
    ones = np.bitwise_count(planes(words)).sum(1, dtype=np.int64)
    return float(np.abs(words.size - 2 * ones).max() / words.size**0.5)


# Of 4,096 correlations of chance one is beyond 6 once in 100,000 times; of 64 means beyond 5.5 as often.
RELATED, BIASED = 6, 5.5


def test_lanes_and_segments_are_unrelated_from_the_first_word(words: Words) -> None:
    for row in range(4):
        here = words[:, row]
        assert relation(here[:, :-1], here[:, 1:]) < RELATED
        assert relation(here[:-1], here[1:]) < RELATED
        assert relation(here, words[:, row + 1]) < RELATED


def test_keys_that_follow_each_other_give_unrelated_first_words() -> None:
    numbers = [cipher.keystream(number.to_bytes(32, "big"), 2048).view(np.uint64) for number in range(101)]
    first = np.stack(numbers)
    assert relation(first[:-1], first[1:]) < RELATED


def test_lanes_from_seeds_that_follow_each_other_would_be_related() -> None:
    # What the seeds must not be, and so what tells that the tests above can fail.
    counting = np.arange(8 * layout.SEED_WORDS, dtype=np.uint64) << np.uint64(12)
    middle = stream(counting + np.uint64(1 << 62))
    assert relation(middle[:, 0, :-1], middle[:, 0, 1:]) > 4 * RELATED


EXTREMES = [
    (lambda state: state < 2**-10, "near 0"),
    (lambda state: state > 1 - 2**-10, "near 1"),
    (lambda state: np.abs(state - 0.5) < 2**-6, "near 1/2, before 1"),
    (lambda state: np.abs(state - 0.75) < 2**-6, "near 3/4, the fixed point"),
]


@pytest.mark.parametrize("which", [0, 1], ids=["angle", "radius"])
@pytest.mark.parametrize("where", [extreme[0] for extreme in EXTREMES], ids=[extreme[1] for extreme in EXTREMES])
def test_words_are_even_where_the_arcsine_density_is_not(
    words: Words, states: tuple[States, States], which: int, where: Callable[[States], npt.NDArray[np.bool_]]
) -> None:
    there = where(states[which])
    assert there.sum() > 10_000
    assert bias(words[there]) < BIASED
    assert bias(states[which][there].view(np.uint64)) > 10 * BIASED
    # What the angle's state becomes is part of the word.
    there = np.roll(there, -1, axis=1)
    there[:, -1] = False
    assert bias(words[there]) < BIASED


def test_states_are_where_the_arcsine_density_says(states: tuple[States, States]) -> None:
    for state in states:
        below = np.mean(state[:, 8:] < 2**-10)
        assert below == pytest.approx(2 / np.pi * np.arcsin(2**-5), rel=0.1)


@pytest.mark.parametrize("row", [0, 1, ROWS - 1])
def test_low_bits_are_even_from_the_first_row_on(words: Words, states: tuple[States, States], row: int) -> None:
    # A state below 2**-k made from a seed ends in k zero bits.
    small = states[0][:, 0] < 2**-6
    assert bias(words[:, row][small]) < BIASED
    assert bias(states[0][:, 0][small].view(np.uint64)) > 5 * BIASED


CRITICAL = [2.0**-53, 2.0**-26, 0.25, 0.5, 0.75, 0.7499999850988379, 1 - 2.0**-53, layout.MU / 4]
"""Where Logistic maps come to 0, to 1 or to rest; the sixth maps to itself."""


def test_system_leaves_the_critical_points_of_its_maps_and_never_repeats() -> None:
    a, b = (axis.reshape(-1) for axis in np.meshgrid(CRITICAL, CRITICAL))
    for cloud in (schedule.cloud(KEY), np.array([-1, -1, 1, 1, 1 / 8, 1 / 8]), np.array([0, 0, 2, 2, 1 / 4, 1 / 4])):
        ways = evolve(a, b, cloud, 5_000)
        for way in ways:
            assert way.min() > 0
            assert way.max() < 1
        for both in np.stack(ways, -1).transpose(1, 0, 2):
            assert len(np.unique(both, axis=0)) == len(both)


def test_states_are_those_of_the_kernel(words: Words, states: tuple[States, States]) -> None:
    # The word is a sum whose last term is the next state; the rest of it follows from this one.
    np.testing.assert_array_equal(stream_of(states, schedule.cloud(KEY)), words[:, :-1])


def stream_of(states: tuple[States, States], cloud: States) -> Words:
    """The words but for the last row's, from the states: uint64 (segments, rows - 1, lanes)."""
    (a, b), (ex1, ex2, en1, en2, he1, he2) = states, cloud
    t = a * (1 - a)
    r = ((layout.RADIUS_3 * b + layout.RADIUS_2) * b + layout.RADIUS_1) * b + layout.RADIUS_0
    g1, g2 = r * (1 - 8 * t), r * (4 * np.sqrt(t) * (1 - 2 * a))
    h1, h2 = (np.concatenate([2 - 4 * way[:, :1], g[:, :-1]], 1) for way, g in ((a, g1), (b, g2)))
    x1 = (ex1 + (en1 + he1 * h1) * g1 + layout.OFFSET).view(np.uint64)
    x2 = (ex2 + (en2 + he2 * h2) * g2 + layout.OFFSET).view(np.uint64)
    turned = (x2 << np.uint64(32)) | (x2 >> np.uint64(32))
    made: Words = (x1 ^ turned)[:, :-1] + np.ascontiguousarray(a[:, 1:]).view(np.uint64)
    return made


PARAMETERS = ["Ex1", "Ex2", "En1", "En2", "He1", "He2"]


@pytest.mark.parametrize("which", range(6), ids=PARAMETERS)
def test_least_change_of_a_parameter_is_felt_within_a_few_rows(seeds: Words, words: Words, which: int) -> None:
    cloud = schedule.cloud(KEY)
    cloud[which] += max(2.0**-52, np.spacing(abs(cloud[which])))
    changed = np.bitwise_count(stream(seeds, cloud) ^ words) / 64
    assert np.mean(changed == 0) < 0.06
    assert np.mean(changed) > 0.45
    assert changed[:, 10:].mean() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("which", range(6), ids=PARAMETERS)
def test_a_tenth_more_of_a_parameter_changes_half_of_the_bits_and_the_first_row(
    seeds: Words, words: Words, which: int
) -> None:
    cloud = schedule.cloud(KEY)
    cloud[which] += 0.1
    changed = np.bitwise_count(stream(seeds, cloud) ^ words) / 64
    assert np.mean(changed == 0) < 0.001
    assert changed.mean() > 0.49
    assert changed[:, 0].mean() > 0.33


@pytest.mark.parametrize("which", [0, 1], ids=["angle", "radius"])
def test_a_state_and_1_minus_it_go_different_ways(seeds: Words, words: Words, which: int) -> None:
    # The Logistic map itself takes them to the same place.
    mirrored = seeds.reshape(SEGMENTS, 2, layout.LANES).copy()
    mirrored[:, which] = ~mirrored[:, which]
    changed = np.bitwise_count(stream(mirrored.reshape(-1)) ^ words) / 64
    assert changed[:, 1:].mean() == pytest.approx(0.5, abs=0.001)


HEADER = Header(Suite.CHAOS, Mode.RAW, 1, 1, 1, 1, 1, 0, 20, bytes(32), bytes(range(32)), ())


def image_key(file_key: bytes = KEY, digest: bytes = HEADER.digest) -> bytes:
    return envelope.image_keys(dataclasses.replace(HEADER, digest=digest), file_key)[0]


@pytest.mark.parametrize(
    ("key_of", "value"),
    [
        (lambda key: key, KEY),
        (lambda file_key: image_key(file_key=file_key), KEY),
        (lambda digest: image_key(digest=digest), HEADER.digest),
    ],
    ids=["image key", "file key", "digest"],
)
def test_every_bit_changes_half_of_the_keystream(key_of: Callable[[bytes], bytes], value: bytes) -> None:
    size = 8192
    before = cipher.keystream(key_of(value), size)
    changed = np.array(
        [
            np.bitwise_count(
                before ^ cipher.keystream(key_of((int.from_bytes(value) ^ 1 << bit).to_bytes(32)), size)
            ).sum(dtype=np.int64)
            for bit in range(256)
        ]
    )
    # Half of 65,536 bits, with a standard deviation of 128.
    assert np.abs(changed - 32_768).max() < 6 * 128
    assert changed.mean() == pytest.approx(32_768, abs=6 * 128 / 16)
