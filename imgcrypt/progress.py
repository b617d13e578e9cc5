"""How far a call has come, and whether its caller has given up on it; for the calls that take long."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

from imgcrypt.errors import CancelledError

Report = Callable[[int, int], object]
"""``report(done, total)`` is called in the calling thread after each tile; what it raises ends the call."""


class Event(Protocol):
    """What says that the caller has given up: a ``threading.Event``, of multiprocessing's or of one's own."""

    def is_set(self) -> bool:
        """Whether he has."""


class _Watch(NamedTuple):
    report: Report | None = None
    events: tuple[Event, ...] = ()


_NOBODY = _Watch()
_watch: contextvars.ContextVar[_Watch] = contextvars.ContextVar("watch", default=_NOBODY)


@contextlib.contextmanager
def watched(report: Report | None, *events: Event | None) -> Iterator[None]:
    """Report to ``report`` what is done in this thread meanwhile, and end it at the next tile once an event is set."""
    token = _watch.set(_Watch(report, tuple(event for event in events if event is not None)))
    try:
        check()
        yield
    finally:
        _watch.reset(token)


def check() -> None:
    """Raise CancelledError if the caller has given up."""
    if any(event.is_set() for event in _watch.get().events):
        raise CancelledError("this was cancelled before it was done")


def report(done: int, total: int) -> None:
    """Tell the caller that ``done`` of ``total`` tiles are done."""
    watch = _watch.get()
    if watch.report is not None:
        watch.report(done, total)
    check()
