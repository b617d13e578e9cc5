"""A shard of files as one task: what a worker is told, and what it does with it."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import os
import time
from collections.abc import Iterator

from imgcrypt.batch import manifest, stores, work
from imgcrypt.batch.hold import Whom
from imgcrypt.batch.manifest import BEGUN, DONE, FAILED, KEPT, Journal, Result
from imgcrypt.batch.plan import Item, Shard
from imgcrypt.batch.work import Settings, Worker
from imgcrypt.errors import ImgcryptError


@dataclasses.dataclass(frozen=True)
class Job:
    """What all shards of a run have in common. It says where keys are, and holds none."""

    run: str
    """Its name, which sorts by time."""
    settings: Settings
    target: str
    whom: Whom
    force: bool
    threads: int
    """That a worker computes with."""


def confine(threads: int) -> None:
    """Let this process, a worker of nobody else's, compute with so many threads: before anything heavy is loaded."""
    for variable in ("IMGCRYPT_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[variable] = str(threads)
    os.environ["OPENCV_FOR_THREADS_NUM"] = str(threads)
    os.environ["OPENCV_LOG_LEVEL"] = "SILENT"


def run(job: Job, worker: Worker, shard: Shard) -> Iterator[Result]:
    """Work on the files of a shard, one after the other, and keep account. A file's failure is a result."""
    target = stores.place(job.target)
    name = f"{job.run}-{shard.number:06}"
    # Another worker may have had this shard, and died.
    before = {r.name: r for _, r in manifest.read(target, name) if r.status in (DONE, KEPT)}
    heading = {"run": job.run, "settings": job.settings.text(), "key": worker.identity()}
    begun = [item.result(BEGUN) for item in shard.items]
    with contextlib.closing(Journal(target, name, heading, begun)) as journal:
        for item in shard.items:
            if (told := before.get(item.name)) and told.target:
                there = stores.size(target.child(told.target))
                if there == told.bytes_out:
                    yield told
                    continue
            result = _one(job, worker, target, item, journal)
            yield result


def check(job: Job, worker: Worker, shard: Shard) -> Iterator[Result]:
    """Check the files of a shard against their manifests; nothing is written."""
    target = stores.place(job.target)
    for item in shard.items:
        started = time.perf_counter()
        try:
            if item.refused:
                raise ImgcryptError(item.refused)
            data = stores.read(target.child(item.name))
            result = dataclasses.replace(item.result(DONE), repaired=worker.check(data, item.sealed or None))
        except ImgcryptError as error:
            result = item.result(FAILED, _sentence(error))
        yield dataclasses.replace(result, target=item.name, seconds=round(time.perf_counter() - started, 4))


def work_on(job: Job, worker: Worker, shard: Shard) -> Iterator[Result]:
    """What the job is, done to a shard."""
    return (check if job.settings.action == work.VERIFY else run)(job, worker, shard)


@functools.lru_cache(maxsize=2)
def worker_of(job: Job) -> Worker:
    """The worker of a process that is somebody else's, such as Dask's: made for a job once."""
    return Worker(job.settings, job.whom.load(()), job.threads)


def whole(job: Job, shard: Shard) -> list[Result]:
    """A shard, as a task of an engine whose workers hold the key themselves."""
    return list(work_on(job, worker_of(job), shard))


def _one(job: Job, worker: Worker, target: stores.Place, item: Item, journal: Journal) -> Result:
    started = time.perf_counter()
    try:
        if item.refused:
            raise ImgcryptError(item.refused)
        data = stores.read(stores.place(item.source), worker.most_bytes())
        digest = worker.digest(data)
        told = dataclasses.replace(item.result(DONE), bytes_in=len(data), digest=digest)
        if item.content and item.ours and digest and manifest.short(digest) == item.content:
            result = _unchanged(told, target, item)
        else:
            result = _make(job, worker, target, item, data, told, journal, started)
    except ImgcryptError as error:
        result = item.result(FAILED, _sentence(error))
    except MemoryError:
        result = item.result(FAILED, "it does not fit into memory; use a machine with more of it, or fewer workers")
    except Exception as error:  # one file's must not end the others'
        result = item.result(FAILED, f"this should not happen, report it: {type(error).__name__}: {error}")
    result = dataclasses.replace(result, seconds=round(time.perf_counter() - started, 4))
    if result.status != DONE:
        journal.add(result)
    return result


def _unchanged(told: Result, target: stores.Place, item: Item) -> Result:
    """Only the time at which the source was written is another."""
    place = target.child(item.ours[0])
    sealed = hashlib.sha256(stores.read(place)).hexdigest()
    return dataclasses.replace(told, status=KEPT, target=item.ours[0], bytes_out=stores.size(place) or 0, sealed=sealed)


def _make(
    job: Job,
    worker: Worker,
    target: stores.Place,
    item: Item,
    data: bytes,
    told: Result,
    journal: Journal,
    started: float,
) -> Result:
    encrypting = job.settings.action == work.ENCRYPT
    # The name within the tree that the picture gets again.
    base = item.name if encrypting else item.name[: -len(".imgc")]
    made = (worker.encrypt if encrypting else worker.decrypt)(data, base.rpartition("/")[2])
    name = base + made.suffix
    result = dataclasses.replace(
        told,
        target=name,
        bytes_out=len(made.data),
        sealed=hashlib.sha256(made.data).hexdigest(),
        pixels=made.pixels,
        decibels=made.decibels,
        repaired=made.repaired,
        seconds=round(time.perf_counter() - started, 4),
    )
    replacing = job.force or name in item.ours
    if not replacing:
        # Told first: an output that is there is accounted for, whenever this process is killed. Where one is replaced,
        # the account would fit the old one for a moment; then it is told afterwards, and at worst made once more.
        journal.add(result)
    stores.write(target.child(name), made.data, replacing, private=not encrypting)
    if replacing:
        journal.add(result)
    return result


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split())
