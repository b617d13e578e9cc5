"""What the shell commands take from a cold start: each run is a process of its own, on warm disk caches."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import imgcrypt
from imgcrypt import pictures
from imgcrypt.bench import steps, stopwatch
from imgcrypt.bench.common import BenchError, table
from imgcrypt.bench.pictures import waves
from imgcrypt.bench.stopwatch import Summary

if TYPE_CHECKING:
    from rich.table import Table

SIDE = 512
"""Pixels a side of the color picture."""
PROGRAM = "from imgcrypt.cli import main; main()"
"""What the installed command runs."""


@dataclasses.dataclass(frozen=True)
class ColdStart:
    """A command, as one would type it, and the seconds of its whole process."""

    command: str
    seconds: Summary


def run(provider: str, repeats: int, seed: int = 0) -> list[ColdStart]:
    """Time ``imgcrypt --help``, ``enc`` and ``dec`` of a color picture, in turns.

    One run of ``enc`` comes first and does not count: it compiles the cipher where it never ran before.

    Args:
        provider: what runs the net.
        repeats: turns.
        seed: of the picture.

    Raises:
        BenchError: a command fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        picture, back, key = (Path(folder, name) for name in ("picture.png", "back.png", "key.txt"))
        picture.write_bytes(pictures.encode(waves(SIDE, 3, seed), ".png"))
        imgcrypt.Key.generate().save(str(key))
        options = ["-k", str(key), "--provider", provider, "--force"]
        commands = {
            "imgcrypt --help": ["--help"],
            f"imgcrypt enc, {SIDE} x {SIDE} color": ["enc", str(picture), *options],
            f"imgcrypt dec, {SIDE} x {SIDE} color": ["dec", f"{picture}.imgc", "-o", str(back), *options],
        }
        _seconds(["enc", str(picture), *options])
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in steps.through(range(repeats), "cold starts"):
            for name, arguments in commands.items():
                times[name].append(_seconds(arguments))
    return [ColdStart(name, stopwatch.summary(taken)) for name, taken in times.items()]


def tables(results: Sequence[ColdStart]) -> Iterator[Table]:
    """One row for each command."""
    rows = [[row.command, f"{row.seconds.median:.3f} ± {row.seconds.spread:.0%}"] for row in results]
    yield table(
        "cold start: seconds of a whole process",
        ["command", "ours s"],
        rows,
        "Python's start, imports, loading net and cipher, the work, the files; the cipher is compiled already, and the "
        "system has all files in its cache. enc opens what it wrote again, to prove it.",
    )


def _seconds(arguments: list[str]) -> float:
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, errors="replace")
    seconds = time.perf_counter() - started
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        raise BenchError(f"the command imgcrypt {arguments[0]} failed: {said[-1]}")
    return seconds
