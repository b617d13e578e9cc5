"""``bench batch``: how fast many files are, against one call times the cores, and how that grows."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import imgcrypt
from imgcrypt import batch, pictures, threads
from imgcrypt.batch import work
from imgcrypt.bench import stopwatch
from imgcrypt.bench.common import NONE, BenchError, table
from imgcrypt.bench.pictures import waves
from imgcrypt.bench.stopwatch import Summary

if TYPE_CHECKING:
    from rich.table import Table

DIFFERENT = 16
"""Pictures that are made; the files are these again and again, under names of their own."""
PICTURES, WORKERS = 10_000_000, 100
"""Of the estimate."""
SINGLE, AES = "one call after the other, 1 thread", "AES-256-GCM of the same files, 1 thread"


@dataclasses.dataclass(frozen=True)
class Run:
    """One way of doing so many files: ``first_seconds`` until the first was done, in all ``seconds``.

    ``rss_mb`` is the most resident memory, in 10^6 bytes, of any worker; None where the system does not say it.
    ``of_single`` is the speed as a share of the cores that it uses times one call's; without the start in
    ``of_single_without_start``.
    """

    name: str
    files: int
    seconds: float
    first_seconds: float
    files_per_second: float
    megapixels_per_second: float
    of_single: float
    of_single_without_start: float
    rss_mb: float | None


@dataclasses.dataclass(frozen=True)
class Batch:
    """``single`` and ``aes`` are files a second of one thread; ``estimate_hours`` is computed, not measured."""

    size: int
    single: Summary
    aes: Summary
    runs: list[Run]
    growth: list[Run]
    start_seconds: float
    shard_seconds: float
    estimate_hours: float


def run(size: int, count: int, growth: Sequence[int], dask: bool, tell: Callable[[str], None]) -> Batch:
    """Encrypt folders of square color pictures, as PNG, by 1 worker, by one a core, and by Dask.

    A single call is what a worker does for a file (reading, encrypting, opening again, PSNR, writing), with one thread.
    It and AES-256-GCM are timed in turns before and after each run, so that a busy machine is busy for all.

    Args:
        size: pixels a side.
        count: files.
        growth: numbers of files to show how time and memory grow.
        dask: measure Dask too.
        tell: is told what is being measured.

    Raises:
        BenchError: no files, or a file fails.
    """
    if not 1 <= size <= 4096 or count < 1 or any(each < 1 for each in growth):
        raise BenchError("cannot measure that; give 1 to 4096 pixels a side, and at least 1 file")
    cores = threads.count()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        key = folder / "key.txt"
        imgcrypt.Key.generate().save(key)
        content = [pictures.encode(waves(size, 3, seed), ".png") for seed in range(DIFFERENT)]
        for number in {count, *growth}:
            _fill(folder / str(number), content, number)
        turns = _Turns(folder / "single", key, content)
        turns.measure()
        runs, grown = [], []
        ways = [(f"processes, {n}", n, "processes") for n in dict.fromkeys((1, cores))]
        for title, workers, distributor in [*ways, *([(f"Dask, {cores}", cores, "dask")] if dask else [])]:
            tell(title)
            runs.append(_measure(title, folder, count, key, workers, distributor, turns, size))
        for number in growth:
            tell(f"{number} files")
            grown.append(_measure(f"processes, {cores}", folder, number, key, cores, "processes", turns, size))
        shard = _shard_seconds(folder, key, content)
        single = turns.summary(SINGLE)
    start = next(each.first_seconds for each in runs) - 1 / single.median
    shards = PICTURES / 256
    hours = (PICTURES / single.median + shards * shard + WORKERS * start) / WORKERS / 3600
    return Batch(size, single, turns.summary(AES), runs, grown, start, shard, hours)


def tables(result: Batch) -> Iterator[Table]:
    """The speeds, the growth, and what a run and a shard cost."""
    note = (
        f"{result.size} x {result.size} color. One call with one thread does {result.single.median:.2f} "
        f"± {result.single.spread:.0%} files a second, as the median of turns before and after each run; "
        f"AES-256-GCM alone {result.aes.median:,.0f} ± {result.aes.spread:.0%}. "
        "Each share is of the turns around its run."
    )
    columns = ["by", "files", "s", "first after s", "files/s", "megapixels/s", "of cores x one", "less start", "RSS MB"]
    for title, rows in (("many files", result.runs), ("growth", result.growth)):
        if rows:
            yield table(title, columns, [_row(each) for each in rows], note)
    costs = [
        ["start of a worker, s", f"{result.start_seconds:.2f}", "measured"],
        ["a shard beside its files, s", f"{result.shard_seconds:.4f}", "measured"],
        [f"{PICTURES:,} files on {WORKERS} workers of a core, hours", f"{result.estimate_hours:.1f}", "computed"],
    ]
    yield table(
        "what a run costs",
        ["what", "value", "how"],
        costs,
        "The last is one call's time, times the files, with the start and shards of 256 files, divided by the workers: "
        "it supposes that the store keeps up.",
    )


def _row(each: Run) -> list[str]:
    shares = [f"{each.of_single:.2f}", f"{each.of_single_without_start:.2f}"]
    speed = [f"{each.files_per_second:.2f}", f"{each.megapixels_per_second:.2f}"]
    memory = NONE if each.rss_mb is None else f"{each.rss_mb:.0f}"
    return [each.name, str(each.files), f"{each.seconds:.1f}", f"{each.first_seconds:.1f}", *speed, *shares, memory]


class _Turns:
    """Files a second of one call and of AES-256-GCM, again and again."""

    def __init__(self, folder: Path, key: Path, content: list[bytes]) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._worker = work.Worker(work.Settings(work.ENCRYPT), [imgcrypt.Key.load(key)], 1)
        self._content, self._folder, self._aes = content, folder, AESGCM(bytes(32))
        self.speeds: dict[str, list[float]] = {SINGLE: [], AES: []}
        folder.mkdir()
        for number, data in enumerate(content):
            (folder / f"{number}.png").write_bytes(data)
        with threads.limited(1):
            self._single(content[0], 0)

    def measure(self) -> float:
        """One turn; the speed of the single call."""
        with threads.limited(1):
            for name, do in ((SINGLE, self._single), (AES, self._seal)):
                started = time.perf_counter()
                for number, _ in enumerate(self._content):
                    do((self._folder / f"{number}.png").read_bytes(), number)
                self.speeds[name].append(len(self._content) / (time.perf_counter() - started))
        return self.speeds[SINGLE][-1]

    def summary(self, name: str) -> Summary:
        return stopwatch.summary(self.speeds[name])

    def _single(self, data: bytes, number: int) -> None:
        made = self._worker.encrypt(data, f"{number}.png")
        (self._folder / f"{number}.imgc").write_bytes(made.data)

    def _seal(self, data: bytes, number: int) -> None:
        (self._folder / f"{number}.aes").write_bytes(self._aes.encrypt(os.urandom(12), data, None))


def _fill(folder: Path, content: list[bytes], count: int) -> None:
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:06}.png").write_bytes(content[number % len(content)])


def _measure(
    title: str, folder: Path, count: int, key: Path, workers: int, distributor: str, turns: _Turns, size: int
) -> Run:
    before = turns.speeds[SINGLE][-1]
    first = 0.0
    started = time.perf_counter()
    with _memory() as most:
        target = folder / f"out-{len(turns.speeds[SINGLE])}"
        how: batch.jobs.Distributor = "dask" if distributor == "dask" else "processes"
        for result in batch.encrypt(folder / str(count), target, key, workers=workers, distributor=how):
            first = first or time.perf_counter() - started
            if result.status != "done":
                raise BenchError(f"a file failed: {result.error}")
    seconds = time.perf_counter() - started
    single = 2 / (1 / before + 1 / turns.measure())
    speed, ideal = count / seconds, single * min(workers, count)
    steady = (count - 1) / (seconds - first) if count > 1 and seconds > first else speed
    megapixels = speed * size * size / 1e6
    return Run(
        title, count, seconds, first, speed, megapixels, speed / ideal, steady / ideal, most[0] if most else None
    )


def _shard_seconds(folder: Path, key: Path, content: list[bytes]) -> float:
    """Of a shard of one refused file: what it costs beside its files."""
    from imgcrypt.batch import plan, shards
    from imgcrypt.batch.hold import Whom

    job = shards.Job("cost", work.Settings(work.ENCRYPT), str(folder / "cost"), Whom((str(key),)), False, 1)
    worker = work.Worker(job.settings, [imgcrypt.Key.load(key)], 1)
    started, times = time.perf_counter(), 50
    for number in range(times):
        list(shards.run(job, worker, plan.Shard(number, (plan.Item("s", "n", 1, "", refused="no"),))))
    return (time.perf_counter() - started) / times


@contextlib.contextmanager
def _memory() -> Iterator[list[float]]:
    """The most resident memory of any process that this one started, in MB, looked at every tenth of a second."""
    found: list[float] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.1):
            for pid in _children(os.getpid()):
                with contextlib.suppress(OSError, StopIteration, ValueError):
                    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
                    value = int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024 / 1e6
                    found[:] = [max(value, *found)] if found else [value]

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        done.set()
        thread.join()


def _children(pid: int) -> Iterator[int]:
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                yield child
                yield from _children(child)
