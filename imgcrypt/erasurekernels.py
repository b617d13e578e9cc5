"""The erasure code's kernels: docs/format.md, section 3.5. Reed and Solomon's code over GF(256).

Numba's cache notices changes of a kernel's own file only, so nothing but numbers comes from elsewhere.
"""

from __future__ import annotations

import numpy as np

from imgcrypt.compiled import njit

TILE = 128
"""Words of a share that are worked on at a time: one tile of each of 255 shares stays in a core's own cache."""
HIGH_BITS = np.uint64(0x8080808080808080)
LOW_BITS = np.uint64(0x7F7F7F7F7F7F7F7F)
POLYNOMIAL = np.uint64(0x1D)
"""Of the field, x^8 + x^4 + x^3 + x^2 + 1, without x^8."""


@njit(nogil=True, cache=True)
def combine(first, last, chosen, starts, sources, out):
    """Products of a matrix and shares: out[i] = sum of matrix[i, j] * sources[j] over GF(256).

    Args:
        first, last: tiles of TILE words to work on, the last one not included.
        chosen: int32 (any,), for each row i and each bit of a factor, 7 first, the sources whose factor has it.
        starts: int64 (8 * rows + 1,), where the sources of row i and bit b begin in ``chosen``: at 8 * i + 7 - b.
        sources: uint64 (shares, words).
        out: uint64 (rows, words).
    """
    words = sources.shape[1]
    total = np.empty(TILE, np.uint64)
    for tile in range(first, last):
        low = tile * TILE
        count = min(words - low, TILE)
        for row in range(len(out)):
            total[:] = 0
            for bit in range(8):
                # Horner's rule in the bits of the factors: the sum so far times x, 8 bytes at a time.
                if bit:
                    for w in range(count):
                        high = total[w] & HIGH_BITS
                        total[w] = ((total[w] & LOW_BITS) << np.uint64(1)) ^ (high >> np.uint64(7)) * POLYNOMIAL
                at, end = starts[8 * row + bit], starts[8 * row + bit + 1]
                while at + 3 < end:
                    a, b, c, d = chosen[at], chosen[at + 1], chosen[at + 2], chosen[at + 3]
                    for w in range(count):
                        total[w] ^= (sources[a, low + w] ^ sources[b, low + w]) ^ (
                            sources[c, low + w] ^ sources[d, low + w]
                        )
                    at += 4
                while at < end:
                    a = chosen[at]
                    for w in range(count):
                        total[w] ^= sources[a, low + w]
                    at += 1
            for w in range(count):
                out[row, low + w] = total[w]


@njit(nogil=True, cache=True)
def correct(first, last, needed, exps, logs, shares, absent, failed):
    """Correct columns in place: of each, errors e and absent bytes f as long as 2 e + f is at most shares - needed.

    Errors and erasures by Berlekamp and Massey's, Chien's and Forney's algorithms, as in Blahut, Algebraic Codes for
    Data Transmission, 2003, chapter 7.

    Args:
        first, last: columns to work on, the last one not included.
        needed: shares that give back all.
        exps: uint8 (512,), powers of the field's generator.
        logs: int32 (256,), their inverse; that of 0 is not used.
        shares: uint8 (shares, columns).
        absent: bool (shares, columns), whose bytes count for nothing.
        failed: bool (columns,), set where there are too many errors.
    """
    count = len(shares)
    checks = count - needed
    syndromes = np.zeros(checks + 1, np.uint8)
    locator = np.zeros(checks + 2, np.uint8)
    before, spare = np.zeros_like(locator), np.zeros_like(locator)
    evaluator = np.zeros(checks + 1, np.uint8)
    for column in range(first, last):
        syndromes[:] = 0
        gone = 0
        for j in range(count):
            if absent[j, column]:
                gone += 1
                shares[j, column] = 0
            elif shares[j, column]:
                log, step = logs[shares[j, column]], count - 1 - j
                for i in range(checks):
                    syndromes[i] ^= exps[log]
                    log += step
                    if log >= 255:
                        log -= 255
        if gone > checks:
            failed[column] = True
            continue
        wrong = False
        for i in range(checks):
            wrong |= syndromes[i] != 0
        if not wrong:
            continue  # zeros in the absent places are right
        # The locator begins with a factor 1 - X x for each absent place X.
        locator[:] = 0
        locator[0] = 1
        degree = 0
        for j in range(count):
            if absent[j, column]:
                degree += 1
                for i in range(degree, 0, -1):
                    if locator[i - 1]:
                        locator[i] ^= exps[logs[locator[i - 1]] + count - 1 - j]
        before[:] = locator
        length = gone
        for step in range(gone, checks):
            # before = before * x
            for i in range(checks + 1, 0, -1):
                before[i] = before[i - 1]
            before[0] = 0
            discrepancy = np.uint8(0)
            for i in range(min(length, step) + 1):
                if locator[i] and syndromes[step - i]:
                    discrepancy ^= exps[logs[locator[i]] + logs[syndromes[step - i]]]
            if discrepancy:
                spare[:] = locator
                for i in range(checks + 2):
                    if before[i]:
                        locator[i] ^= exps[logs[discrepancy] + logs[before[i]]]
                if 2 * length <= step + gone:
                    length = step + 1 + gone - length
                    for i in range(checks + 2):
                        before[i] = exps[logs[spare[i]] + 255 - logs[discrepancy]] if spare[i] else 0
        if 2 * (length - gone) + gone > checks:
            failed[column] = True
            continue
        # The evaluator: syndromes times locator, up to x^checks.
        for i in range(checks):
            value = np.uint8(0)
            for k in range(min(i, length) + 1):
                if locator[k] and syndromes[i - k]:
                    value ^= exps[logs[locator[k]] + logs[syndromes[i - k]]]
            evaluator[i] = value
        roots = 0
        for j in range(count):
            inverse = (255 - (count - 1 - j)) % 255  # logarithm of 1 / X
            value, slope, log = np.uint8(0), np.uint8(0), 0
            for i in range(length + 1):
                if locator[i]:
                    term = exps[logs[locator[i]] + log]
                    value ^= term
                    if i & 1:
                        slope ^= term
                log += inverse
                if log >= 255:
                    log -= 255
            if value:
                continue
            roots += 1
            total, log = np.uint8(0), 0
            for i in range(checks):
                if evaluator[i]:
                    total ^= exps[logs[evaluator[i]] + log]
                log += inverse
                if log >= 255:
                    log -= 255
            # slope is the locator's derivative times 1 / X.
            if total and slope:
                shares[j, column] ^= exps[logs[total] + 255 - logs[slope]]
        if roots != length:
            failed[column] = True
