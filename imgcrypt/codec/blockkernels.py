"""Pictures as coefficients of blocks and back, compiled: docs/format.md, section 5.

Numba's cache notices changes of a kernel's own file only, so nothing but numbers comes from elsewhere.
"""

from __future__ import annotations

import numpy as np

from imgcrypt.compiled import njit

SIDE = 32
"""Of a superblock."""
SMALLEST, LARGEST = 3, 5
"""Logarithms of blocks' sides."""


@njit(nogil=True, cache=True)
def _block(plane, y, x, tall, wide, out):
    """A block of a plane, with zeros up to multiples of 4."""
    for i in range(tall):
        for j in range(wide):
            out[i, j] = plane[y + i, x + j]
        for j in range(wide, wide + 3 & ~3):
            out[i, j] = 0
    for i in range(tall, tall + 3 & ~3):
        for j in range(wide + 3 & ~3):
            out[i, j] = 0


@njit(nogil=True, cache=True)
def _times(down, source, tall, wide, out):
    """out = down @ source of a block, where rows of zeros cost nothing; sides up to multiples of 4 are zeros."""
    for i in range(tall):
        for j in range(wide + 3 & ~3):
            out[i, j] = 0
    for k in range(0, tall, 4):
        some = np.float32(0)
        for j in range(wide):
            some += abs(source[k, j]) + abs(source[k + 1, j]) + abs(source[k + 2, j]) + abs(source[k + 3, j])
        if some == 0:
            continue
        for i in range(tall):
            a, b, c, d = down[i, k], down[i, k + 1], down[i, k + 2], down[i, k + 3]
            for j in range(wide):
                out[i, j] += a * source[k, j] + b * source[k + 1, j] + c * source[k + 2, j] + d * source[k + 3, j]


@njit(nogil=True, cache=True)
def _turn(source, tall, wide, down, along, middle, out):
    """down @ source @ along of a block, where rows of zeros cost nothing."""
    _times(down, source, tall, wide, middle)
    last = 0
    for i in range(tall):
        for k in range(last, wide):
            if middle[i, k] != 0:
                last = k + 1
    for i in range(tall):
        for j in range(wide):
            out[i, j] = 0
        for k in range(0, last, 4):
            a, b, c, d = middle[i, k], middle[i, k + 1], middle[i, k + 2], middle[i, k + 3]
            for j in range(wide):
                out[i, j] += a * along[k, j] + b * along[k + 1, j] + c * along[k + 2, j] + d * along[k + 3, j]


