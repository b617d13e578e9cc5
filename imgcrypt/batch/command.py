"""The commands ``imgcrypt enc``, ``dec`` and ``verify`` with many files: their progress, messages and exit code."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import typer

from imgcrypt import exitcodes
from imgcrypt.batch.jobs import BatchError, Progress
from imgcrypt.batch.manifest import FAILED, Result
from imgcrypt.printable import printable
from imgcrypt.shell import say

SECONDS = 10.0
"""Between two lines of progress, where there is no terminal."""
SHOWN = 50
"""Failures that are printed at the end; the manifests have all."""


def follow(start: Callable[[Callable[[Progress], None]], Iterator[Result]], quiet: bool, as_json: bool) -> None:
    """Run it to the end, say how far it is, and leave with exit code 1 if a file failed.

    Args:
        start: makes the results' iterator, given whom it is to report to.
        quiet: say nothing but failures.
        as_json: print each result and a summary on standard output, as JSON, one a line.
    """
    last = Progress(0, None, 0, 0, 0, 0, 0.0, 0)
    failures: list[Result] = []
    mended: list[Result] = []
    stopped = False
    with _sigterm(), _shown(quiet or as_json) as show:

        def report(progress: Progress) -> None:
            nonlocal last
            last = progress
            show(progress)

        results = start(report)
        with contextlib.closing(results):  # type: ignore[type-var]
            try:
                for result in results:
                    if as_json:
                        print(json.dumps(dataclasses.asdict(result)), flush=True)
                    if result.status == FAILED and len(failures) < SHOWN:
                        failures.append(result)
                    if result.repaired is not None and len(mended) < SHOWN:
                        mended.append(result)
            except BatchError:
                # It is among the failures already.
                stopped = True
    for each in mended:
        say(f"damaged: {each.source}: {_damage(each)}, and its parity mended it; make it whole by imgcrypt repair")
    if last.repaired > len(mended):
        say(f"damaged: {last.repaired - len(mended)} more, which --json names")
    for each in failures:
        say(f"failed: {each.source}: {each.error}")
    if last.failed > len(failures):
        say(f"failed: {last.failed - len(failures)} more, which the manifests name")
    if as_json:
        print(json.dumps({"summary": last._asdict() | {"stopped": stopped}}))
    elif not quiet:
        say(summary(last))
    if failures:
        raise typer.Exit(exitcodes.ERROR)


def summary(progress: Progress) -> str:
    """One line at the end."""
    done = progress.done - progress.failed
    parts = [f"{done} done"]
    if progress.kept:
        parts.append(f"{progress.kept} were done before")
    if progress.skipped:
        parts.append(f"{progress.skipped} skipped, by their names no pictures of this job")
    if progress.repaired:
        parts.append(f"{progress.repaired} were damaged and mended")
    if progress.failed:
        parts.append(f"{progress.failed} failed")
    return f"{', '.join(parts)}; {progress.seconds:.1f} s{_speed(progress)}"


def _damage(result: Result) -> str:
    if not result.repaired:
        return "it was damaged beside its packets"
    return f"{result.repaired} of its packets {'was' if result.repaired == 1 else 'were'} damaged"


def _speed(progress: Progress) -> str:
    if not progress.seconds or not progress.done:
        return ""
    files, pixels = progress.done / progress.seconds, progress.pixels / progress.seconds / 1e6
    return f", {files:.1f} files/s" + (f", {pixels:.2f} megapixels/s" if pixels else "")


@contextlib.contextmanager
def _shown(silent: bool) -> Iterator[Callable[[Progress], None]]:
    """Shows progress: a bar on a terminal, else a line now and then."""
    if silent:
        yield lambda _: None
    elif sys.stderr.isatty():
        with _bar() as show:
            yield show
    else:
        told = time.monotonic()

        def show(progress: Progress) -> None:
            nonlocal told
            if time.monotonic() - told >= SECONDS:
                told = time.monotonic()
                of = "" if progress.total is None else f" of {progress.total}"
                say(f"{progress.done}{of} files{_speed(progress)}{_left(progress)}")

        yield show


def _left(progress: Progress) -> str:
    if progress.total is None or not progress.done:
        return ""
    seconds = round(progress.seconds / progress.done * (progress.total - progress.done))
    return f", {seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02} left"


@contextlib.contextmanager
def _bar() -> Iterator[Callable[[Progress], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[speed]}"), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, speed="")

        def show(progress: Progress) -> None:
            speed = printable(_speed(progress).lstrip(", "))
            bar.update(task, completed=progress.done, total=progress.total, speed=speed)

        yield show


@contextlib.contextmanager
def _sigterm() -> Iterator[None]:
    """SIGTERM ends the run as Ctrl-C does, with its workers, and not this process alone."""

    def end(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before: Any = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
