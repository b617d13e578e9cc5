"""Memory for intermediate results, kept between calls: new memory costs more than the kernels that fill it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from imgcrypt.locks import ForkSafeLock

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]

KEPT = 64 << 20
"""Bytes that the process keeps at most, whatever the number of its threads."""
CACHE_LINE = 64
"""Bytes that the memory hands out together: a cell that is on such a border costs one read, any other two."""
_free: list[Bytes] = []
_lock = ForkSafeLock()


@contextlib.contextmanager
def borrow(size: int) -> Iterator[Bytes]:
    """Memory of the caller's own while the context lasts: uint8 (size,), anything in it, on a border of CACHE_LINE.

    Where the context ends by an exception, the memory is dropped: a thread that the exception did not reach may still
    write to it.
    """
    whole = _take(size)
    yield whole[:size]
    _give(whole)


def release() -> None:
    """Give back to the system what is kept."""
    with _lock:
        _free.clear()


def kept() -> int:
    """Bytes that are kept now."""
    with _lock:
        return sum(len(each) for each in _free)


def _take(size: int) -> Bytes:
    import numpy as np

    with _lock:
        fitting = [i for i, each in enumerate(_free) if len(each) >= size]
        if fitting:
            return _free.pop(min(fitting, key=lambda i: len(_free[i])))
    whole = np.empty(size + CACHE_LINE, np.uint8)
    return whole[-whole.ctypes.data % CACHE_LINE :][:size]


def _give(whole: Bytes) -> None:
    with _lock:
        if len(whole) > KEPT:
            return
        # The smallest go first: the large ones serve small calls too.
        _free.append(whole)
        _free.sort(key=len)
        while sum(len(each) for each in _free) > KEPT:
            _free.pop(0)
