"""The laws of the statistical tests against printed values and random pictures; tallies of many tests."""

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
from imgcrypt.bench import significance
from imgcrypt.bench.significance import ALPHAS
from imgcrypt.errors import ImgcryptError

RNG_SIDE = 128
REPEATS = 2000


def noise(rng: np.random.Generator, *shape: int) -> npt.NDArray[np.uint8]:
    return rng.integers(0, 256, shape, np.uint8)


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
    assert 100 * significance.npcr_critical(samples, alpha) == pytest.approx(npcr, abs=5.1e-5)
    assert [100 * value for value in significance.uaci_critical(samples, alpha)] == pytest.approx(uaci, abs=5.1e-5)


@pytest.mark.parametrize("levels", [2, 3, 256])
def test_uaci_moments_are_those_of_all_pairs_of_levels(levels: int) -> None:
    value = np.arange(levels)
    differences = abs(value[:, None] - value) / (levels - 1)
    expected = differences.mean(), differences.var() / 50
    assert significance.uaci_moments(50, levels) == pytest.approx(expected)


def test_uaci_moments_against_a_picture_are_those_of_its_levels() -> None:
    picture = np.array([[0, 0, 100], [255, 31, 200]], np.uint8)
    differences = abs(picture.reshape(-1, 1).astype(int) - np.arange(256)) / 255
    expected = differences.mean(), differences.var(axis=1).mean() / picture.size
    assert significance.uaci_moments_against(picture) == pytest.approx(expected)


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
    assert exact == pytest.approx(significance.LOCAL_VARIANCE, rel=1e-9)


def test_customary_interval_of_local_entropy_is_the_printed_one_and_too_narrow() -> None:
    # Table 6 of the paper prints them rounded; other papers print 7.901901305 and 7.903037329 for 0.05.
    printed = {0.05: (7.901901305, 7.903037329), 0.01: (7.9017, 7.9032), 0.001: (7.9015, 7.9034)}
    for alpha, values in printed.items():
        assert significance.customary_local_entropy_interval(alpha) == pytest.approx(values, abs=6e-5)
    assert significance.customary_local_entropy_interval(0.05) == pytest.approx(printed[0.05], abs=3e-9)
    assert significance.local_entropy_interval(0.05) == pytest.approx((7.899358, 7.905580), abs=1e-6)
    low, high = significance.local_entropy_interval(0.05, 120)
    assert high - low == pytest.approx((7.905580 - 7.899358) / 2, abs=1e-6)


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
    assert significance.chi_square_p(statistic, freedom) == pytest.approx(p, rel=1e-3)


@given(st.floats(0, 1e7), st.integers(1, 3000))
def test_chi_square_p_is_a_probability(statistic: float, freedom: int) -> None:
    p = significance.chi_square_p(statistic, freedom)
    assert 0 <= p <= 1
    assert significance.chi_square_p(statistic * 1.1 + 0.1, freedom) <= p + 1e-9


@pytest.mark.parametrize("alpha", [0.0, 1.0, -1.0, 5.0])
def test_significance_levels_lie_between_0_and_1(alpha: float) -> None:
    for critical in (
        lambda: significance.npcr_critical(100, alpha),
        lambda: significance.uaci_critical(100, alpha),
        lambda: significance.local_entropy_interval(alpha),
        lambda: significance.customary_local_entropy_interval(alpha),
        lambda: significance.correlation_critical(100, alpha),
    ):
        with pytest.raises(ImgcryptError, match="lies between 0 and 1"):
            critical()


def outside(value: float, interval: tuple[float, float]) -> bool:
    return not interval[0] <= value <= interval[1]


