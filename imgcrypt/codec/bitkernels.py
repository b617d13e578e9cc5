"""Coefficients' bits into bytes and back, compiled: docs/format.md, section 5.5. Bitplanes calls them."""

from __future__ import annotations

import numpy as np

from imgcrypt.compiled import njit

PLANES = 10
"""Bits of an index."""


@njit(nogil=True, cache=True)
def write(indices, bits, out):
    """The first ``bits`` bits of each index, one after the other; each row begins with a new byte.

    Args:
        indices: uint16 (rows, n), each below 1024.
        bits: uint8 (rows, n), 0 to 10.
        out: uint8, long enough, all 0.
    """
    at = np.uint64(0)
    for row in range(indices.shape[0]):
        kept, count = np.uint64(0), np.uint64(0)
        for i in range(indices.shape[1]):
            more = np.uint64(bits[row, i])
            if more:
                kept = kept << more | np.uint64(indices[row, i]) >> np.uint64(PLANES) - more
                count += more
                while count >= 8:
                    count -= np.uint64(8)
                    out[at] = kept >> count & np.uint64(255)
                    at += np.uint64(1)
        if count:
            out[at] = kept << np.uint64(8) - count & np.uint64(255)
            at += np.uint64(1)


@njit(nogil=True, cache=True)
def read(payload, valid, bits, indices):
    """The inverse of :func:`write`.

    Args:
        payload: uint8, as :func:`write` left it.
        valid: uint8 of its length, 0 where a byte is lost; or of length 0 if none is.
        bits: uint8 (rows, n), how many of each index are there; comes back as how many lie above the first lost one.
        indices: uint16 (rows, n), all 0; the bits that are not there stay 0, lost ones are what the payload has.
    """
    at = np.uint64(0)
    for row in range(indices.shape[0]):
        kept, count = np.uint64(0), np.uint64(0)
        for i in range(indices.shape[1]):
            more = np.uint64(bits[row, i])
            if not more:
                continue
            known = more
            if len(valid):
                # Bits before the first lost byte: those at hand count from byte at - 1.
                if count and not valid[at - np.uint64(1)]:
                    known = np.uint64(0)
                first = count
                byte = at
                while known == more and first < more:
                    if not valid[byte]:
                        known = first
                    first += np.uint64(8)
                    byte += np.uint64(1)
            while count < more:
                kept = kept << np.uint64(8) | np.uint64(payload[at])
                at += np.uint64(1)
                count += np.uint64(8)
            count -= more
            index = kept >> count & (np.uint64(1) << more) - np.uint64(1)
            indices[row, i] = index << np.uint64(PLANES) - more
            bits[row, i] = known
