"""``bench randomness --battery dieharder``: dieharder, fed with raw keystream.

dieharder (R. G. Brown, D. Eddelbuettel and D. Bauer) with all of its tests reads some 240 GB, which takes hours. No
outcome of such tests proves a cipher secure: docs/threat-model.md says what they do not show.
"""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import IO, TYPE_CHECKING

from imgcrypt.bench.common import NONE, BenchError, table
from imgcrypt.bench.randomness import keystream

if TYPE_CHECKING:
    from rich.table import Table

DIEHARDER = ("dieharder", "-a", "-g", "200")
"""All tests, on raw bytes from standard input."""
ASSESSMENTS = PASSED, WEAK, FAILED = "PASSED", "WEAK", "FAILED"
WEAK_SHARE, FAILED_SHARE = 0.01, 2e-6
"""Of perfect randomness: dieharder calls p outside 0.005 to 0.995 weak, outside 10^-6 to 1 - 10^-6 failed."""


@dataclasses.dataclass(frozen=True)
class Test:
    """One result, as dieharder prints it."""

    name: str
    ntuple: int
    samples: int
    p_samples: int
    p: float
    assessment: str


@dataclasses.dataclass(frozen=True)
class Results:
    """``counts`` are by assessment, ``bytes`` those written to dieharder.

    ``complete`` is false if the bytes ended before the tests did.
    """

    tests: list[Test]
    counts: dict[str, int]
    bytes: int
    complete: bool


@dataclasses.dataclass
class _Feed:
    """How far the keystream came: bytes that were read, and whether that was all of it."""

    bytes: int = 0
    ended: bool = False


def run(key: bytes, size: int, tell: Callable[[Test], None]) -> Results:
    """Feed dieharder with ``size`` bytes of keystream at most (0: as many as it reads).

    Args:
        key: 32 bytes.
        size: bytes.
        tell: is given each result as it comes.

    Raises:
        BenchError: dieharder is not installed, or it gives no result.
    """
    if shutil.which(DIEHARDER[0]) is None:
        raise BenchError("dieharder is not installed; on Debian and Ubuntu: apt install dieharder")
    fed = _Feed()
    tests = []
    with subprocess.Popen(
        DIEHARDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        feeder = threading.Thread(target=_feed, args=(process.stdin, key, size, fed), daemon=True)
        feeder.start()
        for test in parse(process.stdout or ()):
            tests.append(test)
            tell(test)
        feeder.join()
    if not tests:
        raise BenchError("dieharder ended before its first result; give it more --bytes")
    counts = {name: sum(test.assessment == name for test in tests) for name in ASSESSMENTS}
    return Results(tests, counts, fed.bytes, not fed.ended)


def parse(lines: Iterable[bytes]) -> Iterator[Test]:
    """The results among dieharder's lines: name | ntuple | samples | p-samples | p | assessment."""
    for line in lines:
        fields = [field.strip() for field in line.decode("ascii", "replace").split("|")]
        if len(fields) == 6 and fields[5] in ASSESSMENTS:
            name, ntuple, samples, p_samples, p, assessment = fields
            yield Test(name, int(ntuple), int(samples), int(p_samples), float(p), assessment)


def tables(results: Results) -> Iterator[Table]:
    """The counts beside what perfect randomness gives, and the tests that did not pass."""
    tests = results.tests
    expected = {WEAK: f"{WEAK_SHARE * len(tests):.2f}", FAILED: f"{FAILED_SHARE * len(tests):.4f}"}
    rows = [[name.lower(), str(count), expected.get(name, NONE)] for name, count in results.counts.items()]
    caption = "" if results.complete else "The bytes ended before the tests did: this is a part of the battery."
    title = f"{' '.join(DIEHARDER)}: {len(tests)} results from {results.bytes:,} bytes"
    yield table(title, ["assessment", "count", "expected of perfect randomness"], rows, caption)
    others = [test for test in tests if test.assessment != PASSED]
    if others:
        yield table(
            "results that did not pass",
            ["test", "assessment", "ntuple", "p"],
            [[test.name, test.assessment, str(test.ntuple), f"{test.p:.8f}"] for test in others],
            left=2,
        )


def _feed(pipe: IO[bytes], key: bytes, size: int, fed: _Feed) -> None:
    """Write keystream until the reader has enough, or to its end; ``fed`` says how far it came."""
    with contextlib.suppress(BrokenPipeError), pipe:
        for part in keystream.parts(key, size):
            pipe.write(part)
            fed.bytes += len(part)
        fed.ended = True
