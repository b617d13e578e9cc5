"""The cipher in plain Python, byte for byte what the kernels do, for reading and for tests.

It follows docs/format.md, section 4, step by step and shares nothing with the kernels but the constants.
It takes seconds for a megabyte.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator

from imgcrypt.cipher.layout import (
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

MASK64 = 2**64 - 1
Cloud = tuple[float, float, float, float, float, float]
Slide = Callable[[int, int], int]
"""From the number of a row or column, and its length, to how far it slides."""


def rows(seeds: bytes, cloud: Cloud) -> Iterator[bytes]:
    """The keystream rows (2,048 bytes each) of the segment that begins with ``seeds`` (4,096 bytes)."""
    words = struct.unpack(f"<{SEED_WORDS}Q", seeds)
    states = [((word >> 12) + 0.5) * 2.0**-52 for word in words]
    a, b = states[:LANES], states[LANES:]
    h1, h2 = [2.0 - 4.0 * state for state in a], [2.0 - 4.0 * state for state in b]
    ex1, ex2, en1, en2, he1, he2 = cloud
    while True:
        out = []
        for lane in range(LANES):
            p, q = a[lane], b[lane]
            t = p * (1.0 - p)
            radius = ((RADIUS_3 * q + RADIUS_2) * q + RADIUS_1) * q + RADIUS_0
            g1 = radius * (1.0 - 8.0 * t)
            g2 = radius * (4.0 * math.sqrt(t) * (1.0 - 2.0 * p))
            drop1 = ex1 + (en1 + he1 * h1[lane]) * g1
            drop2 = ex2 + (en2 + he2 * h2[lane]) * g2
            h1[lane], h2[lane] = g1, g2
            fine1, fine2 = float_bits(drop1), float_bits(drop2)
            state1 = float_bits(MU * t) ^ ((fine1 ^ (fine2 << FEEDBACK_TURN)) & FEEDBACK)
            state2 = float_bits(MU * (q * (1.0 - q))) ^ ((fine2 ^ (fine1 << FEEDBACK_TURN)) & FEEDBACK)
            a[lane], b[lane] = bits_float(state1), bits_float(state2)
            word1, word2 = float_bits(drop1 + OFFSET), float_bits(drop2 + OFFSET)
            turned = (word2 << 32 | word2 >> 32) & MASK64
            out.append(((word1 ^ turned) + state1) & MASK64)
        yield struct.pack(f"<{LANES}Q", *out)


def float_bits(value: float) -> int:
    """The 64 bits of an IEEE 754 double as an integer."""
    bits: int = struct.unpack("<Q", struct.pack("<d", value))[0]
    return bits


def bits_float(bits: int) -> float:
    """The IEEE 754 double of 64 bits."""
    value: float = struct.unpack("<d", struct.pack("<Q", bits))[0]
    return value


def segment_stream(seeds: bytes, cloud: Cloud, count: int) -> bytes:
    """The first ``count`` rows of a segment."""
    stream = rows(seeds, cloud)
    return b"".join(next(stream) for _ in range(count))


def decompose(data: bytes, seeds: bytes, cloud: Cloud, inverse: bool) -> bytes:
    """Vector decomposition and masking (or back) of ``data`` with the seed stream ``seeds``."""
    out = bytearray()
    for start in range(0, len(data), SEGMENT):
        part = bytearray(data[start : start + SEGMENT])
        segment = start // SEGMENT
        stream = segment_stream(seeds[segment * 4096 : (segment + 1) * 4096], cloud, 3 + -(-len(part) // ROW_BYTES))
        basis, mask = stream[ROW_BYTES : 3 * ROW_BYTES], stream[3 * ROW_BYTES :]
        if inverse:
            part = bytearray(value ^ mask[i] for i, value in enumerate(part))
        for block in range(0, len(part), BLOCK):
            half = min(BLOCK, len(part) - block) // 2
            for i in range(half):
                vector = (block // 2 + i) % ROW_BYTES
                p, q = basis[vector], basis[ROW_BYTES + vector]
                x, y = part[block + i], part[block + half + i]
                if inverse:
                    y = (y - q * x) % 256
                    x = (x - p * y) % 256
                else:
                    x = (x + p * y) % 256
                    y = (y + q * x) % 256
                part[block + i], part[block + half + i] = x, y
        if not inverse:
            part = bytearray(value ^ mask[i] for i, value in enumerate(part))
        out += part
    return bytes(out)


def scramble(
    data: bytes, seeds: bytes, cloud: Cloud, row_slides: list[int], column_slides: list[int], inverse: bool
) -> bytes:
    """Sliding scrambling (or back): the fine round inside segments, then the coarse round of cells."""
    places = fine_places(len(data), seeds, cloud)
    cell_places = coarse_places(len(data) // CELL, row_slides, column_slides)
    out = bytearray(len(data))
    for i, place in enumerate(places):
        if place // CELL < len(cell_places):
            place = cell_places[place // CELL] * CELL + place % CELL
        if inverse:
            out[i] = data[place]
        else:
            out[place] = data[i]
    return bytes(out)


def fine_places(size: int, seeds: bytes, cloud: Cloud) -> list[int]:
    """Where the fine round brings each byte."""
    places = []
    for start in range(0, size, SEGMENT):
        length = min(SEGMENT, size - start)
        columns = 1
        while MOST_ROWS * columns < length:
            columns *= 2
        distances = segment_stream(seeds[start // SEGMENT * 4096 :][:4096], cloud, 1)
        rights = struct.unpack_from(f"<{-(-length // columns)}H", distances, columns)

        def row_slide(row: int, across: int, rights: tuple[int, ...] = rights) -> int:
            return rights[row] * across >> 16

        def column_slide(column: int, down: int, distances: bytes = distances) -> int:
            return distances[column] * down >> 8

        for i in range(length):
            row, column = slide_in_matrix(i, length, columns, row_slide, column_slide)
            places.append(start + row * columns + column)
    return places


def coarse_places(cells: int, row_slides: list[int], column_slides: list[int]) -> list[int]:
    """Where the coarse round brings each cell."""
    columns = len(column_slides)
    places = []
    for i in range(cells):
        row, column = slide_in_matrix(
            i, cells, columns, lambda row, _: row_slides[row], lambda column, _: column_slides[column]
        )
        places.append(row * columns + column)
    return places


def slide_in_matrix(i: int, size: int, columns: int, row_slide: Slide, column_slide: Slide) -> tuple[int, int]:
    """Slide element ``i`` of a matrix filled row by row (its last row may be short): its new row and column."""
    row, column = divmod(i, columns)
    across = min(columns, size - row * columns)
    column = (column + row_slide(row, across)) % across
    down = height(size, columns, column)
    return (row + column_slide(column, down)) % down, column


def height(size: int, columns: int, column: int) -> int:
    """Elements in a column of a matrix filled row by row."""
    return size // columns + (column < size % columns)
