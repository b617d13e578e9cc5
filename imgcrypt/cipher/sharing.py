"""Spreads a kernel's segments over threads.

A kernel has two forms, made of what it does to one segment. The serial one takes a range of segments and holds no
lock of Python's, so that threads of this package share the segments out. The parallel one is Numba's, and runs where
the user has chosen a threading layer for it (``NUMBA_THREADING_LAYER``). It is not the rule, because each layer does
something to the program that it is a guest of: TBB prints at forks, on standard output too, and may wait for good at
the end where there is one core; GNU OpenMP kills forked children and spins, which where cores are shared takes six
times as long as one thread; workqueue aborts when two threads call at once. docs/running.md has the figures.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import logging
import os
import threading
from collections.abc import Callable
from typing import Any

from imgcrypt import compiled, loading, threads

TOGETHER = 4
"""Segments that a thread takes at once: some 0.15 ms of work, against 0.02 ms for waking a thread."""


class _Threads:
    """The threads of this process, and how many calls are being served."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.calls = 0
        self.pool: concurrent.futures.ThreadPoolExecutor | None = None
        self.size = 0

    def executor(self, size: int) -> concurrent.futures.ThreadPoolExecutor:
        """A pool of at least ``size`` threads, which start when there is work for them."""
        with self.lock:
            if self.pool is None or self.size < size:
                if self.pool is not None:
                    self.pool.shutdown(wait=False)
                self.pool, self.size = concurrent.futures.ThreadPoolExecutor(size, "imgcrypt"), size
            return self.pool


_logger = logging.getLogger(__name__)
_threads = _Threads()
_numba_threads = threading.Lock()
_serial_only = False


def _renew() -> None:
    """In a forked child: the parent's threads are not there, and its locks may be held by them."""
    global _threads, _numba_threads, _serial_only
    _threads, _numba_threads, _serial_only = _Threads(), threading.Lock(), True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


def run(serial: Callable[..., None], parallel: Callable[..., None], segments: int, *arguments: Any) -> None:
    """Run a kernel on all of ``segments``.

    Args:
        serial: ``serial(first, stop, *arguments)`` works on the segments from ``first`` up to ``stop``.
        parallel: ``parallel(*arguments)`` works on all of them, with Numba's threads.
        segments: how many there are.
        arguments: of either.
    """
    if segments > TOGETHER and _numba_is_wanted() and _numba_threads.acquire(blocking=False):
        # One at a time: workqueue aborts at a second one, and with the others it would gain nothing.
        try:
            _start_numba()
            compiled.call(parallel, *arguments)
            return
        except ValueError as error:
            _give_up(error)
        finally:
            _numba_threads.release()
    # The first call compiles, which happens once, whatever the number of threads.
    first = min(TOGETHER, segments)
    compiled.call(serial, 0, first, *arguments)
    if first < segments:
        _share(serial, first, segments, arguments)


def _share(serial: Callable[..., None], first: int, segments: int, arguments: tuple[Any, ...]) -> None:
    starts = iter(range(first, segments, TOGETHER))
    taking = threading.Lock()

    def work() -> None:
        while True:
            with taking:
                start = next(starts, None)
            if start is None:
                return
            serial(start, min(start + TOGETHER, segments), *arguments)

    mine = _threads
    with mine.lock:
        mine.calls += 1
        # Calls from many threads share the cores already.
        helpers = min(threads.count() - mine.calls, (segments - first - 1) // TOGETHER)
    futures: list[concurrent.futures.Future[None]] = []
    try:
        if helpers > 0:
            pool = mine.executor(threads.count() - 1)
            # No more where the interpreter is ending, or another thread has just asked for a larger pool.
            with contextlib.suppress(RuntimeError):
                futures.extend(pool.submit(work) for _ in range(helpers))
        work()
    finally:
        with mine.lock:
            mine.calls -= 1
        for future in futures:
            if not future.cancel():
                future.result()


def _numba_is_wanted() -> bool:
    """Whether the user chose Numba's threads, and they can be used: not in a forked child, nor with one core."""
    import numba

    config: Any = numba.config
    return config.THREADING_LAYER != "default" and not _serial_only and threads.count() > 1


def _start_numba() -> None:
    """Start Numba's threads; ValueError if there is no such layer here."""
    import numba

    loading.whole(numba.get_num_threads)


def _give_up(error: ValueError) -> None:
    """Numba has no such layer here: its threads are not asked for again."""
    global _serial_only
    _serial_only = True
    _logger.warning("Numba's threads do not start, imgcrypt's own do the work: %s", error)
