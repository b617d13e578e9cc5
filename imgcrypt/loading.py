"""Imports and compilations that nothing interrupts half-way: neither a signal nor a fork."""

from __future__ import annotations

import concurrent.futures.thread  # noqa: F401, registers what it does before a fork
import logging  # so does this
import os
import threading
from collections.abc import Callable
from typing import TypeVar

# A program that sets up no logging is not disturbed by ours.
logging.getLogger("imgcrypt").addHandler(logging.NullHandler())

T = TypeVar("T")
_loading = threading.RLock()
_forking = 0
"""How often the thread that forks holds _loading."""


def whole(function: Callable[[], T]) -> T:
    """The function's result. It runs to its end even if a signal's handler raises, as Ctrl-C's does.

    Python runs such handlers in the main thread alone, so the function runs in another one. An import or a compilation
    that ended half-way would leave modules in this process that never work again. Forks wait until it has ended.
    """
    _hold_back_forks()
    if threading.current_thread() is not threading.main_thread():
        with _loading:
            return function()
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            with _loading:
                results.append(function())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="imgcrypt loads")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def _hold_back_forks() -> None:
    """A child forked while another thread loads would wait for that thread, which it lacks, for good.

    What was registered last is done first before a fork. So this is registered at each load, after the locks that
    logging and the thread pools take before a fork: a fork that had those and waited here would keep the load from
    them.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_after)


def _before() -> None:
    global _forking
    _loading.acquire()
    _forking += 1


def _after() -> None:
    global _forking
    if _forking:
        _forking -= 1
        _loading.release()
