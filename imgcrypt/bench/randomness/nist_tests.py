"""The 15 tests of NIST SP 800-22 rev. 1a, each with the parameters for sequences of 1,000,000 bits.

A. Rukhin et al., *A Statistical Test Suite for Random and Pseudorandom Number Generators for Cryptographic
Applications*, 2010. "2.1" and so on are its sections. Where it says "corrected", its own examples still use the older
constant.

Every test takes ``bits``, uint8 (n,) of 0 and 1, and gives one P-value in [0, 1] or an array of them: how often perfect
randomness deviates at least as far. The distributions are asymptotic, so P-values are only nearly uniform.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfc, gammaincc, ndtr

Bits = NDArray[np.uint8]
PValues = NDArray[np.float64]

LENGTH = 1_000_000
"""Bits of a sequence."""
RUN_CLASSES = {
    8: (1, (0.21484375, 0.3671875, 0.23046875, 0.1875)),
    10_000: (10, (0.0882, 0.2092, 0.2483, 0.1933, 0.1208, 0.0675, 0.0727)),
}
"""2.4.4, 3.4: by bits of a block, the longest run of the first class and the classes' probabilities."""
RANK_32, RANK_31 = 0.2887880952, 0.5775761902
"""3.5: how often a random matrix of 32 x 32 bits has that rank."""
OVERLAPPING_CLASSES = (0.364091, 0.185659, 0.139381, 0.100571, 0.0704323, 0.139865)
"""3.8, corrected: 0 to 4 and more runs of nine ones in 1,032 bits."""
UNIVERSAL_MEAN, UNIVERSAL_VARIANCE = 6.1962507, 3.125
"""2.9.4, for words of 7 bits."""
COMPLEXITY_CLASSES = (0.010417, 0.03125, 0.125, 0.5, 0.25, 0.0625, 0.020833)
"""3.10, corrected."""
STATES = (-4, -3, -2, -1, 1, 2, 3, 4)
VARIANT_STATES = (*range(-9, 0), *range(1, 10))
FEWEST_CYCLES = 500
"""2.14.4: a random walk that is at 0 less often tells nothing of its excursions."""


def run(bits: Bits) -> dict[str, PValues]:
    """All tests: their P-values by name, 188 in all. Excursions are missing if the walk has too few cycles."""
    results: dict[str, float | PValues] = {
        "frequency": frequency(bits),
        "block frequency": block_frequency(bits),
        "cumulative sums": cumulative_sums(bits),
        "runs": runs(bits),
        "longest run of ones": longest_run(bits),
        "matrix rank": matrix_rank(bits),
        "spectral": spectral(bits),
        "non-overlapping templates": non_overlapping_templates(bits),
        "overlapping template": overlapping_template(bits),
        "universal": universal(bits),
        "approximate entropy": approximate_entropy(bits),
        "serial": serial(bits),
        "linear complexity": linear_complexity(bits),
    }
    _, cycles = _walk(bits)
    if len(cycles) >= FEWEST_CYCLES:
        results["random excursions"] = random_excursions(bits)
        results["random excursions variant"] = random_excursions_variant(bits)
    return {name: np.array(values, ndmin=1) for name, values in results.items()}


def frequency(bits: Bits) -> float:
    """2.1: as many ones as zeros."""
    return float(erfc(abs(2 * int(bits.sum()) - len(bits)) / math.sqrt(2 * len(bits))))


def block_frequency(bits: Bits, size: int = 128) -> float:
    """2.2: the same in blocks of ``size`` bits."""
    share = _blocks(bits, size).mean(1)
    return float(gammaincc(len(share) / 2, 2 * size * ((share - 0.5) ** 2).sum()))


def runs(bits: Bits) -> float:
    """2.3: the number of runs of equal bits."""
    share = bits.mean()
    if abs(share - 0.5) >= 2 / math.sqrt(len(bits)):
        return 0.0
    found = 1 + np.count_nonzero(bits[1:] != bits[:-1])
    expected = 2 * len(bits) * share * (1 - share)
    return float(erfc(abs(found - expected) / (2 * math.sqrt(2 * len(bits)) * share * (1 - share))))


def longest_run(bits: Bits, size: int = 10_000) -> float:
    """2.4: the longest run of ones in blocks of ``size`` bits."""
    least, shares = RUN_CLASSES[size]
    blocks, place = _blocks(bits, size), np.arange(1, size + 1)
    last_zero = np.maximum.accumulate(np.where(blocks, 0, place), axis=1)
    return _classes((place - last_zero).max(1) - least, shares)


