"""The erasure code over packets: docs/format.md, section 3.5.

What is cut into k shares becomes n shares, of which any k give it back: Reed and Solomon's code over GF(256), the
first k shares being the data themselves. Bytes at the same place of all shares, a column, are a code word.

zfec, a kept library, takes three times as long for the same parity (21 ms against 7 for 3 MiB and 14 shares in 255, one
thread of a Xeon), and corrects no wrong bytes.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from imgcrypt import compiled, loading, threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imgcrypt.arrays import Bytes, Mask

    Numbers = NDArray[np.int32]

MOST_SHARES = 255
COLUMNS = 512
"""That a thread corrects at once."""


def add_parity(shares: Bytes, needed: int) -> None:
    """Fill in the shares from number ``needed`` on: uint8 (n, any length), whose first ones are the data."""
    count = len(shares)
    restore(shares, needed, range(needed, count), range(needed))


def restore(shares: Bytes, needed: int, missing: Sequence[int], known: Sequence[int]) -> None:
    """Fill in shares that are missing.

    Args:
        shares: uint8 (n, any length).
        needed: how many give back all.
        missing: numbers of those to fill in.
        known: ``needed`` numbers of others.
    """
    if not len(missing) or not shares.shape[1]:
        return
    length = shares.shape[1]
    words = -(-length // 8)
    sources = np.zeros((len(known), 8 * words), np.uint8)
    sources[:, :length] = shares[list(known)]
    out = np.empty((len(missing), words), np.uint64)
    chosen, starts = _schedule(len(shares), tuple(missing), tuple(known))
    arguments = chosen, starts, sources.view(np.uint64), out
    tile = _kernels().TILE
    threads.each(
        lambda first, last: compiled.call(_kernels().combine, first, last, *arguments),
        [(at, min(at + 1, -(-words // tile))) for at in range(-(-words // tile))],
    )
    shares[list(missing)] = out.view(np.uint8)[:, :length]


def correct(shares: Bytes, needed: int, absent: Mask) -> Mask:
    """Correct wrong bytes and fill in absent ones, column by column, in place.

    In each column e errors and f absent bytes are mended if 2 e + f is at most n - needed. More may be mended wrongly,
    which only a digest of the whole tells.

    Args:
        shares: uint8 (n, m).
        needed: how many give back all.
        absent: bool (n, m), bytes that are not there.

    Returns:
        bool (m,), the columns that were not mended; their bytes may have changed.
    """
    failed = np.zeros(shares.shape[1], bool)
    exps, logs = _field()
    threads.each(
        lambda first, last: compiled.call(_kernels().correct, first, last, needed, exps, logs, shares, absent, failed),
        [(at, min(at + COLUMNS, len(failed))) for at in range(0, len(failed), COLUMNS)],
    )
    return failed


def warm_up() -> None:
    """Load the kernels, compiling what no cache holds."""
    shares = np.zeros((2, 1), np.uint8)
    add_parity(shares, 1)
    correct(shares, 1, np.zeros((2, 1), bool))


@functools.cache
def _field() -> tuple[Bytes, Numbers]:
    """Powers of the generator 2, uint8 (512,), and their logarithms, int32 (256,)."""
    exps, logs = np.zeros(512, np.uint8), np.zeros(256, np.int32)
    value = 1
    for i in range(255):
        exps[i] = exps[i + 255] = value
        logs[value] = i
        value = value << 1 ^ (0x11D if value & 0x80 else 0)
    exps[510:] = exps[:2]
    return exps, logs


def factors(count: int, missing: Sequence[int], known: Sequence[int]) -> Bytes:
    """The matrix that makes missing shares of known ones: uint8 (missing, known).

    A word's bytes r_j at the places X_j = 2^(count - 1 - j) are such that the sum of r_j f(X_j) is 0 for every
    polynomial f of a degree below the number of checks. With f_i the product of X - X_m over all shares m that are not
    known, but for i, a missing r_i is the sum of r_j f_i(X_j) / f_i(X_i) over the known j.
    """
    exps, logs = _field()
    places = exps[[count - 1 - j for j in range(count)]]
    others = np.setdiff1d(np.arange(count), known)
    here, there = places[list(known)], places[list(missing)]

    def apart(one: Bytes, other: Bytes) -> Any:
        return logs[one[:, None] ^ other[None, :]].astype(np.int64)

    numerator = apart(here, places[others]).sum(1)[None, :] - apart(there, here)
    denominator = apart(there, places[others]).sum(1)[:, None]  # the logarithm of 0, X_i's own, stands as 0
    found: Bytes = exps[(numerator - denominator) % 255]
    return found


@functools.lru_cache(maxsize=64)
def _schedule(count: int, missing: tuple[int, ...], known: tuple[int, ...]) -> tuple[Numbers, Any]:
    """The matrix of :func:`factors` as the kernel takes it."""
    matrix = factors(count, missing, known)
    bits = (matrix[:, None, :] >> np.arange(7, -1, -1, dtype=np.uint8)[None, :, None] & 1).astype(bool)
    lines = bits.reshape(-1, len(known))
    starts = np.concatenate([[0], np.cumsum(lines.sum(1))]).astype(np.int64)
    return np.nonzero(lines)[1].astype(np.int32), starts


@functools.cache
def _kernels() -> Any:
    return loading.whole(_import_kernels)


def _import_kernels() -> Any:
    from imgcrypt import erasurekernels

    return erasurekernels
