"""Encrypting, decrypting and checking many files: what ``imgcrypt enc``, ``dec`` and ``verify`` do with them."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import datetime
import hashlib
import os
import secrets
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from imgcrypt import inputs, threads
from imgcrypt.batch import hold, manifest, processes, shards, stores
from imgcrypt.batch.hold import KeysOrPlaces, Whom
from imgcrypt.batch.manifest import FAILED, Result
from imgcrypt.batch.plan import MOST, Item, Plan, Shard
from imgcrypt.batch.shards import Job
from imgcrypt.batch.stores import Place
from imgcrypt.batch.work import DECRYPT, ENCRYPT, VERIFY, Settings, Worker
from imgcrypt.errors import CancelledError, ImgcryptError, NetError
from imgcrypt.inputs import Protection, Provider, Quality, SuiteName
from imgcrypt.keys import KEY_VARIABLE, PASSPHRASE_VARIABLE, Key
from imgcrypt.pictures import MAX_PIXELS
from imgcrypt.progress import Event

Distributor = Literal["processes", "dask"]
OnError = Literal["record", "stop"]
Sources = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


class BatchError(ImgcryptError):
    """A run that ended at a file's failure."""


class Progress(NamedTuple):
    """How far a run is."""

    done: int
    """Files that were worked on, failures among them."""
    total: int | None
    """Files to be worked on; None while that is not known."""
    failed: int
    kept: int
    """Files that were done before."""
    skipped: int
    """Files that are no pictures, by their names."""
    pixels: int
    seconds: float
    repaired: int
    """Files that were damaged, and that their parity mended."""


Report = Callable[[Progress], object]


class _How(NamedTuple):
    """What the public functions share."""

    on_error: OnError
    workers: int | None
    distributor: Distributor
    scheduler: str | None
    report: Report | None
    cancel: Event | None


def encrypt(
    sources: Sources,
    target: str | os.PathLike[str],
    key: KeysOrPlaces = None,
    *,
    lossless: bool = False,
    raw: bool = False,
    exact: bool = False,
    rate: float | None = None,
    target_psnr: float | None = None,
    net: str | None = None,
    strip: bool = False,
    frame: int | None = None,
    max_pixels: int = MAX_PIXELS,
    suite: SuiteName = "hybrid",
    protection: Protection | None = None,
    survive: float | None = None,
    zoo: str | os.PathLike[str] | None = None,
    provider: Provider = "auto",
    glob: str | None = None,
    force: bool = False,
    on_error: OnError = "record",
    workers: int | None = None,
    distributor: Distributor = "processes",
    scheduler: str | None = None,
    progress: Report | None = None,
    cancel: Event | None = None,
) -> Iterator[Result]:
    """Encrypt files and folders into a folder, each file's name with ``.imgc`` behind it, and keep account there.

    What was done by an earlier run and is unchanged is kept. Nothing runs before the iterator is asked for a result;
    closing it ends the run, and leaves whole files only.

    Args:
        sources: paths and fsspec URLs of files and folders. A single folder's contents come into the target; each of
            several keeps its name there.
        target: path or URL of a folder, which is made.
        key: an imgcrypt.Key, which is handed to processes of this machine by a pipe, and to nobody else; the name of a
            key file, which each worker reads on its machine; a Recipient, which is no secret and travels with the
            tasks; or a sequence of such. None: each worker reads the file that its own environment names by
            ``IMGCRYPT_KEY_FILE``, or the passphrase in its ``IMGCRYPT_PASSPHRASE``. What protects key files that a
            worker reads is in its ``IMGCRYPT_KEY_PASSPHRASE``.
        lossless, raw, rate, target_psnr, net, suite, protection, survive, zoo, provider: as imgcrypt.Codec's and its
            ``encrypt``'s.
        exact: keep the files themselves, of whatever kind; of folders all are taken.
        strip: leave out what files say beside the pixels.
        frame: of files that hold several pictures.
        max_pixels: larger pictures fail.
        glob: names of files in folders that are taken, as ``*.png``, instead of those of all pictures.
        force: do everything anew, and replace what is there.
        on_error: what the first failure does: ``record`` goes on, ``stop`` ends the run.
        workers: processes; None takes one for each core; 0 works in this process. Cores are shared out among them.
        distributor: ``processes`` of this machine, or ``dask``, which takes keys from files and environments alone.
        scheduler: of Dask, ``tcp://...``; None starts a cluster on this machine.
        progress: is called with a Progress before each result, and at the end.
        cancel: once the event is set, the run ends with CancelledError.

    Yields:
        Result: one for each file, in the order in which they end; those that are kept among them.

    Raises:
        ImgcryptError: a source is not there, settings contradict each other or what was done before, there is no key
            or no worker. What concerns one file is in its result.
        BatchError: a file failed, with ``on_error="stop"``.
        CancelledError: the event was set.
    """
    if sum((lossless, raw, exact)) > 1 or ((lossless or raw or exact) and (rate, target_psnr, net) != (None,) * 3):
        raise ImgcryptError("lossless, raw and exact each keep all: give one of them, and no rate, target_psnr or net")
    if exact and (strip or frame is not None):
        raise ImgcryptError("exact keeps the files as they are: leave out strip and frame")
    if rate is not None and target_psnr is not None:
        raise ImgcryptError("a rate and a PSNR cannot both be kept: leave out rate or target_psnr")
    inputs.profile(protection, survive)
    zoo = _zoo(zoo)
    if not (lossless or raw or exact):
        _check_net(net, rate, zoo)
    settings = Settings(
        ENCRYPT,
        lossless=inputs.flag(lossless, "lossless"),
        raw=inputs.flag(raw, "raw"),
        exact=inputs.flag(exact, "exact"),
        rate=inputs.number(rate, "rate"),
        target_psnr=inputs.number(target_psnr, "target_psnr"),
        net=inputs.net(net),
        strip=inputs.flag(strip, "strip"),
        frame=frame,
        max_pixels=inputs.count(max_pixels, "max_pixels") or MAX_PIXELS,
        suite=inputs.suite(suite),
        protection=protection,
        survive=inputs.number(survive, "survive"),
        zoo=zoo,
        provider=inputs.provider(provider),
    )
    how = _How(on_error, workers, distributor, scheduler, progress, cancel)
    return _run(settings, sources, target, key, glob, force, how)


