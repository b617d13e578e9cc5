"""Reed-Solomon parity for a short table without which nothing else of a payload can be read. docs/format.md, 5.3.

The code is the customary one over GF(256): polynomial 0x11D, generator 2, first root 1, systematic. With as many parity
bytes as table bytes any half of all is enough, with twice as many any third.
"""

from __future__ import annotations

import contextlib
import functools

import numpy as np
from numpy.typing import NDArray

from imgcrypt.arrays import Bytes, Mask

POLYNOMIAL = 0x11D
LONGEST = 255
"""Bytes of a codeword at most."""


def parity(table: Bytes, times: int) -> Bytes:
    """The parity of a table: uint8 (times * n,) for uint8 (n,).

    Of c codewords, as few as can be, byte i of the table belongs to codeword i mod c, and so does byte i of each
    n bytes of parity.
    """
    made = np.empty((times, len(table)), np.uint8)
    count = codewords(len(table), times)
    logs, powers = _field()
    for length in {len(table) // count, -(-len(table) // count)}:
        words = [i for i in range(count) if len(range(i, len(table), count)) == length]
        data = np.stack([table[i::count] for i in words])
        remainders = np.zeros((len(words), times * length), np.uint8)
        for position, row in enumerate(_remainders(length, times * length)):
            factor = data[:, position, None].astype(int)
            remainders ^= np.where((factor > 0) & (row > 0), powers[logs[factor] + logs[row]], 0).astype(np.uint8)
        for i, remainder in zip(words, remainders, strict=True):
            made[:, i::count] = remainder.reshape(times, length)
    return made.reshape(-1)


def repair(table: Bytes, check: Bytes, valid: Mask) -> tuple[Bytes, Mask]:
    """The table out of what is left of it and of its parity.

    Args:
        table: uint8 (n,), n > 0.
        check: uint8 (times * n,), its parity.
        valid: bool (n + times * n,), which bytes of both are known; of these some may be wrong nevertheless.

    Returns:
        The table, and of each of its bytes whether it is right as far as the code can tell.
    """
    from reedsolo import ReedSolomonError, RSCodec

    fixed, right = table.copy(), np.zeros(len(table), bool)
    times = len(check) // len(table)
    count = codewords(len(table), times)
    both = np.concatenate([table, check]).reshape(1 + times, -1)
    known = valid.reshape(both.shape)
    for i in range(count):
        word, there = both[:, i::count].reshape(-1), known[:, i::count].reshape(-1)
        parities, lost = len(word) * times // (1 + times), np.flatnonzero(~there)
        with contextlib.suppress(ReedSolomonError):
            message, codeword, _ = RSCodec(parities, nsize=LONGEST).decode(bytes(word), erase_pos=lost.tolist())
            wrong = np.count_nonzero((np.frombuffer(codeword, np.uint8) != word) & there)
            # The decoder may find a codeword farther away than the nearest one surely is.
            if 2 * wrong + len(lost) <= parities:
                fixed[i::count], right[i::count] = np.frombuffer(message, np.uint8), True
    return fixed, right


def codewords(length: int, times: int) -> int:
    """Into how many codewords a table of so many bytes goes, with so many times its length of parity."""
    return -(-length // (LONGEST // (1 + times)))


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
def _remainders(length: int, parities: int) -> NDArray[np.int64]:
    """Row i is the parity of a codeword whose only table byte but 0 is a 1 at i: (length, parities)."""
    logs, powers = _field()

    def scaled(row: NDArray[np.int64], factor: int) -> NDArray[np.int64]:
        return np.where((row > 0) & (factor > 0), powers[logs[row] + logs[factor]], 0)

    generator = np.ones(1, np.int64)
    for root in range(parities):
        generator = np.append(generator, 0) ^ np.append(0, scaled(generator, int(powers[root])))
    rows = np.empty((length, parities), np.int64)
    remainder = generator[1:]
    for i in reversed(range(length)):
        rows[i] = remainder
        remainder = np.append(remainder[1:], 0) ^ scaled(generator[1:], int(remainder[0]))
    return rows
