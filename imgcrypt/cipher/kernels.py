"""The cipher's compiled kernels. docs/format.md, section 4, is their specification.

Every loop is plain so that it can be checked against that text, and ``imgcrypt.cipher.reference`` says
the same in ordinary Python. Floating point uses + - * and sqrt alone, which IEEE 754 rounds exactly:
no libm, no fastmath, no fused multiply-add, hence the same bytes on every machine.

Indices are kept unsigned (``U``) where they are not loop counters: a signed index costs a test for
Python's negative indexing at each access.

All kernels live in this one module because Numba's cache notices changes of a kernel's own file only.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange

from imgcrypt.cipher.layout import (
    BASIS,
    CELL,
    LANES,
    MU,
    OFFSET,
    RADIUS_0,
    RADIUS_1,
    RADIUS_2,
    RADIUS_3,
    ROW_BYTES,
    SEED_WORDS,
    SEGMENT,
    TILE,
    TILES_PER_SEGMENT,
)

U = np.uint64
EVEN_BYTES = U(0x00FF00FF00FF00FF)
EVEN_PAIRS = U(0x0000FFFF0000FFFF)
LOW_HALF = U(0x00000000FFFFFFFF)


@njit(nogil=True, cache=True)
def chaos(seeds, segment, cloud, rows):
    """Rows 0 to ``rows`` - 1 of a segment's keystream.

    Args:
        seeds: uint64 (segments * 512,), the seed stream.
        segment: number of the segment, counted from the start of ``seeds``.
        cloud: float64 (6,): Ex1, Ex2, En1, En2, He1, He2.
        rows: how many rows to make.

    Returns:
        uint64 (rows * 256,).
    """
    ex1, ex2, en1, en2, he1, he2 = cloud[0], cloud[1], cloud[2], cloud[3], cloud[4], cloud[5]
    a, b = np.empty(LANES), np.empty(LANES)
    h1, h2 = np.zeros(LANES), np.zeros(LANES)
    drop1, drop2 = np.empty(LANES), np.empty(LANES)
    a_bits, drop1_bits, drop2_bits = a.view(np.uint64), drop1.view(np.uint64), drop2.view(np.uint64)
    words = np.empty(rows * LANES, np.uint64)
    for lane in range(LANES):
        a[lane] = (np.float64(np.int64(seeds[segment * SEED_WORDS + lane] >> U(12))) + 0.5) * 2.0**-52
        b[lane] = (np.float64(np.int64(seeds[segment * SEED_WORDS + LANES + lane] >> U(12))) + 0.5) * 2.0**-52
    for row in range(rows):
        out = words[row * LANES : (row + 1) * LANES]
        for lane in range(LANES):
            p, q = a[lane], b[lane]
            t = p * (1.0 - p)
            radius = ((RADIUS_3 * q + RADIUS_2) * q + RADIUS_1) * q + RADIUS_0
            g1 = radius * (1.0 - 8.0 * t)
            g2 = radius * (4.0 * math.sqrt(t) * (1.0 - 2.0 * p))
            drop1[lane] = (ex1 + (en1 + he1 * h1[lane]) * g1) + OFFSET
            drop2[lane] = (ex2 + (en2 + he2 * h2[lane]) * g2) + OFFSET
            h1[lane], h2[lane] = g1, g2
            a[lane] = MU * t
            b[lane] = MU * (q * (1.0 - q))
        # A second loop: reading a float's bits through a view would keep the first from vectorizing.
        for lane in range(LANES):
            turned = (drop2_bits[lane] << U(32)) | (drop2_bits[lane] >> U(32))
            out[lane] = (drop1_bits[lane] ^ turned) + a_bits[lane]
    return words


@njit(nogil=True, parallel=True, cache=True)
def keystream(seeds, cloud, rows):
    """The first ``rows`` rows of each segment: uint64 (segments * 512,) -> uint64 (segments, rows * 256)."""
    segments = len(seeds) // SEED_WORDS
    words = np.empty((segments, rows * LANES), np.uint64)
    for segment in prange(segments):
        words[segment] = chaos(seeds, segment, cloud, rows)
    return words


@njit(nogil=True, parallel=True, cache=True)
def decompose(src, dst, seeds, cloud, inverse):
    """Vector decomposition and masking of ``src`` into ``dst``, or their inverse.

    Args:
        src, dst: uint8 (n,), may be the same array.
        seeds: uint64 (ceil(n / 65536) * 512,).
        cloud: float64 (6,).
        inverse: bool.
    """
    for segment in prange((len(src) + SEGMENT - 1) // SEGMENT):
        start = segment * SEGMENT
        length = min(SEGMENT, len(src) - start)
        rows = BASIS // ROW_BYTES + 1 + (length + ROW_BYTES - 1) // ROW_BYTES
        stream = chaos(seeds, segment, cloud, rows).view(np.uint8)
        p = stream[ROW_BYTES : ROW_BYTES + BASIS // 2]
        q = stream[ROW_BYTES + BASIS // 2 : ROW_BYTES + BASIS]
        mask = stream[ROW_BYTES + BASIS :]
        half = length // 2
        # Work space: where src and dst are the same array, writing there would keep the loops from vectorizing.
        new_x, new_y = np.empty(BASIS // 2, np.uint8), np.empty(BASIS // 2, np.uint8)
        for base in range(0, half, BASIS // 2):
            count = min(BASIS // 2, half - base)
            src_x, src_y = src[start + base :][:count], src[start + half + base :][:count]
            dst_x, dst_y = dst[start + base :][:count], dst[start + half + base :][:count]
            mask_x, mask_y = mask[base:][:count], mask[half + base :][:count]
            if inverse:
                for i in range(count):
                    x = np.uint8(src_x[i] ^ mask_x[i])
                    y = np.uint8(np.uint8(src_y[i] ^ mask_y[i]) - np.uint8(q[i] * x))
                    new_y[i] = y
                    new_x[i] = np.uint8(x - np.uint8(p[i] * y))
            else:
                for i in range(count):
                    x = np.uint8(src_x[i] + np.uint8(p[i] * src_y[i]))
                    y = np.uint8(src_y[i] + np.uint8(q[i] * x))
                    new_x[i] = x ^ mask_x[i]
                    new_y[i] = y ^ mask_y[i]
            dst_x[:] = new_x[:count]
            dst_y[:] = new_y[:count]
        if length % 2:
            dst[start + length - 1] = src[start + length - 1] ^ mask[length - 1]


@njit(nogil=True, parallel=True, cache=True)
def scramble(src, dst, seeds, cloud, row_slides, column_slides, inverse):
    """Sliding scrambling of ``src`` into ``dst``, or its inverse.

    Args:
        src, dst: uint8 (n,), different arrays, aligned to 8 bytes.
        seeds: uint64 (ceil(n / 65536) * 512,).
        cloud: float64 (6,).
        row_slides, column_slides: int64, one distance for each row and column of the matrix of cells,
            each less than the length of what it slides.
        inverse: bool.
    """
    size = len(src)
    cells = size // CELL
    columns = len(column_slides)
    src_words = src[: cells * CELL].view(np.uint64)
    dst_words = dst[: cells * CELL].view(np.uint64)
    for segment in prange((size + SEGMENT - 1) // SEGMENT):
        slides = chaos(seeds, segment, cloud, 1).view(np.uint8)
        rows_at, cells_at = np.empty(64, np.uint64), np.empty(64, np.uint64)
        row_turns, cell_turns = np.empty(64, np.uint64), np.empty(64, np.uint64)
        first, second = np.empty(TILE // 8, np.uint64), np.empty(TILE // 8, np.uint64)
        for tile in range(TILES_PER_SEGMENT):
            start = segment * SEGMENT + tile * TILE
            length = min(TILE, size - start)
            if length <= 0:
                break
            row, column = start // CELL // max(columns, 1), start // CELL % max(columns, 1)
            for i in range(min(64, cells - start // CELL)):
                place = _slide_cell(row, column, cells, row_slides, column_slides)
                cells_at[i] = U(place * (CELL // 8))
                rows_at[i] = U(start // 8 + i * (CELL // 8))
                column += 1
                if column == columns:
                    row, column = row + 1, 0
            distances = slides[tile * 128 : tile * 128 + 128]
            if length < TILE:
                _slide_bytes(src, dst, start, length, distances, cells_at, inverse)
                continue
            for i in range(64):
                row_turn, cell_turn = U(distances[i] >> 2), U(distances[64 + i] >> 2)
                if inverse:
                    row_turn, cell_turn = (U(64) - row_turn) & U(63), (U(64) - cell_turn) & U(63)
                row_turns[i], cell_turns[i] = row_turn, cell_turn
            if inverse:
                # Cells lie far apart: copied one right after the other, they are all waited for at once.
                for i in range(64):
                    for word in range(U(8)):
                        second[U(i * 8) + word] = src_words[cells_at[i] + word]
                for i in range(64):
                    _turn(second, U(i * 8), first, U(i * 8), cell_turns[i])
                _transpose(first, second)
                for i in range(64):
                    _turn(second, U(i * 8), dst_words, rows_at[i], row_turns[i])
            else:
                for i in range(64):
                    _turn(src_words, rows_at[i], first, U(i * 8), row_turns[i])
                _transpose(first, second)
                for i in range(64):
                    _turn(second, U(i * 8), dst_words, cells_at[i], cell_turns[i])


@njit(nogil=True, cache=True)
def _slide_cell(row, column, cells, row_slides, column_slides):
    """Where the matrix's slides bring the cell at (row, column): its number."""
    columns = len(column_slides)
    last = len(row_slides) - 1
    last_length = cells - last * columns
    column += row_slides[row]
    length = columns if row < last else last_length
    if column >= length:
        column -= length
    row += column_slides[column]
    height = last + 1 if column < last_length else last
    if row >= height:
        row -= height
    return row * columns + column