def decrypt(
    sources: Sources,
    target: str | os.PathLike[str],
    key: KeysOrPlaces = None,
    *,
    quality: Quality = "best",
    written: str | None = None,
    zoo: str | os.PathLike[str] | None = None,
    provider: Provider = "auto",
    glob: str | None = None,
    force: bool = False,
    on_error: OnError = "record",
    workers: int | None = None,
    distributor: Distributor = "processes",
    scheduler: str | None = None,
    progress: Report | None = None,
    cancel: Event | None = None,
) -> Iterator[Result]:
    """Decrypt ``.imgc`` files and folders of them into a folder; local files are for their owner alone (mode 0600).

    ``a.jpg.imgc`` becomes ``a.jpg``, or, where its picture is not written as JPEG, ``a.jpg.png``; the name that is
    encrypted in it is not used.

    Args:
        quality, zoo, provider: as imgcrypt.Codec's.
        written: suffix of the format of all pictures, ``.png`` for example; None takes their own where possible.
        sources, target, key, glob, force, on_error, workers, distributor, scheduler, progress, cancel: as
            :func:`encrypt`'s.

    Yields:
        Result: as :func:`encrypt`'s, with its errors. Of a damaged file that its parity mended, ``repaired`` is how
        many of its packets were damaged: imgcrypt.repair makes it whole again.
    """
    settings = Settings(
        DECRYPT, quality=inputs.quality(quality), written=written, zoo=_zoo(zoo), provider=inputs.provider(provider)
    )
    how = _How(on_error, workers, distributor, scheduler, progress, cancel)
    return _run(settings, sources, target, key, glob, force, how)