def scores(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> dict[str, Any]:
    return {
        "npcr": metrics.npcr(one, other),
        "uaci": metrics.uaci(one, other),
        "uaci against": (metrics.uaci(one, other), significance.uaci_moments_against(one)),
        "entropy": significance.entropy_p(metrics.entropy(one), one.size),
        "chi-square": significance.chi_square_p(metrics.chi_square(one), 255),
        **{direction: metrics.correlation(one, direction) for direction in metrics.DIRECTIONS},
    }


def failures(scored: dict[str, Any], alpha: float) -> dict[str, bool]:
    """Which tests reject, at ``alpha``, two pictures of RNG_SIDE that should be random."""
    size = RNG_SIDE**2
    critical = significance.correlation_critical(size - RNG_SIDE, alpha)
    value, moments = scored["uaci against"]
    return {
        "npcr": scored["npcr"] < significance.npcr_critical(size, alpha),
        "uaci": outside(scored["uaci"], significance.uaci_critical(size, alpha)),
        "uaci against": outside(value, significance.interval(moments, alpha)),
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
            rate = significance.npcr_rate(RNG_SIDE**2, alpha) if name == "npcr" else alpha
            assert_near(number, REPEATS, rate, f"{name} at {alpha}")


@pytest.mark.parametrize(("samples", "alpha"), [(100, 0.05), (4096, 0.01), (4096, 0.001)])
def test_npcr_rate_is_the_binomial_probability(samples: int, alpha: float) -> None:
    # Fewer are equal than would make the NPCR fall below the critical value.
    equal = math.floor(samples * (1 - significance.npcr_critical(samples, alpha))) + 1
    passes = sum(math.comb(samples, k) * 255 ** (samples - k) for k in range(equal)) / 256**samples
    assert significance.npcr_rate(samples, alpha) == pytest.approx(1 - passes)
    assert significance.npcr_rate(36864, 0.01) == pytest.approx(0.0125, abs=5e-5)


def test_local_entropy_of_random_pictures_fails_at_the_nominal_rate_and_the_customary_interval_fails_it() -> None:
    rng = np.random.default_rng(6)
    repeats = 1000
    values = [metrics.local_entropy(noise(rng, 6 * 44, 5 * 44), seed=rng) for _ in range(repeats)]
    assert {blocks for _, blocks in values} == {metrics.LOCAL_BLOCKS}
    for alpha in ALPHAS:
        total = sum(outside(value, significance.local_entropy_interval(alpha)) for value, _ in values)
        assert_near(total, repeats, alpha, "local entropy")
    customary = sum(outside(value, significance.customary_local_entropy_interval(0.05)) for value, _ in values)
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
    assert outside(value, significance.local_entropy_interval(alpha, blocks))


def test_tally_counts_below_each_level() -> None:
    tally = significance.tally([0.2, 0.04, 0.009, 0.0001])
    assert tally.tests == 4
    assert tally.rejected == {0.05: 3, 0.01: 2, 0.001: 1}
    assert tally.expected == {0.05: 0.2, 0.01: 0.04, 0.001: 0.004}
    both = significance.total([tally, significance.tally([0.5], npcr_bytes=36864)])
    assert both.tests == 5
    assert both.rejected == tally.rejected
    assert both.expected[0.01] == pytest.approx(0.04 + significance.npcr_rate(36864, 0.01))


def test_judge_takes_one_unlucky_draw_and_not_many() -> None:
    calm = [0.5] * 99
    assert significance.judge(significance.tally(calm)).passed
    assert significance.judge(significance.tally([*calm, 0.0005])).passed
    assert not significance.judge(significance.tally([*calm[:90], *[0.0005] * 10])).passed
    assert not significance.judge(significance.tally([*calm[:70], *[0.03] * 30])).passed


@given(st.integers(1, 60), st.integers(0, 60), st.floats(0.001, 0.5))
def test_binomial_tail(tests: int, least: int, rate: float) -> None:
    expected = sum(math.comb(tests, k) * rate**k * (1 - rate) ** (tests - k) for k in range(least, tests + 1))
    assert significance.binomial_tail(tests, least, rate) == pytest.approx(expected, rel=1e-6, abs=1e-300)


@given(st.floats(0.97, 1), st.floats(0.25, 0.45), st.integers(1000, 10**6), st.sampled_from(ALPHAS))
def test_probabilities_and_critical_values_agree(npcr: float, uaci: float, size: int, alpha: float) -> None:
    assert (significance.npcr_p(npcr, size) < alpha) == (npcr < significance.npcr_critical(size, alpha))
    low, high = significance.uaci_critical(size, alpha)
    assert (significance.two_sided(uaci, significance.uaci_moments(size)) < alpha) == (not low <= uaci <= high)
