"""Gives memory back to the system when nobody has called for a while."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import threading
import time
from collections.abc import Iterator

from imgcrypt import scratch
from imgcrypt.locks import ForkSafeLock

SECONDS = 10.0
"""Without a call, until memory is given back. To load a net anew takes some 0.05 s of one core."""

_lock = ForkSafeLock()
_calls = 0
_last = 0.0
_watcher: threading.Timer | None = None


@contextlib.contextmanager
def busy() -> Iterator[None]:
    """A call is being served while the context lasts."""
    global _calls, _last
    with _lock:
        _calls += 1
    try:
        yield
    finally:
        with _lock:
            _calls -= 1
            _last = time.monotonic()
            if _watcher is None:
                _watch(SECONDS)


def release() -> None:
    """Give back at once what is kept between calls; the next call takes it anew."""
    scratch.release()
    # Not loaded for this: it is there if there is anything to release.
    runtime = sys.modules.get("imgcrypt.runtime")
    if runtime is not None:
        runtime.release()
    # What was freed by many threads in turn, the C library keeps: after pictures of 2,048 x 2,048, some 350 MB.
    with contextlib.suppress(AttributeError, OSError, TypeError):  # only glibc has this
        ctypes.CDLL(None).malloc_trim(0)


def _watch(seconds: float) -> None:
    global _watcher
    _watcher = threading.Timer(seconds, _look)
    _watcher.name, _watcher.daemon = "imgcrypt idle", True
    # No thread can be had where the interpreter is ending.
    with contextlib.suppress(RuntimeError):
        _watcher.start()


def _look() -> None:
    global _watcher
    with _lock:
        _watcher = None
        idle = time.monotonic() - _last
        if _calls or idle < SECONDS:
            _watch(SECONDS if _calls else SECONDS - idle)
            return
        release()


def _renew() -> None:
    """In a forked child no call is being served, and the thread that watches is not there."""
    global _calls, _watcher
    _calls, _watcher = 0, None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
