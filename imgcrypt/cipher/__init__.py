"""The chaos cipher: compound cloud-Logistic keystream, sliding scrambling, vector decomposition.

Specified in docs/format.md, section 4, after Chen, Guo and Jing, Acta Physica Sinica 69 (24), 2020.
Chaos ciphers have no security proof: nothing here should guard a secret by itself. The container's
``hybrid`` suite wraps it in AES-256-GCM.

Importing this package loads NumPy; Numba is loaded, and the kernels compiled or read from their cache, at
the first call or by :func:`warm_up`.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgcrypt import compiled, scratch
from imgcrypt.cipher import sharing
from imgcrypt.cipher.layout import CELL, LANES, ROW_BYTES, SEED_WORDS, SEGMENT, SEGMENT_ROWS, pairs

Bytes = NDArray[np.uint8]

KEY_BYTES = 32

# Numbers of the seed streams (docs/format.md, section 4.1).
CLOUD_STREAM, SEGMENT_STREAM, CELL_STREAM, RAW_STREAM = 0, 1, 2, 3


def encipher(data: Bytes, key: bytes, *, out: Bytes | None = None) -> Bytes:
    """Scramble and diffuse.

    Args:
        data: uint8 (n,), any n from 0 up.
        key: 32 bytes, used for this one message only.
        out: uint8 (n,) to write to, not overlapping ``data``; ``None`` makes a new array.

    Returns:
        uint8 (n,).
    """
    kernels = _kernels()
    data = np.require(data, np.uint8, ["C"])
    schedule = _schedule(len(data), key)
    if out is None:
        out = np.empty_like(data)
    with scratch.borrow(len(data)) as middle:
        _run(kernels.scramble_serial, kernels.scramble, data, middle, schedule, False)
        _run(kernels.decompose_serial, kernels.decompose, middle, out, schedule, False)
    return out


def decipher(data: Bytes, key: bytes, *, overwrite: bool = False) -> Bytes:
    """Inverse of :func:`encipher`, with the same shapes. With ``overwrite``, ``data`` serves as work space."""
    kernels = _kernels()
    data = np.require(data, np.uint8, ["C"])
    schedule = _schedule(len(data), key)
    in_place = overwrite and data.flags.writeable and data.ctypes.data % 8 == 0
    out = np.empty_like(data)
    with contextlib.nullcontext(data) if in_place else scratch.borrow(len(data)) as middle:
        _run(kernels.decompose_serial, kernels.decompose, data, middle, schedule, True)
        _run(kernels.scramble_serial, kernels.scramble, middle, out, schedule, True)
    return out


def vectors(size: int, key: bytes) -> NDArray[np.unsignedinteger[Any]]:
    """Which two bytes of a message decomposition ties together: who damages one damages the other.

    Args:
        size: length of the message.
        key: 32 bytes.

    Returns:
        unsigned integers (m, 2), the places of both in the message. A segment of odd length has a byte in no vector.
    """
    kernels = _kernels()
    schedule = _schedule(size, key)
    places = np.arange(size, dtype=np.min_scalar_type(size))
    scrambled = np.zeros_like(places)
    # Scrambling moves bytes, so the places travel a byte at a time.
    for shift in range(0, size.bit_length(), 8):
        moved = np.empty(size, np.uint8)
        part = (places >> shift).astype(np.uint8)
        _run(kernels.scramble_serial, kernels.scramble, part, moved, schedule, False)
        scrambled |= moved.astype(places.dtype) << shift
    cells = scrambled[: size // CELL * CELL].reshape(-1, CELL)
    cells[:] = cells[compiled.call(kernels.coarse, len(cells), *schedule[2:])]
    return scrambled[pairs(size)]


def keystream(key: bytes, size: int) -> Bytes:
    """Raw keystream for statistical tests: the rows of segment after segment, of a stream no message uses.

    Args:
        key: 32 bytes.
        size: bytes wanted.

    Returns:
        uint8 (size,).
    """
    return _raw_rows(key, RAW_STREAM, size)


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
        yield _raw_rows(key, RAW_STREAM, segments * SEGMENT_ROWS * ROW_BYTES, segment)


def warm_up() -> None:
    """Load Numba and every kernel that a call may need, compiling what no cache holds (once per machine)."""
    for size in (0, 64):
        decipher(encipher(np.zeros(size, np.uint8), bytes(KEY_BYTES)), bytes(KEY_BYTES))


def _schedule(size: int, key: bytes) -> tuple[Any, ...]:
    """Seeds of all segments, the cloud's parameters and the two kinds of distances of the coarse round."""
    seeds = _stream(key, SEGMENT_STREAM, -(-size // SEGMENT) * SEED_WORDS)
    return seeds, _cloud(key), *_cell_slides(key, size // CELL)


def _stream(key: bytes, number: int, words: int, first: int = 0) -> Any:
    """A seed stream: AES-256 in counter mode from the counter block (number, 0), as little-endian words.

    ``first`` is the word to begin with, an even number: a counter block makes two.
    """
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    counter = number.to_bytes(8, "big") + (first // 2).to_bytes(8, "big")
    encryptor = Cipher(algorithms.AES(key), modes.CTR(counter)).encryptor()
    return np.frombuffer(encryptor.update(bytes(8 * words)), "<u8").astype(np.uint64, copy=False)


def _cloud(key: bytes) -> Any:
    """Ex1, Ex2 in [-1, 1), En1, En2 in [1, 2), He1, He2 in [1/8, 1/4): float64 (6,)."""
    uniform = (_stream(key, CLOUD_STREAM, 6) >> np.uint64(12)).astype(np.float64) * 2.0**-52
    return np.concatenate([uniform[:2] * 2 - 1, uniform[2:4] + 1, (uniform[4:] + 1) / 8])


def _cell_slides(key: bytes, cells: int) -> tuple[Any, Any]:
    """The coarse round's distances: int64 (rows,) and int64 (columns,) of the matrix of ``cells`` cells."""
    if cells == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    columns = math.isqrt(cells - 1) + 1
    rows = -(-cells // columns)
    last = cells - (rows - 1) * columns
    lengths = np.full(rows + columns, columns, np.uint64)
    lengths[rows - 1] = last
    lengths[rows : rows + last] = rows
    lengths[rows + last :] = rows - 1
    words = _raw_rows(key, CELL_STREAM, 4 * (rows + columns)).view("<u4").astype(np.uint64)
    slides = ((words * lengths) >> np.uint64(32)).astype(np.int64)
    return slides[:rows], slides[rows:]


def _raw_rows(key: bytes, number: int, size: int, first: int = 0) -> Bytes:
    """The first ``size`` bytes of the rows of segment after segment, from ``first`` on, under a seed stream."""
    kernels = _kernels()
    segments = -(-size // (SEGMENT_ROWS * ROW_BYTES))
    seeds, cloud = _stream(key, number, max(segments, 1) * SEED_WORDS, first * SEED_WORDS), _cloud(key)
    if segments <= 1:
        # One segment needs no threads, and spares a message the compilation of a third kernel.
        words = compiled.call(kernels.chaos, seeds, 0, cloud, -(-size // ROW_BYTES))
    else:
        words = np.empty((segments, SEGMENT_ROWS * LANES), np.uint64)
        sharing.run(kernels.keystream_serial, kernels.keystream, segments, seeds, cloud, SEGMENT_ROWS, words)
    stream: Bytes = words.reshape(-1).view(np.uint8)
    return stream[:size]


def _run(serial: Any, parallel: Any, src: Bytes, dst: Bytes, schedule: tuple[Any, ...], inverse: bool) -> None:
    sharing.run(serial, parallel, -(-len(src) // SEGMENT), _read_only(src), dst, *schedule, inverse)


def _read_only(data: Bytes) -> Bytes:
    """A view that cannot be written to: Numba would compile each kernel a second time for writable input."""
    view = data.view()
    view.flags.writeable = False
    return view


@functools.cache
def _kernels() -> Any:
    return compiled.whole(_import)


def _import() -> Any:
    from imgcrypt.cipher import kernels

    return kernels
