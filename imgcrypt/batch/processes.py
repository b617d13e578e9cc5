"""Shards done by processes of this machine."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import multiprocessing
import signal
import sys
from collections.abc import Generator, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

from imgcrypt.batch import hold, shards
from imgcrypt.batch.manifest import Result
from imgcrypt.batch.plan import LATER, Item, Shard
from imgcrypt.batch.shards import Job
from imgcrypt.batch.work import Worker
from imgcrypt.errors import ImgcryptError
from imgcrypt.keys import Key
from imgcrypt.progress import Event

LOOK = 0.1
"""Seconds after which it is seen that the caller has given up."""
PATIENCE = 5.0
"""Seconds that a worker has to end its file's writing, when all ends early."""
DEATHS = 2
"""Workers that may die of one file before it counts as failed."""
READY, DONE = "ready", "done"


@dataclasses.dataclass(eq=False)
class _Process:
    process: Any
    connection: Connection
    ready: bool = False
    number: int = 0
    rest: collections.deque[Item] = dataclasses.field(default_factory=collections.deque)


def run(
    job: Job, work: Iterator[Shard], workers: int, keys: Sequence[Key], cancel: Event | None
) -> Generator[Result, None, None]:
    """Do the shards with so many processes; results come as the files are done.

    Processes are spawned, not forked: a fork would copy the caller's threads' locks and memory. A process that dies is
    replaced; the file that it had is tried once more, and then counts as failed.

    Raises:
        ImgcryptError: no process starts, or one has no key.
    """
    idle: list[_Process] = []
    every: dict[Connection, _Process] = {}
    again: collections.deque[Shard] = collections.deque()
    added = 0
    ended = False
    try:
        while not (cancel is not None and cancel.is_set()):
            while not ended or again:
                if not idle and len(every) >= workers:
                    break
                shard = again.popleft() if again else next(work, None)
                if shard is None:
                    ended = True
                    break
                mine = idle.pop() if idle else _start(job, keys, every)
                mine.number, mine.rest = shard.number, collections.deque(shard.items)
                # If it is dead, that shows where it is listened to.
                with contextlib.suppress(OSError):
                    mine.connection.send(shard)
            if not any(each.rest for each in every.values()) and ended and not again:
                return
            for connection in wait(list(every), LOOK):
                mine = every[connection]  # type: ignore[index]
                try:
                    message = mine.connection.recv()
                except (EOFError, OSError):
                    _end(mine, every)
                    if mine in idle:
                        idle.remove(mine)
                    if not mine.ready:
                        raise ImgcryptError(
                            "a worker process ended as it started; a program that calls this needs "
                            "if __name__ == '__main__' around what it does"
                        ) from None
                    if mine.rest:
                        added += 1
                        again.append(_after_a_death(mine, added))
                    continue
                if message == READY:
                    mine.ready = True
                elif message == DONE:
                    mine.rest.clear()
                    idle.append(mine)
                elif isinstance(message, ImgcryptError):
                    raise message
                else:
                    if mine.rest:
                        mine.rest.popleft()
                    yield message
    finally:
        for mine in list(every.values()):
            mine.process.terminate()
        for mine in list(every.values()):
            _end(mine, every)


def _after_a_death(mine: _Process, added: int) -> Shard:
    """What the dead worker had not done, under a new number, since its manifest may end in half a line."""
    first, *others = mine.rest
    first = dataclasses.replace(first, tries=first.tries + 1)
    if first.tries >= DEATHS:
        first = dataclasses.replace(
            first, refused="the processes that worked on it died, perhaps for lack of memory: use fewer workers"
        )
    return Shard(LATER + added, (first, *others))


def _start(job: Job, keys: Sequence[Key], every: dict[Connection, _Process]) -> _Process:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, job), daemon=True, name="imgcrypt batch")
    # Pressing Ctrl-C reaches every process of the terminal: this one alone is to act on it, from their first moment on.
    with _ignored_here_and_inherited():
        process.start()
    theirs.close()
    with contextlib.suppress(OSError):
        ours.send_bytes(hold.to_bytes(keys))
    started = every[ours] = _Process(process, ours)
    return started


@contextlib.contextmanager
def _ignored_here_and_inherited() -> Iterator[None]:
    try:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _end(mine: _Process, every: dict[Connection, _Process]) -> None:
    every.pop(mine.connection, None)
    mine.connection.close()
    mine.process.join(PATIENCE)
    if mine.process.is_alive():
        mine.process.kill()
        mine.process.join()


def _serve(connection: Connection, job: Job) -> None:
    """A worker: takes a shard, tells each result, says that it is done. It ends when nobody listens any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # As an exception, so that what is being written is cleaned up.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    shards.confine(job.threads)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        handed = hold.from_bytes(connection.recv_bytes())
        try:
            worker = Worker(job.settings, job.whom.load(handed), job.threads)
        except ImgcryptError as error:
            connection.send(error)
            return
        connection.send(READY)
        while True:
            shard = connection.recv()
            try:
                for result in shards.work_on(job, worker, shard):
                    connection.send(result)
            except ImgcryptError as error:
                # Not of one file: the manifest cannot be written, for example.
                connection.send(ImgcryptError(str(error)))
                return
            connection.send(DONE)