@njit(nogil=True, cache=True)
def analyse(planes, first, last, inverse_step, price, fixed, curve, cosines, transposed, sides, coefficients):
    """Choose blocks' sides in some rows of superblocks, by the first plane alone, and transform these blocks.

    Args:
        planes: float32 (C, H, W).
        first, last: rows of superblocks.
        inverse_step: 1 / the quantizer's step.
        price: of a bit, in squares of the step.
        fixed: bits of a block by itself, in all planes.
        curve: float32 (n,): what a coefficient costs by 16 times its magnitude in steps, errors and bits at this price.
        cosines: float32 (33, 32, 32), the transform by number of samples; transposed: each one's transpose.
        sides: uint8 (ceil(H / 8), ceil(W / 8)), written.
        coefficients: float32 (C, H, W), written.
    """
    count, height, width = planes.shape
    found = np.empty((3, SIDE, SIDE), np.float32)
    middle, source = np.zeros((SIDE, SIDE), np.float32), np.zeros((SIDE, SIDE), np.float32)
    out = np.empty((SIDE, SIDE), np.float32)
    costs = np.empty((3, 4, 4), np.float32)
    scale = np.float32(16 * inverse_step)
    most = len(curve) - 1
    for top in range(first, last):
        for start in range(-(-width // SIDE)):
            y0, x0 = top * SIDE, start * SIDE
            for i in range(4):
                for j in range(4):
                    costs[0, i, j] = costs[1, i, j] = costs[2, i, j] = 0
            for size in range(SMALLEST, LARGEST + 1):
                side = 1 << size
                for a in range(SIDE // side):
                    for b in range(SIDE // side):
                        y, x = y0 + a * side, x0 + b * side
                        if y >= height or x >= width:
                            continue
                        tall, wide = min(side, height - y), min(side, width - x)
                        _block(planes[0], y, x, tall, wide, source)
                        _turn(source, tall, wide, cosines[tall], transposed[wide], middle, out)
                        total = np.float32(price * fixed) - curve[min(np.int64(abs(out[0, 0]) * scale), most)]
                        for i in range(tall):
                            for j in range(wide):
                                found[size - SMALLEST, a * side + i, b * side + j] = out[i, j]
                                total += curve[min(np.int64(abs(out[i, j]) * scale), most)]
                        costs[size - SMALLEST, a, b] = total
            # From the smallest blocks up.
            whole = np.float32(0)
            for a in range(2):
                for b in range(2):
                    y, x = y0 + 16 * a, x0 + 16 * b
                    if y >= height or x >= width:
                        continue
                    parts = (
                        costs[0, 2 * a, 2 * b] + costs[0, 2 * a, 2 * b + 1]
                        + costs[0, 2 * a + 1, 2 * b] + costs[0, 2 * a + 1, 2 * b + 1]
                    )  # fmt: skip
                    size = 4 if costs[1, a, b] <= parts else 3
                    whole += min(parts, costs[1, a, b])
                    for row in range(y >> 3, min((y >> 3) + 2, sides.shape[0])):
                        for column in range(x >> 3, min((x >> 3) + 2, sides.shape[1])):
                            sides[row, column] = size
            rows, columns = min(4, sides.shape[0] - (y0 >> 3)), min(4, sides.shape[1] - (x0 >> 3))
            here = sides[y0 >> 3 : (y0 >> 3) + rows, x0 >> 3 : (x0 >> 3) + columns]
            if costs[2, 0, 0] <= whole:
                here[:, :] = 5
            for row in range(rows):
                for column in range(columns):
                    size = np.int64(here[row, column])
                    cells = 1 << size - SMALLEST
                    if row % cells or column % cells:
                        continue
                    y, x = y0 + 8 * row, x0 + 8 * column
                    tall, wide = min(8 * cells, height - y), min(8 * cells, width - x)
                    for i in range(tall):
                        for j in range(wide):
                            coefficients[0, y + i, x + j] = found[size - SMALLEST, 8 * row + i, 8 * column + j]
                    for plane in range(1, count):
                        _block(planes[plane], y, x, tall, wide, source)
                        _turn(source, tall, wide, cosines[tall], transposed[wide], middle, out)
                        for i in range(tall):
                            for j in range(wide):
                                coefficients[plane, y + i, x + j] = out[i, j]


@njit(nogil=True, cache=True)
def synthesize(values, sides, first, last, less, unit, cosines, transposed, planes):
    """The planes of blocks' integers, in some rows of superblocks.

    Args:
        values: int32 (C, H, W).
        sides, first, last, cosines, transposed: as in :func:`analyse`.
        less: float32 (4,): how much smaller than its integer a coefficient is expected to be, by magnitude.
        unit: of the integers, in gray levels, float32.
        planes: float32 (C, H, W), written.
    """
    count, height, width = planes.shape
    middle, source = np.zeros((SIDE, SIDE), np.float32), np.zeros((SIDE, SIDE), np.float32)
    out = np.empty((SIDE, SIDE), np.float32)
    for row in range(first * 4, min(last * 4, sides.shape[0])):
        for column in range(sides.shape[1]):
            size = np.int64(sides[row, column])
            cells = 1 << size - 3
            if row % cells or column % cells:
                continue
            y, x = 8 * row, 8 * column
            tall, wide = min(8 * cells, height - y), min(8 * cells, width - x)
            for plane in range(count):
                _block(values[plane], y, x, tall, wide, source)
                for i in range(tall):
                    for j in range(wide):
                        found = source[i, j]
                        shrink = less[min(np.int64(abs(found)), 3)]
                        source[i, j] = (found - shrink if found > 0 else found + shrink) * unit
                _turn(source, tall, wide, transposed[tall], cosines[wide], middle, out)
                for i in range(tall):
                    for j in range(wide):
                        planes[plane, y + i, x + j] = out[i, j]


@njit(nogil=True, cache=True)
def separate(colors, rotation, first, last, planes):
    """Rotate samples' colors into planes, in some rows of superblocks.

    Args:
        colors: uint8 (H, W, C).
        rotation: float32 (C, C).
        first, last: as in :func:`analyse`.
        planes: float32 (C, H, W), written.
    """
    count, height, width = planes.shape
    for y in range(first * SIDE, min(last * SIDE, height)):
        for plane in range(count):
            if count == 1:
                for x in range(width):
                    planes[0, y, x] = np.float32(colors[y, x, 0]) - np.float32(128)
            else:
                a, b, c = rotation[plane, 0], rotation[plane, 1], rotation[plane, 2]
                middle = np.float32(128) * (a + b + c)
                for x in range(width):
                    planes[plane, y, x] = a * colors[y, x, 0] + b * colors[y, x, 1] + c * colors[y, x, 2] - middle
