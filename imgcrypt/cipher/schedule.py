"""What a message's key becomes: seeds of the segments, the cloud's parameters, distances. docs/format.md, section 4."""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

from imgcrypt import compiled, loading
from imgcrypt.arrays import Bytes
from imgcrypt.cipher import sharing
from imgcrypt.cipher.layout import CELL, LANES, ROW_BYTES, SEED_WORDS, SEGMENT, SEGMENT_ROWS

CLOUD_STREAM, SEGMENT_STREAM, CELL_STREAM, RAW_STREAM = 0, 1, 2, 3
"""Numbers of the seed streams."""


class Schedule(NamedTuple):
    """Everything that the kernels draw from a key for a message of n bytes.

    ``seeds``: uint64 (ceil(n / 65536) * 512,). ``cloud``: float64 (6,), see :func:`cloud`. ``row_slides`` and
    ``column_slides``: int64, see :func:`cell_slides`.
    """

    seeds: NDArray[np.uint64]
    cloud: NDArray[np.float64]
    row_slides: NDArray[np.int64]
    column_slides: NDArray[np.int64]


def make(size: int, key: bytes) -> Schedule:
    """The schedule of a message of ``size`` bytes under a key of 32."""
    seeds = stream(key, SEGMENT_STREAM, -(-size // SEGMENT) * SEED_WORDS)
    return Schedule(seeds, cloud(key), *cell_slides(key, size // CELL))


def stream(key: bytes, number: int, words: int, first: int = 0) -> NDArray[np.uint64]:
    """A seed stream: AES-256 in counter mode from the counter block (number, 0), as little-endian words.

    ``first`` is the word to begin with, an even number: a counter block makes two.
    """
    counter = number.to_bytes(8, "big") + (first // 2).to_bytes(8, "big")
    encryptor = Cipher(algorithms.AES(key), modes.CTR(counter)).encryptor()
    return np.frombuffer(encryptor.update(bytes(8 * words)), "<u8").astype(np.uint64, copy=False)


def cloud(key: bytes) -> NDArray[np.float64]:
    """Ex1, Ex2 in [-1, 1), En1, En2 in [1, 2), He1, He2 in [1/8, 1/4): float64 (6,)."""
    uniform = (stream(key, CLOUD_STREAM, 6) >> np.uint64(12)).astype(np.float64) * 2.0**-52
    return np.concatenate([uniform[:2] * 2 - 1, uniform[2:4] + 1, (uniform[4:] + 1) / 8])


def cell_slides(key: bytes, cells: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The coarse round's distances: int64 (rows,) and int64 (columns,) of the matrix of ``cells`` cells."""
    if cells == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    columns = math.isqrt(cells - 1) + 1
    height = -(-cells // columns)
    last = cells - (height - 1) * columns
    lengths = np.full(height + columns, columns, np.uint64)
    lengths[height - 1] = last
    lengths[height : height + last] = height
    lengths[height + last :] = height - 1
    words = rows(key, CELL_STREAM, 4 * (height + columns)).view("<u4").astype(np.uint64)
    slides = ((words * lengths) >> np.uint64(32)).astype(np.int64)
    return slides[:height], slides[height:]


def rows(key: bytes, number: int, size: int, first: int = 0) -> Bytes:
    """The first ``size`` bytes of the rows of segment after segment, from ``first`` on, under a seed stream."""
    segments = -(-size // (SEGMENT_ROWS * ROW_BYTES))
    seeds, drops = stream(key, number, max(segments, 1) * SEED_WORDS, first * SEED_WORDS), cloud(key)
    if segments <= 1:
        # One segment needs no threads, and spares a message the compilation of a third kernel.
        words = compiled.call(kernels().chaos, seeds, 0, drops, -(-size // ROW_BYTES))
    else:
        words = np.empty((segments, SEGMENT_ROWS * LANES), np.uint64)
        sharing.run(kernels().keystream_serial, kernels().keystream, segments, seeds, drops, SEGMENT_ROWS, words)
    made: Bytes = words.reshape(-1).view(np.uint8)
    return made[:size]


@functools.cache
def kernels() -> Any:
    """The module of the compiled kernels."""
    return loading.whole(_import)


def _import() -> Any:
    from imgcrypt.cipher import kernels

    return kernels
