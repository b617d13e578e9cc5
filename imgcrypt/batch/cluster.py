"""Shards done by a Dask cluster: one that is there, or one of this machine's processes."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import logging
import os
from collections.abc import Generator, Iterator
from typing import Any

from imgcrypt.batch import shards
from imgcrypt.batch.manifest import Result
from imgcrypt.batch.plan import LATER, Shard
from imgcrypt.batch.shards import Job
from imgcrypt.errors import DependencyError, ImgcryptError
from imgcrypt.progress import Event

SECONDS = 10
"""To wait for the scheduler."""
BEGUN = 2
"""Shards for each of the cluster's threads that are given to it at a time."""


class Cluster:
    """A connection to a Dask scheduler; as a context manager it is closed at the end.

    Args:
        scheduler: its address, ``tcp://...``; None starts a cluster on this machine.
        workers: processes of such a cluster, one thread each.

    Raises:
        DependencyError: Dask is not installed.
        ImgcryptError: there is no scheduler at the address.
    """

    def __init__(self, scheduler: str | None, workers: int) -> None:
        try:
            import dask
            import distributed
        except ImportError:
            raise DependencyError("Dask is not installed: pip install imgcrypt[dask]") from None
        self._own: Any = None
        self._environment: dict[str, str | None] = {}
        try:
            if scheduler is None:
                confined = {"distributed.nanny.pre-spawn-environ.OPENCV_FOR_THREADS_NUM": 1}
                with dask.config.set(confined):
                    # Dask sets these, how many threads there are to be among them, in the process that starts workers.
                    names = dask.config.get("distributed.nanny.pre-spawn-environ")
                    self._environment = {name: os.environ.get(name) for name in names}
                    self._own = distributed.LocalCluster(
                        n_workers=workers, threads_per_worker=1, dashboard_address=None, silence_logs=logging.ERROR
                    )
            self._client = distributed.Client(self._own or scheduler, timeout=SECONDS)
        except (OSError, ValueError, RuntimeError) as error:
            self._close()
            reason = " ".join(str(error).split())[:200]
        else:
            return
        # Left to be found at any time, the client that failed could end while the next one begins, by the same thread,
        # and wait for the lock that this holds.
        gc.collect()
        raise ImgcryptError(f"no Dask cluster at {scheduler or 'this machine'}: {reason}")

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(Exception):
            self._client.close()
        self._close()

    def _close(self) -> None:
        if self._own is not None:
            self._own.close()
        for name, value in self._environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    def threads(self) -> int:
        """Of all workers together, at least 1."""
        return max(1, sum(map(int, self._client.nthreads().values())))

    def run(self, job: Job, work: Iterator[Shard], cancel: Event | None) -> Generator[Result, None, None]:
        """Do the shards; a shard's results come when it is done.

        A worker that dies costs nothing: Dask gives its shard to another, which goes on by the shard's manifest. A
        shard of which several workers died is halved, until the file that they died of is alone and counts as failed.

        Raises:
            ImgcryptError: a worker has no key, or cannot write to the target.
        """
        from distributed import as_completed
        from distributed.scheduler import KilledWorker

        running: dict[Any, Shard] = {}
        done: Any = as_completed([])

        def submit(shard: Shard) -> None:
            future = self._client.submit(shards.whole, job, shard, pure=False, key=f"{job.run}-{shard.number}")
            running[future] = shard
            done.add(future)

        added = 0
        try:
            while not (cancel is not None and cancel.is_set()):
                while len(running) < BEGUN * self.threads() and (shard := next(work, None)) is not None:
                    submit(shard)
                if not running:
                    return
                future = next(done)
                shard = running.pop(future)
                try:
                    results = future.result()
                except KilledWorker:
                    for half in _halves(shard):
                        added += 1
                        submit(dataclasses.replace(half, number=LATER + added))
                    continue
                except ImgcryptError:
                    raise
                except Exception as error:
                    raise ImgcryptError(f"a worker failed: {' '.join(str(error).split())[:300]}") from None
                finally:
                    future.release()
                yield from results
        finally:
            for future in running:
                with contextlib.suppress(Exception):
                    future.cancel()


def _halves(shard: Shard) -> list[Shard]:
    items = shard.items
    if len(items) == 1:
        why = "the workers that worked on it died, perhaps for lack of memory"
        return [dataclasses.replace(shard, items=(dataclasses.replace(items[0], refused=why),))]
    middle = len(items) // 2
    return [dataclasses.replace(shard, items=half) for half in (items[:middle], items[middle:])]