def verify(
    target: str | os.PathLike[str],
    key: KeysOrPlaces = None,
    *,
    opened: bool = False,
    on_error: OnError = "record",
    workers: int | None = None,
    distributor: Distributor = "processes",
    scheduler: str | None = None,
    progress: Report | None = None,
    cancel: Event | None = None,
) -> Iterator[Result]:
    """Check what earlier runs made in a folder against its manifests: that all is there, and unchanged.

    A manifest is not authenticated: whoever can write to the folder can change both. The key proves the files.

    Args:
        target: path or URL of the folder.
        key: as :func:`encrypt`'s; needed with ``opened`` alone.
        opened: decrypt every file, too.
        on_error, workers, distributor, scheduler, progress, cancel: as :func:`encrypt`'s.

    Yields:
        Result: ``done`` for a file that is good, or ``failed``. With ``opened``, a damaged one that its parity mends is
        good, and ``repaired`` says how many of its packets were damaged.

    Raises:
        ImgcryptError: there is no manifest.
    """
    place = stores.place(target)
    last = {r.target: r for _, r in manifest.entries(place) if r.target and r.status in (manifest.DONE, manifest.KEPT)}
    if not last:
        raise ImgcryptError(f"there is no manifest in {target}: name a folder that imgcrypt enc or dec wrote")
    items = [
        Item(str(place.child(name)), name, each.bytes_out, "", sealed=each.sealed or "") for name, each in last.items()
    ]
    whom, handed = hold.told(key, opening=True) if opened else (Whom(), ())
    job = _job(Settings(VERIFY), place, whom, False)
    plan = _Fixed(items)
    how = _How(on_error, workers, distributor, scheduler, progress, cancel)
    return _results(job, plan, [place], handed, how)


