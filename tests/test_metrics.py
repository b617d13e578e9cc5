"""The measures against values worked out by hand, the printed ones of their sources, and random pictures."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcrypt import metrics
from imgcrypt.errors import ImageError, ImgcryptError

ALPHAS = (0.05, 0.01, 0.001)
RNG_SIDE = 128
REPEATS = 2000


def noise(rng: np.random.Generator, *shape: int) -> npt.NDArray[np.uint8]:
    return rng.integers(0, 256, shape, np.uint8)


def test_psnr_of_equal_pictures_is_infinite() -> None:
    picture = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert metrics.psnr(picture, picture.copy()) == math.inf


@pytest.mark.parametrize(("dtype", "peak"), [("uint8", 255), ("uint16", 65535)])
def test_psnr_is_that_of_the_mean_squared_error(dtype: str, peak: int) -> None:
    black, white = np.zeros((4, 5, 3), dtype), np.full((4, 5, 3), peak, dtype)
    assert metrics.psnr(black, white) == pytest.approx(0)
    one_off = black.copy()
    one_off[2, 3, 1] = 1
    # The differences are signed: unsigned ones would wrap around.
    for pair in ((black, one_off), (one_off, black)):
        assert metrics.psnr(*pair) == pytest.approx(10 * math.log10(peak**2 * 60))


def test_psnr_of_large_errors_does_not_overflow() -> None:
    black, white = np.zeros((300, 300), np.uint16), np.full((300, 300), 65535, np.uint16)
    black[0, 0] = 65535
    assert metrics.psnr(black, white) == pytest.approx(-10 * math.log10(1 - 1 / 90_000))


def test_entropy_counts_bits() -> None:
    assert metrics.entropy(np.full(100, 7, np.uint8)) == 0
    assert metrics.entropy(np.array([0, 255], np.uint8)) == pytest.approx(1)
    assert metrics.entropy(np.arange(256, dtype=np.uint8).reshape(16, 16)) == pytest.approx(8)
    assert metrics.entropy(np.array([1, 1, 1, 2], np.uint8)) == pytest.approx(2 - 0.75 * math.log2(3))


def test_correlation_of_neighbors() -> None:
    ramp = np.tile(np.arange(50, dtype=np.uint8), (3, 1))
    assert metrics.correlation(ramp) == pytest.approx(1)
    assert metrics.correlation(np.tile(np.array([0, 9] * 10, np.uint8), (3, 1))) == pytest.approx(-1)
    noise = np.random.default_rng(0).integers(0, 256, (200, 200), np.uint8)
    assert abs(metrics.correlation(noise)) < 0.02


@pytest.mark.parametrize("shape", [(1, 1), (5, 1), (4, 6)])
def test_correlation_that_is_not_defined_is_zero(shape: tuple[int, int]) -> None:
    assert metrics.correlation(np.full(shape, 9, np.uint8)) == 0


@pytest.mark.parametrize("direction", metrics.DIRECTIONS)
@pytest.mark.parametrize("shape", [(40, 50), (40, 50, 3)])
def test_correlation_is_numpys_of_the_right_neighbors(direction: str, shape: tuple[int, ...]) -> None:
    plane = np.random.default_rng(1).integers(0, 256, shape, np.uint8) // 3
    plane[1:] += plane[:-1] // 2  # rows and columns relate differently
    one, other = {
        "horizontal": (plane[:, :-1], plane[:, 1:]),
        "vertical": (plane[:-1], plane[1:]),
        "diagonal": (plane[:-1, :-1], plane[1:, 1:]),
    }[direction]
    expected = np.corrcoef(one.ravel(), other.ravel())[0, 1]
    assert metrics.correlation(plane, direction) == pytest.approx(expected, abs=1e-12)
    assert metrics.correlation(plane.astype(np.uint16) * 256, direction) == pytest.approx(expected, abs=1e-12)


def test_correlation_adds_up_over_its_parts() -> None:
    plane = np.random.default_rng(2).integers(0, 256, (300, 301), np.uint8)
    assert plane.size > 3 * metrics.PART
    expected = np.corrcoef(plane[:, :-1].ravel(), plane[:, 1:].ravel())[0, 1]
    assert metrics.correlation(plane) == pytest.approx(expected, abs=1e-12)


def test_random_pairs_are_neighbors_and_follow_the_seed() -> None:
    plane = (np.arange(60)[:, None] * 60 + np.arange(60)).astype(np.uint16)
    for direction, step in (("horizontal", 1), ("vertical", 60), ("diagonal", 61)):
        one, other = metrics.neighbors(plane, direction, 500, seed=3)
        assert one.shape == (500,)
        assert (other - one == step).all()
        assert (one == metrics.neighbors(plane, direction, 500, seed=3)[0]).all()
        assert (one != metrics.neighbors(plane, direction, 500, seed=4)[0]).any()
        assert len(np.unique(one)) > 400
    assert metrics.correlation(plane, "diagonal", 500) == pytest.approx(1)
    assert metrics.neighbors(plane[:1], "vertical", 500)[0].size == 0


def test_npcr_and_uaci_of_small_pictures() -> None:
    one, other = np.array([[0, 10], [255, 7]], np.uint8), np.array([[255, 4], [254, 7]], np.uint8)
    assert metrics.npcr(one, other) == 0.75
    # The differences are signed: unsigned ones would wrap around.
    assert metrics.uaci(one, other) == metrics.uaci(other, one) == (255 + 6 + 1) / (255 * 4)
    wide = np.array([[0, 65535]], np.uint16), np.array([[65535, 0]], np.uint16)
    assert (metrics.npcr(*wide), metrics.uaci(*wide)) == (1, 1)


@pytest.mark.parametrize("measure", [metrics.psnr, metrics.npcr, metrics.uaci])
@pytest.mark.parametrize("other", [np.zeros((1, 3), np.uint8), np.zeros((2, 3), np.uint16), np.zeros(3, np.uint8)])
def test_pictures_of_different_kinds_are_not_compared(measure: Any, other: metrics.Samples) -> None:
    with pytest.raises(ImageError, match="give two of one shape and dtype"):
        measure(np.zeros((2, 3), np.uint8), other)


@pytest.mark.parametrize(
    ("samples", "alpha", "npcr", "uaci"),
    [
        # Wu, Noonan and Agaian 2011, in percent; for 256 x 256 the paper prints them too, in its tables 7 and 8.
        (256 * 256, 0.05, 99.5693, (33.2824, 33.6447)),
        (256 * 256, 0.01, 99.5527, (33.2255, 33.7016)),
        (256 * 256, 0.001, 99.5341, (33.1594, 33.7677)),
        (512 * 512, 0.05, 99.5893, (33.3730, 33.5541)),
        (512 * 512, 0.01, 99.5810, (33.3445, 33.5826)),
        (512 * 512, 0.001, 99.5717, (33.3115, 33.6156)),
    ],
)
def test_critical_values_are_the_printed_ones(
    samples: int, alpha: float, npcr: float, uaci: tuple[float, float]
) -> None:
    assert 100 * metrics.npcr_critical(samples, alpha) == pytest.approx(npcr, abs=5.1e-5)
    assert [100 * value for value in metrics.uaci_critical(samples, alpha)] == pytest.approx(uaci, abs=5.1e-5)


@pytest.mark.parametrize("levels", [2, 3, 256])
def test_uaci_moments_are_those_of_all_pairs_of_levels(levels: int) -> None:
    value = np.arange(levels)
    differences = abs(value[:, None] - value) / (levels - 1)
    expected = differences.mean(), differences.var() / 50
    assert metrics.uaci_moments(50, levels) == pytest.approx(expected)


def test_uaci_moments_against_a_picture_are_those_of_its_levels() -> None:
    picture = np.array([[0, 0, 100], [255, 31, 200]], np.uint8)
    differences = abs(picture.reshape(-1, 1).astype(int) - np.arange(256)) / 255
    expected = differences.mean(), differences.var(axis=1).mean() / picture.size
    assert metrics.uaci_moments_against(picture) == pytest.approx(expected)


def test_ideal_entropy_is_the_mean_over_all_outcomes() -> None:
    assert metrics.ideal_entropy(1) == 0
    # Two coins agree half the time; three fall apart 2 : 1 in six outcomes of eight.
    assert metrics.ideal_entropy(2, 2) == pytest.approx(0.5)
    assert metrics.ideal_entropy(3, 2) == pytest.approx(0.75 * (math.log2(3) - 2 / 3))
    # Wu et al. 2013 for blocks of 1936; the customary approximation for a compressed Lena.
    assert metrics.ideal_entropy(1936) == pytest.approx(7.902469317, abs=5.1e-10)
    assert metrics.ideal_entropy(36864) == pytest.approx(8 - 255 / (2 * 36864 * math.log(2)), abs=1e-4)


def test_entropy_variance_of_a_block_is_exact() -> None:
    size, levels, most = metrics.LOCAL_SIDE**2, 256, 70

    def term(count: int) -> float:
        return -count / size * math.log2(count / size) if count else 0.0

    # A line is taken off each term, of which the sum over levels is constant: what is left loses no digits.
    slope = term(8) - term(7)
    left = [term(k) - term(7) - slope * (k - 7) for k in range(most)]
    outcomes = levels**size
    single = [math.comb(size, k) * (levels - 1) ** (size - k) / outcomes for k in range(most)]
    mean = math.fsum(p * value for p, value in zip(single, left, strict=True))
    variance = math.fsum(p * (value - mean) ** 2 for p, value in zip(single, left, strict=True))
    powers = [(levels - 2) ** (size - k) for k in range(2 * most)]
    covariance = math.fsum(
        math.comb(size, i) * math.comb(size - i, j) * powers[i + j] / outcomes * (left[i] - mean) * (left[j] - mean)
        for i in range(most)
        for j in range(most)
    )
    exact = levels * variance + levels * (levels - 1) * covariance
    assert exact == pytest.approx(metrics.LOCAL_VARIANCE, rel=1e-9)


def test_customary_interval_of_local_entropy_is_the_printed_one_and_too_narrow() -> None:
    # Table 6 of the paper prints them rounded; other papers print 7.901901305 and 7.903037329 for 0.05.
    printed = {0.05: (7.901901305, 7.903037329), 0.01: (7.9017, 7.9032), 0.001: (7.9015, 7.9034)}
    for alpha, values in printed.items():
        assert metrics.customary_local_entropy_interval(alpha) == pytest.approx(values, abs=6e-5)
    assert metrics.customary_local_entropy_interval(0.05) == pytest.approx(printed[0.05], abs=3e-9)
    assert metrics.local_entropy_interval(0.05) == pytest.approx((7.899358, 7.905580), abs=1e-6)
    low, high = metrics.local_entropy_interval(0.05, 120)
    assert high - low == pytest.approx((7.905580 - 7.899358) / 2, abs=1e-6)


def test_local_entropy_takes_blocks_that_do_not_overlap() -> None:
    # Each sample is its own place: a block that overlapped another, or two channels in one, would have fewer values.
    plane = np.arange(140 * 100 * 3).reshape(140, 100, 3).astype(np.uint16)
    for seed in range(5):
        value, blocks = metrics.local_entropy(plane, seed=seed)
        assert value == pytest.approx(math.log2(metrics.LOCAL_SIDE**2))
        assert blocks == 3 * 2 * 3
    assert metrics.local_entropy(plane, 4)[1] == 4
    # The place is random: half of this picture is black, and the share of its blocks that are varies.
    half = noise(np.random.default_rng(0), 100, 100)
    half[:, :50] = 0
    assert len({metrics.local_entropy(half, seed=seed)[0] for seed in range(20)}) > 10
    assert metrics.local_entropy(half, seed=1) == metrics.local_entropy(half, seed=1)


@pytest.mark.parametrize("shape", [(43, 200), (200, 43), (43, 100, 3)])
def test_local_entropy_refuses_pictures_below_a_block(shape: tuple[int, ...]) -> None:
    with pytest.raises(ImageError, match="give a larger picture"):
        metrics.local_entropy(np.zeros(shape, np.uint8))


def test_chi_square_of_small_pictures() -> None:
    assert metrics.chi_square(np.arange(512).astype(np.uint8)) == (0, 1)
    # 256 equal bytes: (256 - 1)**2 + 255.
    assert metrics.chi_square(np.full(256, 3, np.uint8)) == (65280, 0)


@pytest.mark.parametrize(
    ("statistic", "freedom", "p"),
    [
        # Critical values as every table prints them.
        (3.841, 1, 0.05),
        (5.991, 2, 0.05),
        (16.266, 3, 0.001),
        (18.307, 10, 0.05),
        (293.248, 255, 0.05),
        (310.457, 255, 0.01),
        (330.520, 255, 0.001),
    ],
)
def test_chi_square_p_is_that_of_the_tables(statistic: float, freedom: int, p: float) -> None:
    assert metrics.chi_square_p(statistic, freedom) == pytest.approx(p, rel=1e-3)


@given(st.floats(0, 1e7), st.integers(1, 3000))
def test_chi_square_p_is_a_probability(statistic: float, freedom: int) -> None:
    p = metrics.chi_square_p(statistic, freedom)
    assert 0 <= p <= 1
    assert metrics.chi_square_p(statistic * 1.1 + 0.1, freedom) <= p + 1e-9


@pytest.mark.parametrize("alpha", [0.0, 1.0, -1.0, 5.0])
def test_significance_levels_lie_between_0_and_1(alpha: float) -> None:
    for critical in (
        lambda: metrics.npcr_critical(100, alpha),
        lambda: metrics.uaci_critical(100, alpha),
        lambda: metrics.local_entropy_interval(alpha),
        lambda: metrics.customary_local_entropy_interval(alpha),
        lambda: metrics.correlation_critical(100, alpha),
    ):
        with pytest.raises(ImgcryptError, match="lies between 0 and 1"):
            critical()


def test_directions_are_known() -> None:
    with pytest.raises(ImgcryptError, match="choose from horizontal, vertical, diagonal"):
        metrics.correlation(np.zeros((3, 3), np.uint8), "up")


def outside(value: float, interval: tuple[float, float]) -> bool:
    return not interval[0] <= value <= interval[1]


def scores(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> dict[str, Any]:
    return {
        "npcr": metrics.npcr(one, other),
        "uaci": metrics.uaci(one, other),
        "uaci against": (metrics.uaci(one, other), metrics.uaci_moments_against(one)),
        "entropy": metrics.entropy_p(metrics.entropy(one), one.size),
        "chi-square": metrics.chi_square(one)[1],
        **{direction: metrics.correlation(one, direction) for direction in metrics.DIRECTIONS},
    }


def failures(scored: dict[str, Any], alpha: float) -> dict[str, bool]:
    """Which tests reject, at ``alpha``, two pictures of RNG_SIDE that should be random."""
    size = RNG_SIDE**2
    critical = metrics.correlation_critical(size - RNG_SIDE, alpha)
    value, moments = scored["uaci against"]
    return {
        "npcr": scored["npcr"] < metrics.npcr_critical(size, alpha),
        "uaci": outside(scored["uaci"], metrics.uaci_critical(size, alpha)),
        "uaci against": outside(value, metrics.interval(moments, alpha)),
        "entropy": scored["entropy"] < alpha,
        "chi-square": scored["chi-square"] < alpha,
        **{direction: abs(scored[direction]) > critical for direction in metrics.DIRECTIONS},
    }


def count(found: Iterable[dict[str, bool]]) -> dict[str, int]:
    rows = list(found)
    return {name: sum(row[name] for row in rows) for name in rows[0]}


def assert_near(total: int, repeats: int, rate: float, name: str) -> None:
    """Within four binomial standard deviations, and one more where few are expected."""
    reach = 4 * math.sqrt(repeats * rate * (1 - rate)) + 1
    assert abs(total - repeats * rate) <= reach, (name, total, repeats * rate)


def test_random_pictures_fail_at_the_nominal_rate() -> None:
    rng = np.random.default_rng(1)
    shape = RNG_SIDE, RNG_SIDE
    found = [scores(noise(rng, *shape), noise(rng, *shape)) for _ in range(REPEATS)]
    for alpha in ALPHAS:
        total = count(failures(scored, alpha) for scored in found)
        assert len(total) == 8
        for name, number in total.items():
            rate = metrics.npcr_rate(RNG_SIDE**2, alpha) if name == "npcr" else alpha
            assert_near(number, REPEATS, rate, f"{name} at {alpha}")


@pytest.mark.parametrize(("samples", "alpha"), [(100, 0.05), (4096, 0.01), (4096, 0.001)])
def test_npcr_rate_is_the_binomial_probability(samples: int, alpha: float) -> None:
    # Fewer are equal than would make the NPCR fall below the critical value.
    equal = math.floor(samples * (1 - metrics.npcr_critical(samples, alpha))) + 1
    passes = sum(math.comb(samples, k) * 255 ** (samples - k) for k in range(equal)) / 256**samples
    assert metrics.npcr_rate(samples, alpha) == pytest.approx(1 - passes)
    assert metrics.npcr_rate(36864, 0.01) == pytest.approx(0.0125, abs=5e-5)


def test_local_entropy_of_random_pictures_fails_at_the_nominal_rate_and_the_customary_interval_fails_it() -> None:
    rng = np.random.default_rng(6)
    repeats = 1000
    values = [metrics.local_entropy(noise(rng, 6 * 44, 5 * 44), seed=rng) for _ in range(repeats)]
    assert {blocks for _, blocks in values} == {metrics.LOCAL_BLOCKS}
    for alpha in ALPHAS:
        total = sum(outside(value, metrics.local_entropy_interval(alpha)) for value, _ in values)
        assert_near(total, repeats, alpha, "local entropy")
    customary = sum(outside(value, metrics.customary_local_entropy_interval(0.05)) for value, _ in values)
    assert_near(customary, repeats, 0.72, "customary interval")


def test_pictures_from_the_operating_system_pass() -> None:
    shape, repeats = (RNG_SIDE, RNG_SIDE), 100
    pictures = [np.frombuffer(os.urandom(RNG_SIDE**2), np.uint8).reshape(shape) for _ in range(2 * repeats)]
    total = count(failures(scores(*pair), 0.01) for pair in zip(pictures[::2], pictures[1::2], strict=True))
    # 1 of each is expected; more than 15 come once in 10**13 times.
    assert all(number <= 15 for number in total.values()), total


@pytest.mark.parametrize("alpha", ALPHAS)
def test_a_plain_picture_fails_every_test(alpha: float, picture: Any) -> None:
    one = picture(RNG_SIDE, RNG_SIDE, 1)
    other = one.copy()
    other[3, 4] ^= 1
    assert all(failures(scores(one, other), alpha).values())
    value, blocks = metrics.local_entropy(one)
    assert outside(value, metrics.local_entropy_interval(alpha, blocks))
