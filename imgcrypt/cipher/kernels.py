"""The cipher's compiled kernels. docs/format.md, section 4, is their specification.

Every loop is plain so that it can be checked against that text, and ``imgcrypt.cipher.reference`` says
the same in ordinary Python. Floating point uses + - * and sqrt alone, which IEEE 754 rounds exactly:
no libm, no fastmath, no fused multiply-add, hence the same bytes on every machine.

A message passes two kernels in either direction. Each writes its bytes in order; the second reads them cell by cell
from where the coarse round of scrambling has them, because reads from all over the memory wait for each other less
than writes do.

Indices are kept unsigned (``U``) where they are not loop counters: a signed index costs a test for
Python's negative indexing at each access, and keeps loops from being vectorized.

A kernel that works on many segments has three parts: what is done to one segment, a serial loop over a range of
them, and Numba's parallel loop over all. imgcrypt.cipher.sharing chooses between the loops.
"""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from imgcrypt.cipher.bits import to_bits, to_float
from imgcrypt.cipher.layout import (
    BATCH,
    BLOCK,
    CELL,
    FEEDBACK,
    FEEDBACK_TURN,
    LANES,
    MOST_ROWS,
    MU,
    OFFSET,
    RADIUS_0,
    RADIUS_1,
    RADIUS_2,
    RADIUS_3,
    ROW_BYTES,
    SEED_WORDS,
    SEGMENT,
)
from imgcrypt.cipher.prefetch import fetch
from imgcrypt.compiled import njit

