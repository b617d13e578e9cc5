"""Who may run a net now: the nets' intermediate results are most of this package's memory, so callers wait in line."""

from __future__ import annotations

import collections
import contextlib
import os
import threading
from collections.abc import Iterator

from imgcrypt import progress, threads

CORES = 4
"""For each so many cores one net runs at a time, at least one in all. A run uses all cores by itself: on two cores, two
at once rebuild no more pictures a second than one does, and take twice the memory."""
LOOK = 0.1
"""Seconds after which one who waits looks whether his caller has given up."""


class _Line:
    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.waiting: collections.deque[object] = collections.deque()
        self.running = 0


_line = _Line()


@contextlib.contextmanager
def turn() -> Iterator[None]:
    """Wait for a turn, first come, first served, and have it while the context lasts.

    Raises:
        CancelledError: the caller gave up meanwhile.
    """
    line, ticket = _line, object()
    with line.changed:
        line.waiting.append(ticket)
        try:
            while line.waiting[0] is not ticket or line.running >= max(1, threads.count() // CORES):
                line.changed.wait(LOOK)
                progress.check()
            line.running += 1
        finally:
            line.waiting.remove(ticket)
            line.changed.notify_all()
    try:
        yield
    finally:
        with line.changed:
            line.running -= 1
            line.changed.notify_all()


def _renew() -> None:
    """In a forked child nobody waits or runs."""
    global _line
    _line = _Line()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
