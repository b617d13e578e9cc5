"""The chaos cipher: compound cloud-Logistic keystream, sliding scrambling, vector decomposition.

Specified in docs/format.md, section 4, after Chen, Guo and Jing, Acta Physica Sinica 69 (24), 2020.
Chaos ciphers have no security proof: nothing here should guard a secret by itself. The container's
``hybrid`` suite wraps it in AES-256-GCM.

Importing this package loads NumPy; Numba is loaded, and the kernels compiled or read from their cache, at
the first call or by :func:`warm_up`.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgcrypt import compiled, scratch
from imgcrypt.arrays import Bytes
from imgcrypt.cipher import schedule, sharing
from imgcrypt.cipher.layout import CELL, ROW_BYTES, SEGMENT, SEGMENT_ROWS, pairs
from imgcrypt.cipher.schedule import Schedule

KEY_BYTES = 32


def encipher(data: Bytes, key: bytes, *, out: Bytes | None = None) -> Bytes:
    """Scramble and diffuse.

    Args:
        data: uint8 (n,), any n from 0 up.
        key: 32 bytes, used for this one message only.
        out: uint8 (n,) to write to, not overlapping ``data``; ``None`` makes a new array.

    Returns:
        uint8 (n,).
    """
    data = np.require(data, np.uint8, ["C"])
    plan = schedule.make(len(data), key)
    if out is None:
        out = np.empty_like(data)
    with scratch.borrow(len(data)) as middle:
        scramble(data, middle, plan)
        decompose(middle, out, plan)
    return out


def decipher(data: Bytes, key: bytes, *, overwrite: bool = False, out: Bytes | None = None) -> Bytes:
    """Inverse of :func:`encipher`, with the same arguments. With ``overwrite``, ``data`` serves as work space."""
    data = np.require(data, np.uint8, ["C"])
    plan = schedule.make(len(data), key)
    in_place = overwrite and data.flags.writeable and data.ctypes.data % 8 == 0
    if out is None:
        out = np.empty_like(data)
    with contextlib.nullcontext(data) if in_place else scratch.borrow(len(data)) as middle:
        decompose(data, middle, plan, inverse=True)
        scramble(middle, out, plan, inverse=True)
    return out


def scramble(src: Bytes, dst: Bytes, plan: Schedule, *, inverse: bool = False) -> None:
    """The fine round of sliding scrambling; its inverse undoes the coarse round, which :func:`decompose` does, too.

    Args:
        src, dst: uint8 (n,), different arrays.
        plan: of a message of n bytes.
        inverse: the other way.
    """
    _run(schedule.kernels().scramble_serial, schedule.kernels().scramble, src, dst, plan, inverse)


def decompose(src: Bytes, dst: Bytes, plan: Schedule, *, inverse: bool = False) -> None:
    """The coarse round of scrambling, vector decomposition and masking; or the inverse of the last two.

    Args:
        src, dst: uint8 (n,), different arrays; for the inverse they may be the same.
        plan: of a message of n bytes.
        inverse: the other way.
    """
    _run(schedule.kernels().decompose_serial, schedule.kernels().decompose, src, dst, plan, inverse)


def vectors(size: int, key: bytes) -> NDArray[np.unsignedinteger[Any]]:
    """Which two bytes of a message decomposition ties together: who damages one damages the other.

    Args:
        size: length of the message.
        key: 32 bytes.

    Returns:
        unsigned integers (m, 2), the places of both in the message. A segment of odd length has a byte in no vector.
    """
    plan = schedule.make(size, key)
    places = np.arange(size, dtype=np.min_scalar_type(size))
    scrambled = np.zeros_like(places)
    # Scrambling moves bytes, so the places travel a byte at a time.
    for shift in range(0, size.bit_length(), 8):
        moved = np.empty(size, np.uint8)
        part = (places >> shift).astype(np.uint8)
        scramble(part, moved, plan)
        scrambled |= moved.astype(places.dtype) << shift
    cells = scrambled[: size // CELL * CELL].reshape(-1, CELL)
    cells[:] = cells[compiled.call(schedule.kernels().coarse, len(cells), plan.row_slides, plan.column_slides)]
    return scrambled[pairs(size)]


def keystream(key: bytes, size: int) -> Bytes:
    """Raw keystream for statistical tests: the rows of segment after segment, of a stream no message uses.

    Args:
        key: 32 bytes.
        size: bytes wanted.

    Returns:
        uint8 (size,).
    """
    return schedule.rows(key, schedule.RAW_STREAM, size)


def keystream_blocks(key: bytes, first: int = 0, segments: int = 64) -> Iterator[Bytes]:
    """What :func:`keystream` gives, piece by piece and without end.

    Args:
        key: 32 bytes.
        first: number of the segment (71,680 bytes) to begin with.
        segments: how many make one piece.

    Yields:
        uint8 (segments * 71680,).
    """
    for segment in itertools.count(first, segments):
        yield schedule.rows(key, schedule.RAW_STREAM, segments * SEGMENT_ROWS * ROW_BYTES, segment)


def warm_up(everything: bool = False) -> None:
    """Load Numba and the kernels, compiling what no cache holds (some seconds, once per machine).

    Args:
        everything: also the kernels that only recovery and the statistics of the keystream use.
    """
    key = bytes(KEY_BYTES)
    for size in (0, CELL):
        decipher(encipher(np.zeros(size, np.uint8), key), key)
    if everything:
        vectors(CELL, key)
        keystream(key, 2 * SEGMENT_ROWS * ROW_BYTES)


def _run(serial: Any, parallel: Any, src: Bytes, dst: Bytes, plan: Schedule, inverse: bool) -> None:
    # Read-only, as Numba would compile each kernel a second time for input that can be written to.
    src = src.view()
    src.flags.writeable = False
    sharing.run(serial, parallel, -(-len(src) // SEGMENT), src, dst, *plan, inverse)
