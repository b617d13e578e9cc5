"""Imports and compilations that nothing interrupts half-way: neither a signal nor a fork."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
_loading = threading.RLock()

if hasattr(os, "register_at_fork"):
    # A child forked while another thread imports or compiles would wait for that thread, which it lacks, for good.
    os.register_at_fork(before=_loading.acquire, after_in_parent=_loading.release, after_in_child=_loading.release)


def whole(function: Callable[[], T]) -> T:
    """The function's result. It runs to its end even if a signal's handler raises, as Ctrl-C's does.

    Python runs such handlers in the main thread alone, so the function runs in another one. An import or a compilation
    that ended half-way would leave modules in this process that never work again.
    """
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
