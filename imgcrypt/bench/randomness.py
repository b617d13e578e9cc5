"""``bench randomness``: dieharder, fed with raw keystream.

dieharder (R. G. Brown, D. Eddelbuettel and D. Bauer) with all of its tests reads some 240 GB, which takes hours. No
outcome of such tests proves a cipher secure: docs/threat-model.md says what they do not show.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import IO, TYPE_CHECKING, Any

from imgcrypt.bench import keystream
from imgcrypt.bench.common import NONE, BenchError, table

if TYPE_CHECKING:
    from rich.table import Table

DIEHARDER = ("dieharder", "-a", "-g", "200")
"""All tests, on raw bytes from standard input."""
ASSESSMENTS = ("PASSED", "WEAK", "FAILED")
WEAK_SHARE, FAILED_SHARE = 0.01, 2e-6
"""Of perfect randomness: dieharder calls p outside 0.005 to 0.995 weak, outside 10^-6 to 1 - 10^-6 failed."""


def run(key: bytes, size: int, tell: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Feed dieharder with ``size`` bytes of keystream at most (0: as many as it reads).

    Args:
        key: 32 bytes.
        size: bytes.
        tell: is given each result as it comes.

    Returns:
        ``tests``, each with name, ntuple, samples, p_samples, p and assessment; ``counts`` by assessment; ``bytes``
        written to it; ``complete``, false if the bytes ended before the tests did.

    Raises:
        BenchError: dieharder is not installed, or it gives no result.
    """
    if shutil.which(DIEHARDER[0]) is None:
        raise BenchError("dieharder is not installed; on Debian and Ubuntu: apt install dieharder")
    fed: dict[str, int] = {"bytes": 0, "ended": False}
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
    counts = {name: sum(test["assessment"] == name for test in tests) for name in ASSESSMENTS}
    return {"tests": tests, "counts": counts, "bytes": fed["bytes"], "complete": not fed["ended"]}


def parse(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """The results among dieharder's lines: name | ntuple | samples | p-samples | p | assessment."""
    for line in lines:
        fields = [field.strip() for field in line.decode("ascii", "replace").split("|")]
        if len(fields) == 6 and fields[5] in ASSESSMENTS:
            yield {
                "name": fields[0],
                "ntuple": int(fields[1]),
                "samples": int(fields[2]),
                "p_samples": int(fields[3]),
                "p": float(fields[4]),
                "assessment": fields[5],
            }


def tables(result: dict[str, Any]) -> Iterator[Table]:
    """The counts beside what perfect randomness gives, and the tests that did not pass."""
    tests = result["tests"]
    expected = {"WEAK": f"{WEAK_SHARE * len(tests):.2f}", "FAILED": f"{FAILED_SHARE * len(tests):.4f}"}
    rows = [[name.lower(), str(count), expected.get(name, NONE)] for name, count in result["counts"].items()]
    caption = "" if result["complete"] else "The bytes ended before the tests did: this is a part of the battery."
    title = f"{' '.join(DIEHARDER)}: {len(tests)} results from {result['bytes']:,} bytes"
    yield table(title, ["assessment", "count", "expected of perfect randomness"], rows, caption)
    others = [test for test in tests if test["assessment"] != "PASSED"]
    if others:
        yield table(
            "results that did not pass",
            ["test", "assessment", "ntuple", "p"],
            [[test["name"], test["assessment"], str(test["ntuple"]), f"{test['p']:.8f}"] for test in others],
            left=2,
        )


def _feed(pipe: IO[bytes], key: bytes, size: int, fed: dict[str, int]) -> None:
    """Write keystream until the reader has enough, or to its end; ``fed`` says how far it came."""
    with contextlib.suppress(BrokenPipeError), pipe:
        for part in keystream.parts(key, size):
            pipe.write(part)
            fed["bytes"] += len(part)
        fed["ended"] = True
