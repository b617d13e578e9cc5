"""Reed-Solomon parity for a short table without which nothing else of a payload can be read. docs/format.md, 5.3.

The code is the customary one over GF(256): polynomial 0x11D, generator 2, first root 1, systematic. As many parity
bytes as table bytes, so that any half of both is enough.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

POLYNOMIAL = 0x11D
LONGEST = 127
"""Table bytes of a codeword, so that it has at most 254 bytes."""


def parity(table: Bytes) -> Bytes:
    """The parity of a table: uint8 (n,) for uint8 (n,).

    Byte i belongs to codeword i mod c of c = ceil(n / 127), and so does parity byte i.
    """
    made = np.empty_like(table)
    count = -(-len(table) // LONGEST)
    for length in {len(table) // count, -(-len(table) // count)} if count else set():
        words = [i for i in range(count) if len(range(i, len(table), count)) == length]
        data = np.stack([table[i::count] for i in words])
        logs, powers = _field()
        remainders = np.zeros_like(data)
        for position, row in enumerate(_remainders(length)):
            factor = data[:, position, None].astype(int)
            remainders ^= np.where((factor > 0) & (row > 0), powers[logs[factor] + logs[row]], 0).astype(np.uint8)
        for i, remainder in zip(words, remainders, strict=True):
            made[i::count] = remainder
    return made


def repair(table: Bytes, check: Bytes, valid: NDArray[np.bool_]) -> tuple[Bytes, NDArray[np.bool_]]:
    """The table out of what is left of it and of its parity.

    Args:
        table: uint8 (n,).
        check: uint8 (n,), its parity.
        valid: bool (2 n,), which bytes of both are known; of the others some may be right and some wrong.

    Returns:
        The table, and of each of its bytes whether it is right as far as the code can tell.
    """
    from reedsolo import ReedSolomonError, RSCodec

    fixed, right = table.copy(), np.zeros(len(table), bool)
    count = -(-len(table) // LONGEST)
    for i in range(count):
        word = np.concatenate([table[i::count], check[i::count]])
        known = np.concatenate([valid[: len(table)][i::count], valid[len(table) :][i::count]])
        length = len(word) // 2
        try:
            message, _, _ = RSCodec(length, nsize=255).decode(bytes(word), erase_pos=np.flatnonzero(~known).tolist())
        except ReedSolomonError:
            right[i::count] = known[:length] & known.all()
            continue
        fixed[i::count], right[i::count] = np.frombuffer(message, np.uint8), True
    return fixed, right


@functools.cache
def _field() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Logarithms to the base 2, and powers of 2 up to the exponent 508."""
    logs, powers = np.zeros(256, np.int64), np.zeros(510, np.int64)
    value = 1
    for exponent in range(255):
        powers[exponent] = powers[exponent + 255] = value
        logs[value] = exponent
        value = value << 1 ^ (POLYNOMIAL if value & 0x80 else 0)
    return logs, powers


@functools.cache
def _remainders(length: int) -> NDArray[np.int64]:
    """Row i is the parity of a codeword whose only table byte but 0 is a 1 at i: (length, length)."""
    logs, powers = _field()

    def times(row: NDArray[np.int64], factor: int) -> NDArray[np.int64]:
        return np.where((row > 0) & (factor > 0), powers[logs[row] + logs[factor]], 0)

    generator = np.ones(1, np.int64)
    for root in range(length):
        generator = np.append(generator, 0) ^ np.append(0, times(generator, int(powers[root])))
    rows = np.empty((length, length), np.int64)
    remainder = generator[1:]
    for i in reversed(range(length)):
        rows[i] = remainder
        remainder = np.append(remainder[1:], 0) ^ times(generator[1:], int(remainder[0]))
    return rows