class _Fixed:
    """A plan of files that are known."""

    def __init__(self, items: list[Item]) -> None:
        self._items = items
        self.kept: collections.deque[Result] = collections.deque()
        self.skipped, self.found, self.complete = 0, len(items), True

    def look_ahead(self) -> None:
        """All is known."""

    def shards(self, workers: Callable[[], int]) -> Iterator[Shard]:
        """As Plan's."""
        size = max(1, min(MOST, len(self._items) // (8 * max(1, workers()))))
        for number, at in enumerate(range(0, len(self._items), size)):
            yield Shard(number, tuple(self._items[at : at + size]))


def _zoo(folder: str | os.PathLike[str] | None) -> str | None:
    """The folder of a zoo, as a worker elsewhere finds it.

    Raises:
        NetError: it holds none.
    """
    from imgcrypt.runtime import zoo

    if folder is None:
        return None
    with zoo.using(folder):
        return os.path.abspath(folder)  # noqa: PTH100, of a worker elsewhere


def _check_net(net: str | None, rate: float | None, folder: str | None) -> None:
    """Refuse a net or rate that is served neither in color nor in gray.

    Raises:
        NetError: it is not.
    """
    from imgcrypt.runtime import zoo

    with zoo.using(folder):
        try:
            zoo.choose(inputs.net(net), inputs.number(rate, "rate"), 3)
        except NetError:
            zoo.choose(net, rate, 1)


def _run(
    settings: Settings,
    sources: Sources,
    target: str | os.PathLike[str],
    key: KeysOrPlaces,
    glob: str | None,
    force: bool,
    how: _How,
) -> Iterator[Result]:
    names = [sources] if isinstance(sources, (str, os.PathLike)) else list(sources)
    if not names:
        raise ImgcryptError("there is nothing to do: name files or folders")
    place = stores.place(target)
    if stores.kind(place) == "file":
        raise ImgcryptError(f"the target {target} is a file; name a folder, which is made if it is not there")
    whom, handed = hold.told(key, opening=settings.action != ENCRYPT)
    if handed or whom.recipients:
        inputs.keys([*handed, *whom.recipients])
    if whom.recipients:
        public = b"".join(sorted({each.public for each in whom.recipients}))
        settings = dataclasses.replace(settings, recipients=hashlib.sha256(public).hexdigest()[:16])
    plan = Plan([os.fspath(name) for name in names], place, settings, glob, force)
    places = [place, *(stores.place(name) for name in names)]
    return _results(_job(settings, place, whom, force), plan, places, handed, how)


def _job(settings: Settings, target: Place, whom: Whom, force: bool) -> Job:
    now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S%f")
    name = os.path.abspath(target.path) if target.local else str(target)  # noqa: PTH100, of a worker elsewhere
    return Job(f"{now}-{secrets.token_hex(3)}", settings, name, whom, force, 1)


def _results(job: Job, plan: Plan | _Fixed, places: list[Place], keys: Sequence[Key], how: _How) -> Iterator[Result]:
    """The results, once everything that can be refused before the work is."""
    if how.on_error not in ("record", "stop"):
        raise ImgcryptError(f"on_error is record or stop, not {how.on_error!r}")
    if how.distributor not in ("processes", "dask"):
        raise ImgcryptError(f"no distributor is called {how.distributor!r}; choose processes or dask")
    if how.distributor == "dask" and keys:
        raise ImgcryptError(
            "a key in this process's memory is not sent through Dask: name a key file, which each worker reads on its "
            f"machine, or set {KEY_VARIABLE} or {PASSPHRASE_VARIABLE} in the workers' environment"
        )
    if how.scheduler is not None and how.distributor != "dask":
        raise ImgcryptError("a scheduler is Dask's: give the distributor dask with it, or leave it out")
    if how.workers != 0:
        inputs.count(how.workers, "workers")
    if any(each.private for each in places):
        if how.distributor == "dask":
            raise ImgcryptError("memory:// is in this process alone, where Dask's workers do not see it")
        how = how._replace(workers=0)
    return _follow(job, plan, keys, how)


def _follow(job: Job, plan: Plan | _Fixed, keys: Sequence[Key], how: _How) -> Iterator[Result]:
    """The results, with the progress told."""
    started = time.perf_counter()
    done = failed = kept = pixels = repaired = 0

    def report() -> None:
        if how.report is not None:
            total = plan.found if plan.complete else None
            seconds = time.perf_counter() - started
            how.report(Progress(done, total, failed, kept, plan.skipped, pixels, seconds, repaired))

    with contextlib.closing(_distribute(job, plan, keys, how)) as results:
        for result in results:
            kept += result.status == manifest.KEPT
            done += result.status != manifest.KEPT
            failed += result.status == FAILED
            pixels += result.pixels
            repaired += result.repaired is not None
            report()
            yield result
            if result.status == FAILED and how.on_error == "stop":
                raise BatchError(f"{result.source}: {result.error}")
    # Where there was nothing to do, this is all that is told.
    report()
    if how.cancel is not None and how.cancel.is_set():
        raise CancelledError("this was cancelled before it was done; the same again does the rest")


def _distribute(job: Job, plan: Plan | _Fixed, keys: Sequence[Key], how: _How) -> Generator[Result, None, None]:
    plan.look_ahead()
    while plan.kept:
        yield plan.kept.popleft()
    if not plan.found:
        return
    cores = threads.count()
    count = max(1, min(cores if how.workers is None else how.workers, plan.found))
    with contextlib.ExitStack() as stack:
        if how.workers == 0:
            found = _here(job, plan, keys, how.cancel)
        elif how.distributor == "dask":
            from imgcrypt.batch.cluster import Cluster

            cluster = stack.enter_context(Cluster(how.scheduler, count))
            # Each of Dask's threads runs a shard: it has one core.
            found = cluster.run(job, plan.shards(cluster.threads), how.cancel)
        else:
            # Workers x threads are the cores.
            job = dataclasses.replace(job, threads=max(1, cores // count))
            found = processes.run(job, plan.shards(lambda: count), count, keys, how.cancel)
        for result in stack.enter_context(contextlib.closing(found)):
            yield result
            # The walk goes on meanwhile, and may find more of them.
            while plan.kept:
                yield plan.kept.popleft()
    while plan.kept:
        yield plan.kept.popleft()


def _here(job: Job, plan: Plan | _Fixed, keys: Sequence[Key], cancel: Event | None) -> Generator[Result, None, None]:
    """In this process, one file after the other."""
    worker = Worker(job.settings, job.whom.load(keys), threads.count())
    for shard in plan.shards(lambda: 1):
        for result in shards.work_on(job, worker, shard):
            yield result
            if cancel is not None and cancel.is_set():
                return