@njit(nogil=True, cache=True)
def _slide_bytes(src, dst, start, length, distances, cells_at, inverse):
    """A tile of fewer than 4,096 bytes: the rule of docs/format.md byte by byte."""
    full, rest = length // 64, length % 64
    for i in range(length):
        row, column = i // 64, i % 64
        row_length = 64 if row < full else rest
        column = (column + ((np.int64(distances[row]) * row_length) >> 8)) % row_length
        height = full + 1 if column < rest else full
        row = (row + ((np.int64(distances[64 + column]) * height) >> 8)) % height
        place = column * full + min(column, rest) + row
        if place // CELL < length // CELL:
            place = np.int64(cells_at[place // CELL]) * 8 + place % CELL
        else:
            place += start
        if inverse:
            dst[start + i] = src[place]
        else:
            dst[place] = src[start + i]


@njit(nogil=True, cache=True)
def _turn(src, src_at, dst, dst_at, distance):
    """Copy 64 bytes, held as 8 little-endian words, sliding them up by ``distance`` bytes cyclically."""
    words, bits = distance >> U(3), (distance & U(7)) << U(3)
    for i in range(U(8)):
        upper = src[src_at + ((i - words) & U(7))]
        lower = src[src_at + ((i - words - U(1)) & U(7))]
        # Two shifts, because a shift by all 64 bits is undefined.
        dst[dst_at + i] = (upper << bits) | ((lower >> U(1)) >> (U(63) - bits))


@njit(nogil=True, cache=True)
def _transpose(src, dst):
    """Transpose a matrix of 64 x 64 bytes, held as 512 little-endian words, in blocks of 8 x 8."""
    for i in range(U(8)):
        for j in range(U(8)):
            at = i * U(64) + j
            w0, w1, w2, w3 = src[at], src[at + U(8)], src[at + U(16)], src[at + U(24)]
            w4, w5, w6, w7 = src[at + U(32)], src[at + U(40)], src[at + U(48)], src[at + U(56)]
            w0, w1 = _swap(w0, w1, U(8), EVEN_BYTES)
            w2, w3 = _swap(w2, w3, U(8), EVEN_BYTES)
            w4, w5 = _swap(w4, w5, U(8), EVEN_BYTES)
            w6, w7 = _swap(w6, w7, U(8), EVEN_BYTES)
            w0, w2 = _swap(w0, w2, U(16), EVEN_PAIRS)
            w1, w3 = _swap(w1, w3, U(16), EVEN_PAIRS)
            w4, w6 = _swap(w4, w6, U(16), EVEN_PAIRS)
            w5, w7 = _swap(w5, w7, U(16), EVEN_PAIRS)
            w0, w4 = _swap(w0, w4, U(32), LOW_HALF)
            w1, w5 = _swap(w1, w5, U(32), LOW_HALF)
            w2, w6 = _swap(w2, w6, U(32), LOW_HALF)
            w3, w7 = _swap(w3, w7, U(32), LOW_HALF)
            at = j * U(64) + i
            dst[at], dst[at + U(8)], dst[at + U(16)], dst[at + U(24)] = w0, w1, w2, w3
            dst[at + U(32)], dst[at + U(40)], dst[at + U(48)], dst[at + U(56)] = w4, w5, w6, w7


@njit(nogil=True, cache=True)
def _swap(low, high, bits, mask):
    """Exchange the upper fields of ``low`` with the lower fields of ``high``."""
    difference = ((low >> bits) ^ high) & mask
    return low ^ (difference << bits), high ^ difference
