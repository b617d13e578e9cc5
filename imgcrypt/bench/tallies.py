"""How many of many tests reject, beside the number expected of random bytes."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

from imgcrypt import metrics

ALPHAS = (0.05, 0.01, 0.001)
LEVELS = tuple(map(str, ALPHAS))
"""The same as the keys of a tally, which goes into a JSON file."""
LIMIT = 1e-4
"""A tally is failed where random bytes reach so many rejections less often than this."""

Tally = dict[str, Any]
"""``tests``, their number; ``rejected`` and ``expected``, by LEVELS, how many of them have a lower probability."""


def tally(p_values: Sequence[float], npcr_bytes: int | None = None) -> Tally:
    """Count probabilities below each level.

    Args:
        p_values: of independent tests.
        npcr_bytes: of each ciphertext where the test is NPCR, which rejects random ones at a rate of its own.
    """
    count = len(p_values)
    rates = {alpha: metrics.npcr_rate(npcr_bytes, alpha) if npcr_bytes else alpha for alpha in ALPHAS}
    return {
        "tests": count,
        "rejected": {str(alpha): sum(p < alpha for p in p_values) for alpha in ALPHAS},
        "expected": {str(alpha): count * rate for alpha, rate in rates.items()},
    }


def total(tallies: Sequence[Tally]) -> Tally:
    """Of all their tests."""
    return {
        "tests": sum(each["tests"] for each in tallies),
        **{
            name: {level: sum(each[name][level] for each in tallies) for level in LEVELS}
            for name in ("rejected", "expected")
        },
    }


def judge(one: Tally) -> dict[str, Any]:
    """``chance``, by LEVELS, of so many rejections or more with random bytes; ``passed``, none of them below LIMIT.

    Too few rejections fail nothing.
    """
    count = one["tests"]
    by_level = {level: binomial_tail(count, one["rejected"][level], one["expected"][level] / count) for level in LEVELS}
    return {"chance": by_level, "passed": min(by_level.values()) >= LIMIT}


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


def two_sided(value: float, moments: metrics.Moments) -> float:
    """The probability that a normal variable is as far or farther from its mean, in either sense."""
    return math.erfc(abs(value - moments[0]) / math.sqrt(2 * moments[1]))


def npcr(value: float, size: int) -> float:
    """The probability that two random ciphertexts of so many bytes have this NPCR or less, as metrics.npcr_critical."""
    return statistics.NormalDist(255 / 256, math.sqrt(255 / size) / 256).cdf(value)
