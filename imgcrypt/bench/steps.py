"""How far a command has come, on standard error: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import contextlib
import contextvars
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")

PAUSE = 10.0
"""Seconds between two lines."""
_shown: contextvars.ContextVar[bool] = contextvars.ContextVar("steps", default=False)


@contextlib.contextmanager
def shown() -> Iterator[None]:
    """Show what :func:`through` goes through meanwhile; without it, nothing is shown."""
    token = _shown.set(True)
    try:
        yield
    finally:
        _shown.reset(token)


def through(items: Sequence[Item], what: str) -> Iterator[Item]:
    """The items one after the other, while it is shown how many are done.

    Of loops inside each other the outermost is shown.
    """
    if not _shown.get() or not items:
        yield from items
        return
    token = _shown.set(False)
    try:
        yield from _bar(items, what) if sys.stderr.isatty() else _lines(items, what)
    finally:
        _shown.reset(token)


def _bar(items: Sequence[Item], what: str) -> Iterator[Item]:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=len(items))
        for item in items:
            yield item
            bar.advance(task)


def _lines(items: Sequence[Item], what: str) -> Iterator[Item]:
    said = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        if time.monotonic() - said > PAUSE:
            print(f"{what}: {done} of {len(items)}", file=sys.stderr, flush=True)
            said = time.monotonic()
