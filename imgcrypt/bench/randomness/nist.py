"""``bench randomness --battery nist``: NIST SP 800-22 rev. 1a over many sequences of keystream, after its section 4.2.

A single P-value says little. Of many sequences, a proportion of about 1 - ALPHA should pass each test, and the P-values
should be uniform. No outcome proves a cipher secure: docs/threat-model.md says what such tests do not show.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from imgcrypt.bench.common import NONE, BenchError, table
from imgcrypt.bench.randomness import keystream

if TYPE_CHECKING:
    from rich.table import Table

ALPHA = 0.01
"""A sequence passes a test with a P-value of at least this."""
SEQUENCE_BYTES = 125_000
BINS = 10
UNIFORM = 0.0001
"""4.2.2: P-values are uniform if the P-value of their histogram is at least this."""
FEWEST = 55
"""4.2.2: sequences below which a histogram says nothing."""


@dataclasses.dataclass(frozen=True)
class Assessment:
    """What section 4.2 says of one test's P-values.

    ``passed`` of the ``sequences`` that it applied to, where 4.2.1 allows ``least`` to ``most``; ``p_uniformity`` of
    4.2.2, None below FEWEST.
    """

    sequences: int
    passed: int
    least: int
    most: int
    p_uniformity: float | None
    failed: bool


@dataclasses.dataclass(frozen=True)
class Result(Assessment):
    """Of one of the results, by ``number`` from 1 on, that a test has."""

    test: str
    number: int


@dataclasses.dataclass(frozen=True)
class Results:
    """How many of the results ``failed``, how many would of perfect randomness, and the bytes of keystream tested."""

    results: list[Result]
    failed: int
    failed_expected: float
    bytes: int


def run(key: bytes, sequences: int, tell: Callable[[str], None]) -> Results:
    """Test sequences of 1,000,000 bits, one behind the other in the keystream.

    Args:
        key: 32 bytes.
        sequences: how many, at least 1.
        tell: is given a line now and then.

    Raises:
        BenchError: SciPy is missing.
    """
    try:
        from imgcrypt.bench.randomness import nist_tests
    except ImportError:
        raise BenchError("these tests need SciPy; install it with: pip install imgcrypt[bench]") from None
    found: dict[str, list[NDArray[np.float64]]] = {}
    for number, bits in enumerate(_sequences(key, sequences), 1):
        for name, values in nist_tests.run(bits).items():
            found.setdefault(name, []).append(values)
        if number % 10 == 0 or number == sequences:
            tell(f"{number} of {sequences} sequences")
    results = [
        Result(test=name, number=number, **vars(assess(values)))
        for name, rows in found.items()
        for number, values in enumerate(np.array(rows).T, 1)
    ]
    return Results(
        results,
        sum(result.failed for result in results),
        sum(_chance(result.sequences) for result in results),
        sequences * SEQUENCE_BYTES,
    )


def assess(values: NDArray[np.float64]) -> Assessment:
    """What section 4.2 says of one test's P-values, float64 (sequences,)."""
    from scipy.special import gammaincc

    count, passed = len(values), int((values >= ALPHA).sum())
    least, most = _allowed(count)
    uniformity = None
    if count >= FEWEST:
        bins = np.bincount((values * BINS).astype(np.int64).clip(0, BINS - 1), minlength=BINS)
        uniformity = float(gammaincc((BINS - 1) / 2, ((bins - count / BINS) ** 2).sum() / (count / BINS) / 2))
    uniform = uniformity is None or uniformity >= UNIFORM
    return Assessment(count, passed, least, most, uniformity, failed=not (least <= passed <= most and uniform))


def tables(found: Results) -> Iterator[Table]:
    """One row for each of the 15 tests, then the results that failed."""
    results = found.results
    rows = []
    for name in dict.fromkeys(each.test for each in results):
        own = [each for each in results if each.test == name]
        shares = [each.passed / each.sequences for each in own]
        uniformity = [each.p_uniformity for each in own if each.p_uniformity is not None]
        rows.append(
            [
                name,
                str(len(own)),
                str(own[0].sequences),
                f"{min(shares):.4f} to {max(shares):.4f}" if len(own) > 1 else f"{shares[0]:.4f}",
                f"{min(uniformity):.6f}" if uniformity else NONE,
                str(sum(each.failed for each in own)),
            ]
        )
    title = f"NIST SP 800-22 rev. 1a: {len(results)} results from {found.bytes:,} bytes"
    caption = (
        f"A result fails if the proportion of sequences with P >= {ALPHA} is not within {1 - ALPHA} +- 3 standard "
        f"deviations, or the uniformity of its P-values has P < {UNIFORM}.\n{found.failed} failed; "
        f"perfect randomness would fail in {found.failed_expected:.1f}."
    )
    columns = ["test", "results", "sequences", "proportion", "least P of uniformity", "failed"]
    yield table(title, columns, rows, caption)
    failed = [each for each in results if each.failed]
    if failed:
        yield table(
            "results that failed",
            ["test", "number", "passed", "allowed", "P of uniformity"],
            [
                [
                    each.test,
                    str(each.number),
                    f"{each.passed} of {each.sequences}",
                    f"{each.least} to {each.most}",
                    NONE if each.p_uniformity is None else f"{each.p_uniformity:.6f}",
                ]
                for each in failed
            ],
        )


def _sequences(key: bytes, count: int) -> Iterator[NDArray[np.uint8]]:
    """The keystream's bits, the highest of each byte first: ``count`` times uint8 (1000000,)."""
    rest = b""
    for part in keystream.parts(key, count * SEQUENCE_BYTES):
        data = rest + part
        whole = len(data) // SEQUENCE_BYTES * SEQUENCE_BYTES
        for start in range(0, whole, SEQUENCE_BYTES):
            yield np.unpackbits(np.frombuffer(data, np.uint8, SEQUENCE_BYTES, start))
        rest = data[whole:]


def _allowed(count: int) -> tuple[int, int]:
    """4.2.1: the least and most of ``count`` sequences that may pass."""
    mean, spread = count * (1 - ALPHA), 3 * math.sqrt(count * ALPHA * (1 - ALPHA))
    return math.ceil(mean - spread), min(math.floor(mean + spread), count)


def _chance(count: int) -> float:
    """How often a result of perfect randomness fails, by the exact binomial distribution."""
    from scipy.special import bdtr

    least, most = _allowed(count)
    outside = float(bdtr(least - 1, count, 1 - ALPHA) + 1 - bdtr(most, count, 1 - ALPHA))
    return outside + (UNIFORM if count >= FEWEST else 0)
