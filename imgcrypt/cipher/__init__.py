"""The chaos cipher: compound cloud-Logistic keystream, sliding scrambling, vector decomposition.

Specified in docs/format.md, section 4, after Chen, Guo and Jing, Acta Physica Sinica 69 (24), 2020.
Chaos ciphers have no security proof: nothing here should guard a secret by itself. The container's
``hybrid`` suite wraps it in AES-256-GCM.

Importing this package is cheap; Numba is loaded, and the kernels compiled or read from their cache, at
the first call or by :func:`warm_up`.
"""

from __future__ import annotations

import itertools
import math
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]

KEY_BYTES = 32
WORK_SPACE = 16 << 20
"""The most bytes that a thread keeps of each :func:`work_space`."""
CACHE_LINE = 64
"""Bytes that the memory hands out together: a cell that is on such a border costs one read, any other two."""
_own = threading.local()

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
    import numpy as np

    kernels, lock = _kernels()
    data = np.require(data, np.uint8, ["C"])
    seeds, cloud, slides = _schedule(len(data), key)
    middle = work_space(len(data), 0)
    if out is None:
        out = np.empty_like(data)
    with lock:
        kernels.scramble(_read_only(data), middle, seeds, cloud, *slides, False)
        kernels.decompose(_read_only(middle), out, seeds, cloud, *slides, False)
    return out


def decipher(data: Bytes, key: bytes, *, overwrite: bool = False) -> Bytes:
    """Inverse of :func:`encipher`, with the same shapes. With ``overwrite``, ``data`` serves as work space."""
    import numpy as np

    kernels, lock = _kernels()
    data = np.require(data, np.uint8, ["C"])
    seeds, cloud, slides = _schedule(len(data), key)
    in_place = overwrite and data.flags.writeable and data.ctypes.data % 8 == 0
    middle = data if in_place else work_space(len(data), 0)
    out = np.empty_like(data)
    with lock:
        kernels.decompose(_read_only(data), middle, seeds, cloud, *slides, True)
        kernels.scramble(_read_only(middle), out, seeds, cloud, *slides, True)
    return out


def vectors(size: int, key: bytes) -> NDArray[np.unsignedinteger[Any]]:
    """Which two bytes of a message decomposition ties together: who damages one damages the other.

    Args:
        size: length of the message.
        key: 32 bytes.

    Returns:
        unsigned integers (m, 2), the places of both in the message. A segment of odd length has a byte in no vector.
    """
    import numpy as np

    from imgcrypt.cipher.layout import CELL, pairs

    kernels, lock = _kernels()
    seeds, cloud, slides = _schedule(size, key)
    places = np.arange(size, dtype=np.min_scalar_type(size))
    scrambled = np.zeros_like(places)
    # Scrambling moves bytes, so the places travel a byte at a time.
    for shift in range(0, size.bit_length(), 8):
        moved = np.empty(size, np.uint8)
        with lock:
            kernels.scramble(_read_only((places >> shift).astype(np.uint8)), moved, seeds, cloud, *slides, False)
        scrambled |= moved.astype(places.dtype) << shift
    cells = scrambled[: size // CELL * CELL].reshape(-1, CELL)
    cells[:] = cells[kernels.coarse(len(cells), *slides)]
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
    from imgcrypt.cipher.layout import ROW_BYTES, SEGMENT_ROWS

    for segment in itertools.count(first, segments):
        yield _raw_rows(key, RAW_STREAM, segments * SEGMENT_ROWS * ROW_BYTES, segment)


def work_space(size: int, number: int) -> Bytes:
    """Memory for intermediate results: uint8 (size,), valid until this thread's next call for the same number.

    Memory new from the system costs more than the kernels that fill it, so each thread keeps its own, up to
    WORK_SPACE bytes. It begins on a border of CACHE_LINE bytes. :func:`encipher` and :func:`decipher` use number 0.
    """
    import numpy as np

    spaces: dict[int, Bytes] = vars(_own).setdefault("spaces", {})
    if number not in spaces or len(spaces[number]) < size:
        space = np.empty(size + CACHE_LINE, np.uint8)
        space = space[-space.ctypes.data % CACHE_LINE :]
        if size > WORK_SPACE:
            return space[:size]
        spaces[number] = space
    return spaces[number][:size]


def warm_up() -> None:
    """Load Numba and the kernels, compiling what no cache holds (some seconds, once per machine)."""
    import numpy as np

    for size in (0, 64):
        decipher(encipher(np.zeros(size, np.uint8), bytes(KEY_BYTES)), bytes(KEY_BYTES))


def _schedule(size: int, key: bytes) -> tuple[Any, Any, tuple[Any, Any]]:
    """Seeds of all segments, the cloud's parameters and the distances of the coarse round."""
    from imgcrypt.cipher.layout import CELL, SEED_WORDS, SEGMENT

    seeds = _stream(key, SEGMENT_STREAM, -(-size // SEGMENT) * SEED_WORDS)
    return seeds, _cloud(key), _cell_slides(key, size // CELL)


def _stream(key: bytes, number: int, words: int, first: int = 0) -> Any:
    """A seed stream: AES-256 in counter mode from the counter block (number, 0), as little-endian words.

    ``first`` is the word to begin with, an even number: a counter block makes two.
    """
    import numpy as np
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    counter = number.to_bytes(8, "big") + (first // 2).to_bytes(8, "big")
    encryptor = Cipher(algorithms.AES(key), modes.CTR(counter)).encryptor()
    return np.frombuffer(encryptor.update(bytes(8 * words)), "<u8").astype(np.uint64, copy=False)


def _cloud(key: bytes) -> Any:
    """Ex1, Ex2 in [-1, 1), En1, En2 in [1, 2), He1, He2 in [1/8, 1/4): float64 (6,)."""
    import numpy as np

    uniform = (_stream(key, CLOUD_STREAM, 6) >> np.uint64(12)).astype(np.float64) * 2.0**-52
    return np.concatenate([uniform[:2] * 2 - 1, uniform[2:4] + 1, (uniform[4:] + 1) / 8])


def _cell_slides(key: bytes, cells: int) -> tuple[Any, Any]:
    """The coarse round's distances: int64 (rows,) and int64 (columns,) of the matrix of ``cells`` cells."""
    import numpy as np

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
    import numpy as np

    from imgcrypt.cipher.layout import ROW_BYTES, SEED_WORDS, SEGMENT_ROWS

    kernels, lock = _kernels()
    segments = -(-size // (SEGMENT_ROWS * ROW_BYTES))
    seeds = _stream(key, number, max(segments, 1) * SEED_WORDS, first * SEED_WORDS)
    if segments <= 1:
        # One segment needs no threads, and spares a message the compilation of a third parallel kernel.
        words = kernels.chaos(seeds, 0, _cloud(key), -(-size // ROW_BYTES))
    else:
        with lock:
            words = kernels.keystream(seeds, _cloud(key), SEGMENT_ROWS)
    stream: Bytes = words.reshape(-1).view(np.uint8)
    return stream[:size]


def _read_only(data: Bytes) -> Bytes:
    """A view that cannot be written to: Numba would compile each kernel a second time for writable input."""
    view = data.view()
    view.flags.writeable = False
    return view


def _kernels() -> Any:
    from imgcrypt.cipher import launch

    return launch.kernels(), launch.lock