U = np.uint64
CELL_WORDS = U(CELL // 8)
A, B, H1, H2 = range(4)
"""Rows of a segment's state: the two Logistic maps of each lane, and the last vector."""
MOVED = U(FEEDBACK)
TURN = U(FEEDBACK_TURN)
STRIP = 256
"""Columns that slide together: as many as let two copies of MOST_ROWS rows of them stay in the first cache."""


@njit(nogil=True, cache=True)
def _seed(seeds, segment):
    """The state at the start of a segment: float64 (4, 256)."""
    state = np.empty((4, LANES))
    at = U(segment * SEED_WORDS)
    for lane in range(U(LANES)):
        state[A, lane] = (np.float64(np.int64(seeds[at + lane] >> U(12))) + 0.5) * 2.0**-52
        state[H1, lane] = 2.0 - 4.0 * state[A, lane]
    for lane in range(U(LANES)):
        state[B, lane] = (np.float64(np.int64(seeds[at + U(LANES) + lane] >> U(12))) + 0.5) * 2.0**-52
        state[H2, lane] = 2.0 - 4.0 * state[B, lane]
    return state


@njit(nogil=True, cache=True)
def _row(state, cloud, out):
    """Make the next row of a segment's keystream, uint64 (256,), and advance its state."""
    ex1, ex2, en1, en2, he1, he2 = cloud[0], cloud[1], cloud[2], cloud[3], cloud[4], cloud[5]
    for lane in range(U(LANES)):
        p, q = state[A, lane], state[B, lane]
        t = p * (1.0 - p)
        radius = ((RADIUS_3 * q + RADIUS_2) * q + RADIUS_1) * q + RADIUS_0
        g1 = radius * (1.0 - 8.0 * t)
        g2 = radius * (4.0 * math.sqrt(t) * (1.0 - 2.0 * p))
        drop1 = ex1 + (en1 + he1 * state[H1, lane]) * g1
        drop2 = ex2 + (en2 + he2 * state[H2, lane]) * g2
        state[H1, lane], state[H2, lane] = g1, g2
        fine1, fine2 = to_bits(drop1), to_bits(drop2)
        a = to_bits(MU * t) ^ ((fine1 ^ (fine2 << TURN)) & MOVED)
        b = to_bits(MU * (q * (1.0 - q))) ^ ((fine2 ^ (fine1 << TURN)) & MOVED)
        state[A, lane], state[B, lane] = to_float(a), to_float(b)
        word1, word2 = to_bits(drop1 + OFFSET), to_bits(drop2 + OFFSET)
        out[lane] = (word1 ^ ((word2 << U(32)) | (word2 >> U(32)))) + a


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
    state = _seed(seeds, segment)
    words = np.empty(rows * LANES, np.uint64)
    for row in range(rows):
        _row(state, cloud, words[row * LANES :][:LANES])
    return words


@njit(nogil=True, cache=True)
def keystream_serial(first, stop, seeds, cloud, rows, words):
    """As :func:`keystream`, for the segments from ``first`` up to ``stop``."""
    for segment in range(first, stop):
        words[segment] = chaos(seeds, segment, cloud, rows)


@njit(nogil=True, parallel=True, cache=True)
def keystream(seeds, cloud, rows, words):
    """The first ``rows`` rows of each segment's keystream.

    Args:
        seeds: uint64 (segments * 512,).
        cloud: float64 (6,).
        rows: how many rows to make.
        words: uint64 (segments, rows * 256), written to.
    """
    for segment in prange(len(words)):
        words[segment] = chaos(seeds, np.int64(segment), cloud, rows)


@njit(nogil=True, cache=True)
def _scramble_segment(segment, src, dst, seeds, cloud, row_slides, column_slides, inverse):
    """What :func:`scramble` does to one segment."""
    start = segment * SEGMENT
    length = min(SEGMENT, len(src) - start)
    width = 1
    while MOST_ROWS * width < length:
        width *= 2
    state, words = _seed(seeds, segment), np.empty(LANES, np.uint64)
    distances = words.view(np.uint8)
    before, after = np.empty(SEGMENT, np.uint8), dst[start : start + length]
    if inverse:
        places = np.empty(SEGMENT // CELL, np.uint64)
        count = _find(src, start, length, places, row_slides, column_slides, inverse)
        # The memory has the time that the row takes to bring the cells.
        _row(state, cloud, words)
        _gather(src, start, length, places, count, before)
        after = np.empty(SEGMENT, np.uint8)
    else:
        _row(state, cloud, words)
        _slide_rows(src[start : start + length], before, length, width, distances, inverse)
    _slide_columns(before, after, length, width, distances, inverse)
    if inverse:
        _slide_rows(after, dst[start : start + length], length, width, distances, inverse)


@njit(nogil=True, cache=True)
def scramble_serial(first, stop, src, dst, seeds, cloud, row_slides, column_slides, inverse):
    """As :func:`scramble`, for the segments from ``first`` up to ``stop``."""
    for segment in range(first, stop):
        _scramble_segment(segment, src, dst, seeds, cloud, row_slides, column_slides, inverse)


@njit(nogil=True, parallel=True, cache=True)
def scramble(src, dst, seeds, cloud, row_slides, column_slides, inverse):
    """The fine round of scrambling; or, of what :func:`decompose` undid, the inverse of both rounds.

    Args:
        src, dst: uint8 (n,), different arrays, ``src`` aligned to 8 bytes for the inverse.
        seeds: uint64 (ceil(n / 65536) * 512,).
        cloud: float64 (6,).
        row_slides, column_slides: int64, the coarse round's distances: one for each row and column of the matrix of
            cells, each less than the length of what it slides.
        inverse: bool.
    """
    for segment in prange((len(src) + SEGMENT - 1) // SEGMENT):
        _scramble_segment(np.int64(segment), src, dst, seeds, cloud, row_slides, column_slides, inverse)


@njit(nogil=True, cache=True)
def _decompose_segment(segment, src, dst, seeds, cloud, row_slides, column_slides, inverse):
    """What :func:`decompose` does to one segment."""
    state = _seed(seeds, segment)
    words = np.empty(4 * LANES, np.uint64)
    stream = words.view(np.uint8)
    p, q, mask = stream[:ROW_BYTES], stream[ROW_BYTES : 2 * ROW_BYTES], stream[2 * ROW_BYTES :]
    # Row 0, which scrambling uses, comes first and goes.
    for row in (0, 0, 1):
        _row(state, cloud, words[row * LANES :][:LANES])
    batch, places = np.empty(BATCH, np.uint8), np.empty(BATCH // CELL, np.uint64)
    end = min((segment + 1) * SEGMENT, len(src))
    for start in range(segment * SEGMENT, end, BATCH):
        length = min(BATCH, end - start)
        count = 0
        if not inverse:
            count = _find(src, start, length, places, row_slides, column_slides, inverse)
        for row in (2, 3):
            _row(state, cloud, words[row * LANES :][:LANES])
        _gather(src, start, length, places, count, batch)
        for at in range(0, length, BLOCK):
            block = min(BLOCK, length - at)
            half = U(block // 2)
            x, y, to, vector = U(at), U(at) + half, U(start + at), U(at // 2)
            if inverse:
                for i in range(half):
                    u = np.uint8(batch[x + i] ^ mask[x + i])
                    v = np.uint8(np.uint8(batch[y + i] ^ mask[y + i]) - np.uint8(q[vector + i] * u))
                    dst[to + half + i] = v
                    dst[to + i] = np.uint8(u - np.uint8(p[vector + i] * v))
            else:
                for i in range(half):
                    u = np.uint8(batch[x + i] + np.uint8(p[vector + i] * batch[y + i]))
                    v = np.uint8(batch[y + i] + np.uint8(q[vector + i] * u))
                    dst[to + i] = u ^ mask[x + i]
                    dst[to + half + i] = v ^ mask[y + i]
            if block % 2:
                last = U(at + block - 1)
                dst[U(start) + last] = batch[last] ^ mask[last]


@njit(nogil=True, cache=True)
def decompose_serial(first, stop, src, dst, seeds, cloud, row_slides, column_slides, inverse):
    """As :func:`decompose`, for the segments from ``first`` up to ``stop``."""
    for segment in range(first, stop):
        _decompose_segment(segment, src, dst, seeds, cloud, row_slides, column_slides, inverse)


@njit(nogil=True, parallel=True, cache=True)
def decompose(src, dst, seeds, cloud, row_slides, column_slides, inverse):
    """The coarse round of scrambling, vector decomposition and masking; or the inverse of the last two.

    Args:
        src, dst: uint8 (n,), different arrays, ``src`` aligned to 8 bytes; for the inverse any, or the same.
        seeds: uint64 (ceil(n / 65536) * 512,).
        cloud: float64 (6,).
        row_slides, column_slides: as for :func:`scramble`.
        inverse: bool.
    """
    for segment in prange((len(src) + SEGMENT - 1) // SEGMENT):
        _decompose_segment(np.int64(segment), src, dst, seeds, cloud, row_slides, column_slides, inverse)


@njit(nogil=True, cache=True)
def coarse(cells, row_slides, column_slides):
    """The number of the cell that the coarse round brings to each place: int64 (cells,)."""
    columns = max(len(column_slides), 1)
    sources = np.empty(cells, np.int64)
    for cell in range(cells):
        sources[cell] = _source(cell // columns, cell % columns, cells, row_slides, column_slides)
    return sources


@njit(nogil=True, cache=True)
def _find(src, start, length, places, row_slides, column_slides, inverse):
    """Where the cells of bytes ``start`` to ``start + length`` - 1 lie in ``src`` before the coarse round, or after it.

    Asks the memory for them and writes their places, in words, to ``places``; returns how many they are.
    """
    cells = len(src) // CELL
    count = max(0, min(length, cells * CELL - start)) // CELL
    columns = max(len(column_slides), 1)
    row, column = start // CELL // columns, start // CELL % columns
    for i in range(U(count)):
        if inverse:
            cell = _target(row, column, cells, row_slides, column_slides)
        else:
            cell = _source(row, column, cells, row_slides, column_slides)
        places[i] = U(cell) * CELL_WORDS
        fetch(src, U(cell) * U(CELL))
        column += 1
        if column == columns:
            row, column = row + 1, 0
    return count


@njit(nogil=True, cache=True)
def _gather(src, start, length, places, count, out):
    """Copy ``count`` cells from their places to ``out``, and then the bytes from ``start`` on, to ``length`` in all."""
    src_words, out_words = src[: len(src) // CELL * CELL].view(np.uint64), out.view(np.uint64)
    for i in range(U(count)):
        at, to = places[i], i * CELL_WORDS
        # All is read before anything is written: else each word would wait for the one before.
        w0, w1, w2, w3 = src_words[at], src_words[at + U(1)], src_words[at + U(2)], src_words[at + U(3)]
        w4, w5, w6, w7 = src_words[at + U(4)], src_words[at + U(5)], src_words[at + U(6)], src_words[at + U(7)]
        out_words[to], out_words[to + U(1)], out_words[to + U(2)], out_words[to + U(3)] = w0, w1, w2, w3
        out_words[to + U(4)], out_words[to + U(5)], out_words[to + U(6)], out_words[to + U(7)] = w4, w5, w6, w7
    _copy(src, U(start + count * CELL), out, U(count * CELL), length - count * CELL)


@njit(nogil=True, cache=True)
def _source(row, column, cells, row_slides, column_slides):
    """The number of the cell that the coarse round brings to (row, column)."""
    columns = len(column_slides)
    last = len(row_slides) - 1
    last_length = cells - last * columns
    height = last + 1 if column < last_length else last
    row -= column_slides[U(column)]
    if row < 0:
        row += height
    length = columns if row < last else last_length
    column -= row_slides[U(row)]
    if column < 0:
        column += length
    return row * columns + column


@njit(nogil=True, cache=True)
def _target(row, column, cells, row_slides, column_slides):
    """The number of the cell to which the coarse round brings the one at (row, column)."""
    columns = len(column_slides)
    last = len(row_slides) - 1
    last_length = cells - last * columns
    column += row_slides[U(row)]
    length = columns if row < last else last_length
    if column >= length:
        column -= length
    row += column_slides[U(column)]
    height = last + 1 if column < last_length else last
    if row >= height:
        row -= height
    return row * columns + column


@njit(nogil=True, cache=True)
def _slide_rows(src, dst, length, width, distances, inverse):
    """Slide the rows of a segment's matrix of ``width`` columns to the right, or back."""
    for row in range((length + width - 1) // width):
        at = row * width
        across = min(width, length - at)
        drawn = np.int64(distances[width + 2 * row]) + 256 * np.int64(distances[width + 2 * row + 1])
        right = drawn * across >> 16
        if inverse:
            right = across - right
        _copy(src, U(at), dst, U(at + right), across - right)
        _copy(src, U(at + across - right), dst, U(at), right)


@njit(nogil=True, cache=True)
def _slide_columns(src, dst, length, width, distances, inverse):
    """Slide the columns of a segment's matrix of ``width`` columns downwards, or back.

    A column slides by the powers of two that make up its distance, and many columns at once: where a power is not among
    a column's, its mask is 0 and it stays. Two powers take one pass.
    """
    full, rest = length // width, length % width
    masks = np.empty((6, width), np.uint8)
    for column in range(width):
        height = full + 1 if column < rest else full
        down = np.int64(distances[column]) * height >> 8
        if inverse and down:
            down = height - down
        for power in range(6):
            masks[power, column] = np.uint8(0) - np.uint8(down >> power & 1)
    one, two = np.empty(MOST_ROWS * STRIP, np.uint8), np.empty(MOST_ROWS * STRIP, np.uint8)
    first = 0
    while first < width:
        # Columns of a strip are of one height.
        height, bound = (full + 1, rest) if first < rest else (full, width)
        strip = min(STRIP, bound - first)
        given, given_width, made, made_width = src[first:], width, one, strip
        for power in range(0, 6, 2):
            if power == 4:
                made, made_width = dst[first:], width
            low, high = masks[power, first : first + strip], masks[power + 1, first : first + strip]
            _slide(given, given_width, made, made_width, height, low, high, 1 << power)
            given, given_width, made = made, strip, two
        first += strip


@njit(nogil=True, cache=True)
def _slide(src, src_width, dst, dst_width, height, low, high, step):
    """Slide columns down by ``step`` where the mask ``low`` has ones, and by twice that where ``high`` has."""
    for row in range(height):
        up1 = row - step
        while up1 < 0:
            up1 += height
        up2 = up1 - step
        while up2 < 0:
            up2 += height
        up3 = up2 - step
        while up3 < 0:
            up3 += height
        at0, at1, at2, at3 = U(row * src_width), U(up1 * src_width), U(up2 * src_width), U(up3 * src_width)
        to = U(row * dst_width)
        for i in range(U(len(low))):
            near = src[at0 + i] ^ ((src[at0 + i] ^ src[at1 + i]) & low[i])
            far = src[at2 + i] ^ ((src[at2 + i] ^ src[at3 + i]) & low[i])
            dst[to + i] = near ^ ((near ^ far) & high[i])


@njit(nogil=True, cache=True)
def _copy(src, src_at, dst, dst_at, length):
    """Copy ``length`` bytes."""
    for i in range(U(length)):
        dst[dst_at + i] = src[src_at + i]
