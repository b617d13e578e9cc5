"""How often random bytes score as a ciphertext does: the laws of the statistical tests, and tallies of many of them.

The measures themselves are in :mod:`imgcrypt.metrics`. ``levels`` is the number of gray levels of a sample. What takes
a significance level ``alpha`` raises ImgcryptError if it is not between 0 and 1.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Sequence

import numpy as np

from imgcrypt import metrics
from imgcrypt.errors import ImgcryptError

Moments = tuple[float, float]
"""Mean and variance."""

LOCAL_VARIANCE = 7.558956294468e-5
"""Exact variance of the entropy of 1936 random bytes, in bits squared; the tests work it out."""
ALPHAS = (0.05, 0.01, 0.001)
"""The levels at which rejections are counted."""
LIMIT = 1e-4
"""A tally is failed where random bytes reach so many rejections less often than this."""


@dataclasses.dataclass(frozen=True)
class Tally:
    """Of many independent tests their number, and by ALPHAS how many reject, and how many would of random bytes."""

    tests: int
    rejected: dict[float, int]
    expected: dict[float, float]


@dataclasses.dataclass(frozen=True)
class Judgement:
    """By ALPHAS the ``chance`` of so many rejections or more with random bytes; ``passed``, none is below LIMIT.

    Too few rejections fail nothing.
    """

    chance: dict[float, float]
    passed: bool


def tally(p_values: Sequence[float], npcr_bytes: int | None = None) -> Tally:
    """Count probabilities below each level.

    Args:
        p_values: of independent tests.
        npcr_bytes: of each ciphertext where the test is NPCR, which rejects random ones at a rate of its own.
    """
    count = len(p_values)
    rates = {alpha: npcr_rate(npcr_bytes, alpha) if npcr_bytes else alpha for alpha in ALPHAS}
    return Tally(
        count,
        {alpha: sum(p < alpha for p in p_values) for alpha in ALPHAS},
        {alpha: count * rate for alpha, rate in rates.items()},
    )


def total(tallies: Sequence[Tally]) -> Tally:
    """Of all their tests."""
    return Tally(
        sum(each.tests for each in tallies),
        {alpha: sum(each.rejected[alpha] for each in tallies) for alpha in ALPHAS},
        {alpha: sum(each.expected[alpha] for each in tallies) for alpha in ALPHAS},
    )


def judge(one: Tally) -> Judgement:
    """Whether so many rejections are to be expected of random bytes."""
    count = one.tests
    chance = {alpha: binomial_tail(count, one.rejected[alpha], one.expected[alpha] / count) for alpha in ALPHAS}
    return Judgement(chance, min(chance.values()) >= LIMIT)


def binomial_tail(tests: int, least: int, rate: float) -> float:
    """The probability that of so many independent tests, each rejecting at ``rate``, at least so many reject."""
    if least == 0:
        return 1.0
    ways = math.lgamma(tests + 1)
    logs = (
        ways - math.lgamma(k + 1) - math.lgamma(tests - k + 1) + k * math.log(rate) + (tests - k) * math.log1p(-rate)
        for k in range(least, tests + 1)
    )
    return min(1.0, math.fsum(map(math.exp, logs)))


def two_sided(value: float, moments: Moments) -> float:
    """The probability that a normal variable is as far or farther from its mean, in either sense."""
    return math.erfc(abs(value - moments[0]) / math.sqrt(2 * moments[1]))


def npcr_p(value: float, size: int) -> float:
    """The probability that two random ciphertexts of so many bytes have this NPCR or less, as :func:`npcr_critical`."""
    return statistics.NormalDist(255 / 256, math.sqrt(255 / size) / 256).cdf(value)


def npcr_critical(samples: int, alpha: float, levels: int = 256) -> float:
    """The NPCR below which two random pictures fall with probability ``alpha`` (Wu, Noonan and Agaian 2011).

    By the normal approximation of a binomial number: :func:`npcr_rate` says how often it really happens.
    """
    peak = levels - 1
    return (peak - _quantile(alpha, 1) * math.sqrt(peak / samples)) / levels


def npcr_rate(samples: int, alpha: float, levels: int = 256) -> float:
    """How often the NPCR of two random pictures is below :func:`npcr_critical`: 0.0125 for 36,864 bytes and 0.01."""
    equal, probability = metrics.level_counts(samples, levels)
    return float(probability[samples - equal < samples * npcr_critical(samples, alpha, levels)].sum())


def uaci_moments(samples: int, levels: int = 256) -> Moments:
    """Mean and variance of the UACI of two random pictures (Wu, Noonan and Agaian 2011)."""
    peak = levels - 1
    variance = (peak + 2) * (peak * peak + 2 * peak + 3) / (18 * (peak + 1) ** 2 * peak * samples)
    return (peak + 2) / (3 * peak + 3), variance


def uaci_moments_against(picture: metrics.Samples) -> Moments:
    """Mean and variance of the UACI of this very picture and a random one.

    For where one of the two is no random picture, or many are held against the same one: by :func:`uaci_moments` their
    scores would depend on each other.
    """
    levels = int(np.iinfo(picture.dtype).max) + 1
    value = np.arange(levels, dtype=np.float64)
    below, above = value * (value + 1) / 2, (levels - 1 - value) * (levels - value) / 2
    mean = (below + above) / levels
    squares = (below * (2 * value + 1) + above * (2 * (levels - 1 - value) + 1)) / 3 / levels
    shares, peak = metrics.histogram(picture) / picture.size, levels - 1
    return float(shares @ mean) / peak, float(shares @ (squares - mean**2)) / peak**2 / picture.size


def uaci_critical(samples: int, alpha: float, levels: int = 256) -> tuple[float, float]:
    """The two values outside which the UACI of two random pictures falls with probability ``alpha`` (the same)."""
    return interval(uaci_moments(samples, levels), alpha)


def interval(moments: Moments, alpha: float) -> tuple[float, float]:
    """The two values outside which a normal variable falls with probability ``alpha``, half of it on either side."""
    mean, variance = moments
    reach = _quantile(alpha, 2) * math.sqrt(variance)
    return mean - reach, mean + reach


def entropy_p(value: float, samples: int, levels: int = 256) -> float:
    """The probability that so many random samples have an entropy of ``value`` bits or less.

    2 n ln 2 (log2(levels) - entropy) is the statistic of the G-test, close to chi-square with levels - 1 degrees of
    freedom once divided by the factor of Williams (Biometrika 63, 1976).
    """
    statistic = 2 * samples * math.log(2) * (math.log2(levels) - value)
    return chi_square_p(statistic / (1 + (levels + 1) / (6 * samples)), levels - 1)


def local_entropy_interval(alpha: float, blocks: int = metrics.LOCAL_BLOCKS) -> tuple[float, float]:
    """The two values outside which the :func:`local_entropy` of random bytes falls with probability ``alpha``.

    The mean of k blocks has the variance of one divided by k.
    """
    return interval((metrics.ideal_entropy(metrics.LOCAL_SIDE**2), LOCAL_VARIANCE / blocks), alpha)


def customary_local_entropy_interval(alpha: float) -> tuple[float, float]:
    """What papers print for :func:`local_entropy_interval`, [7.9019, 7.9030] at 0.05: not for judging by.

    It divides the blocks' standard deviation by 30 instead of its square root: random bytes fall outside that of 0.05
    72 times in 100.
    """
    return local_entropy_interval(alpha, metrics.LOCAL_BLOCKS**2)


def correlation_critical(pairs: int, alpha: float) -> float:
    """The size that the correlation of so many random pairs exceeds, in either sense, with probability ``alpha``.

    By the normal law: of n pairs it has variance 1 / n; that neighbors overlap adds nothing.
    """
    return _quantile(alpha, 2) / math.sqrt(pairs)


def chi_square_p(statistic: float, freedom: int) -> float:
    """The probability that chi-square with so many degrees of freedom is ``statistic`` or larger.

    The finite sums of Abramowitz and Stegun, Handbook of Mathematical Functions (1964), 26.4.4 and 26.4.5.
    """
    half = statistic / 2
    if half <= 0:
        return 1.0
    odd = freedom % 2 / 2
    terms = (-half + (i + odd) * math.log(half) - math.lgamma(i + odd + 1) for i in range(freedom // 2))
    return min(1.0, math.fsum(map(math.exp, terms)) + (math.erfc(math.sqrt(half)) if odd else 0.0))


def _quantile(alpha: float, sides: int) -> float:
    """How many deviations a normal variable exceeds with probability ``alpha``, shared by so many sides."""
    if not 0 < alpha < 1:
        raise ImgcryptError("a significance level lies between 0 and 1; the customary ones are 0.05, 0.01 and 0.001")
    return statistics.NormalDist().inv_cdf(1 - alpha / sides)
