"""A lock that a forked child finds open."""

from __future__ import annotations

import os
import threading


class ForkSafeLock:
    """A reentrant lock. A child gets a new one, as another thread of its parent may have held the old one.

    Python never forgets what it is to do at a fork: make few of these, at most one for each thing that stays.
    """

    def __init__(self) -> None:
        self._renew()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