def matrix_rank(bits: Bits) -> float:
    """2.5: the rank over GF(2) of matrices of 32 x 32 bits."""
    packed = np.packbits(_blocks(bits, 1024), axis=1).view(">u4").astype(np.uint32)
    rank = np.zeros(len(packed), np.int64)
    for column in range(32):
        has = packed >> np.uint32(column) & np.uint32(1) == 1
        found, row = has.any(1), has.argmax(1)
        # The row that is found clears the column in all others and leaves the matrix.
        pivot = np.where(found, packed[np.arange(len(packed)), row], 0)[:, None]
        packed = np.where(has, packed ^ pivot, packed)
        rank += found
    return _classes(32 - rank, (RANK_32, RANK_31, 1 - RANK_32 - RANK_31))


def spectral(bits: Bits) -> float:
    """2.6: a twentieth of the peaks of the Fourier transform above the threshold."""
    n = len(bits)
    peaks = np.abs(np.fft.rfft(2.0 * bits - 1))[: n // 2]
    low = np.count_nonzero(peaks < math.sqrt(math.log(1 / 0.05) * n))
    return float(erfc(abs(low - 0.95 * n / 2) / math.sqrt(n * 0.95 * 0.05 / 4) / math.sqrt(2)))


def non_overlapping_templates(bits: Bits, m: int = 9, count: int = 8) -> PValues:
    """2.7: how often each template of ``m`` bits occurs in ``count`` blocks.

    Returns:
        A P-value for each template, in the order of :func:`templates`; 148 of 9 bits.
    """
    size = len(bits) // count
    blocks = _blocks(bits, size)[:count]
    # No template overlaps itself, so that all of its occurrences count.
    found = np.array([np.bincount(_windows(block, m), minlength=2**m) for block in blocks])[:, templates(m)]
    mean = (size - m + 1) / 2**m
    variance = size * (1 / 2**m - (2 * m - 1) / 2 ** (2 * m))
    return np.asarray(gammaincc(count / 2, ((found - mean) ** 2).sum(0) / variance / 2))


def templates(m: int) -> list[int]:
    """The words of ``m`` bits of which no beginning is also an ending."""
    return [
        word for word in range(2**m) if not any(word >> shift == word & (2 ** (m - shift) - 1) for shift in range(1, m))
    ]


def overlapping_template(bits: Bits) -> float:
    """2.8: how often nine ones occur in blocks of 1,032 bits."""
    found = np.lib.stride_tricks.sliding_window_view(_blocks(bits, 1032), 9, axis=1).all(2).sum(1)
    return _classes(found, OVERLAPPING_CLASSES)


def universal(bits: Bits) -> float:
    """2.9: Maurer's test of compression, with words of 7 bits of which the first 1,280 are for the start."""
    size, start = 7, 1280
    words = _blocks(bits, size) @ (1 << np.arange(size)[::-1])
    order = np.argsort(words, kind="stable")
    again = words[order[1:]] == words[order[:-1]]
    # Where each word of the sequence stood last: numbers count from 1, and 0 says nowhere.
    last = np.zeros(len(words), np.int64)
    last[order[1:][again]] = order[:-1][again] + 1
    k = len(words) - start
    found = np.log2((np.arange(1, len(words) + 1) - last)[start:]).sum() / k
    c = 0.7 - 0.8 / size + (4 + 32 / size) * k ** (-3 / size) / 15
    return float(erfc(abs(found - UNIVERSAL_MEAN) / (math.sqrt(2 * UNIVERSAL_VARIANCE / k) * c)))


def linear_complexity(bits: Bits, size: int = 500) -> float:
    """2.10: the length of the shortest linear feedback shift register that makes each block."""
    complexity = complexities(_blocks(bits, size))
    sign = (-1) ** size
    mean = size / 2 + (9 - sign) / 36 - (size / 3 + 2 / 9) / 2**size
    t = sign * (complexity - mean) + 2 / 9
    return _classes(np.ceil(t + 2.5).astype(np.int64), COMPLEXITY_CLASSES)


def complexities(blocks: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Linear complexity of each row, uint8 (count, size), by Berlekamp and Massey on all rows at once.

    Polynomials and the latest bits are kept as 64-bit words, (words, count), the lowest power in the lowest bit.
    """
    count, size = blocks.shape
    current = np.zeros((size // 64 + 1, count), np.uint64)
    current[0] = 1
    earlier, latest = current.copy(), np.zeros_like(current)
    complexity = np.zeros(count, np.int64)
    for step in range(size):
        latest, earlier = _times_x(latest), _times_x(earlier)
        latest[0] |= blocks[:, step]
        wrong = np.bitwise_count(np.bitwise_xor.reduce(current & latest)) % 2 == 1
        longer = wrong & (2 * complexity <= step)
        current, earlier = np.where(wrong, current ^ earlier, current), np.where(longer, current, earlier)
        complexity = np.where(longer, step + 1 - complexity, complexity)
    return complexity


def serial(bits: Bits, m: int = 16) -> PValues:
    """2.11: how often each word of ``m`` bits occurs; both P-values."""
    counts = _cyclic_counts(bits, m)
    psi = [len(each) / len(bits) * (each.astype(np.float64) ** 2).sum() - len(bits) for each in _shorter(counts, 2)]
    first, second = psi[0] - psi[1], psi[0] - 2 * psi[1] + psi[2]
    return np.array([gammaincc(2.0 ** (m - 2), first / 2), gammaincc(2.0 ** (m - 3), second / 2)])


def approximate_entropy(bits: Bits, m: int = 10) -> float:
    """2.12: the frequencies of words of ``m`` and of ``m`` + 1 bits beside each other."""
    shares = [each[each > 0] / len(bits) for each in _shorter(_cyclic_counts(bits, m + 1), 1)]
    longer, shorter = ((each * np.log(each)).sum() for each in shares)
    return float(gammaincc(2.0 ** (m - 1), len(bits) * (math.log(2) - (shorter - longer))))


def cumulative_sums(bits: Bits) -> PValues:
    """2.13: how far a random walk goes, forwards and backwards."""
    n, steps = len(bits), 2 * bits.astype(np.int64) - 1
    return np.array([_excess(int(np.abs(way.cumsum()).max()), n) for way in (steps, steps[::-1])])


def random_excursions(bits: Bits) -> PValues:
    """2.14: how often the cycles of a random walk come to each of the STATES."""
    walk, cycles = _walk(bits)
    number = np.repeat(np.arange(len(cycles)), cycles)
    values = []
    for state in STATES:
        visits = np.bincount(number[walk == state], minlength=len(cycles))
        away = 1 / (2 * abs(state))
        shares = [1 - away, *(away**2 * (1 - away) ** (k - 1) for k in range(1, 5)), away * (1 - away) ** 4]
        values.append(_classes(visits, shares))
    return np.array(values)


def random_excursions_variant(bits: Bits) -> PValues:
    """2.15: how often a random walk comes to each of the VARIANT_STATES."""
    walk, cycles = _walk(bits)
    states = np.array(VARIANT_STATES)
    visits = np.array([np.count_nonzero(walk == state) for state in states])
    return np.asarray(erfc(np.abs(visits - len(cycles)) / np.sqrt(2 * len(cycles) * (4 * np.abs(states) - 2))))


def _blocks(bits: Bits, size: int) -> Bits:
    """The whole blocks of ``size`` bits: uint8 (n // size, size)."""
    return bits[: len(bits) // size * size].reshape(-1, size)


def _classes(values: NDArray[np.int64], shares: tuple[float, ...] | list[float]) -> float:
    """Pearson's chi-squared test of values 0, 1, ... against their shares; what lies beyond counts to the ends."""
    found = np.bincount(values.clip(0, len(shares) - 1), minlength=len(shares))
    expected = len(values) * np.array(shares)
    return float(gammaincc((len(shares) - 1) / 2, ((found - expected) ** 2 / expected).sum() / 2))


def _windows(bits: Bits, m: int) -> NDArray[np.int64]:
    """The word of ``m`` bits that begins at each place: int64 (n - m + 1,)."""
    words = np.zeros(len(bits) - m + 1, np.int64)
    for i in range(m):
        words += words + bits[i : i + len(words)]
    return words


def _cyclic_counts(bits: Bits, m: int) -> NDArray[np.int64]:
    """How often each word of ``m`` bits occurs when the sequence begins again at its end."""
    return np.bincount(_windows(np.concatenate([bits, bits[: m - 1]]), m), minlength=2**m)


def _shorter(counts: NDArray[np.int64], times: int) -> list[NDArray[np.int64]]:
    """The counts, and those of words one bit shorter, ``times`` over."""
    made = [counts]
    for _ in range(times):
        made.append(made[-1].reshape(-1, 2).sum(1))
    return made


def _times_x(polynomials: NDArray[np.uint64]) -> NDArray[np.uint64]:
    shifted = polynomials << np.uint64(1)
    shifted[1:] |= polynomials[:-1] >> np.uint64(63)
    return shifted


def _excess(z: int, n: int) -> float:
    """2.13.4: how often a random walk of ``n`` steps goes ``z`` from 0 or farther."""
    first = np.arange((-n // z + 1) // 4, (n // z - 1) // 4 + 1)
    second = np.arange((-n // z - 3) // 4, (n // z - 1) // 4 + 1)
    unit = z / math.sqrt(n)
    within = (ndtr((4 * first + 1) * unit) - ndtr((4 * first - 1) * unit)).sum()
    beyond = (ndtr((4 * second + 3) * unit) - ndtr((4 * second + 1) * unit)).sum()
    return float(1 - within + beyond)


def _walk(bits: Bits) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The random walk, int64 (n,), and the lengths of its cycles from 0 to 0, the last one perhaps cut short."""
    walk = (2 * bits.astype(np.int64) - 1).cumsum()
    ends = np.flatnonzero(walk == 0) + 1
    if not len(ends) or ends[-1] < len(bits):
        ends = np.append(ends, len(bits))
    return walk, np.diff(ends, prepend=0)
