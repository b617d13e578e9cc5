"""A picture's samples as layers of bytes and back: docs/format.md, section 5.

The samples are turned into planes of color, these into coefficients of blocks, these into integers of a step's size,
and the integers into layers: each makes all coefficients known to one or more bits below the layer before it. The
transform is orthonormal, so the error of the coefficients is the picture's.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
import struct
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from imgcrypt import compiled, loading, threads
from imgcrypt.codec import tables
from imgcrypt.errors import DamagedError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Integers = NDArray[np.int32]
    Bytes = NDArray[np.uint8]

SIDE = 32
"""Of a superblock."""
CELL = 8
"""Side of the smallest blocks."""
STEPS = 128
"""Step codes to an octave; code 0 is a step of 1/16 gray level."""
PRICE = 0.085
"""Of a bit, in squares of the step: the slope of error over rate of a uniform quantizer is 0.116 at high rates."""
TRIM = 0.85
"""In steps: smaller coefficients do not widen their block's extent."""
FLOOR = 2.0
"""Bits that all coefficients of a block but the first must be worth together."""
BLOCK = 7.0
"""Bits of a block by itself, in each plane."""
DENSEST = 2048
"""Superblocks to a byte of the first layer, at most: each has decisions that cost 1/700 of a bit at least."""
STRIPE = 1 << 19
"""Samples of a stripe, about: the least that is coded on its own."""
SHRINK = np.array([0.0, 0.05, 0.02, 0.01], np.float32)
"""How much smaller than its integer a coefficient is expected to be, by magnitude, in steps."""
ROTATION = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]], np.float32)
ROTATION /= np.sqrt((ROTATION**2).sum(1, keepdims=True))
"""Of colors. Gray is the first axis: photographs whose chroma was subsampled have no fine detail in the other two."""


@dataclasses.dataclass(frozen=True, eq=False)
class Coefficients:
    """A picture as integers.

    ``values``: int32 (C, H, W), of blocks in their places. ``sides``: uint8 (ceil(H / 8), ceil(W / 8)), logarithms of
    the blocks' sides. ``step``: its code. ``open``: low bits of magnitudes that are not known, 0 in a whole picture.
    ``bits``: about how many one layer of them takes, 0 where they come from layers.
    """

    values: Integers
    sides: Bytes
    step: int
    open: int = 0
    bits: float = 0.0


def size(code: int) -> float:
    """The step in gray levels of a step code."""
    return float(2.0 ** (code / STEPS - 4))


def step_code(step: float) -> int:
    """The nearest step code, from 0 to 2047."""
    return min(max(round((math.log2(step) + 4) * STEPS), 0), 2047)


def planes(colors: Bytes) -> Floats:
    """Samples uint8 (H, W, C), C 1 or 3, as rotated planes: float32 (C, H, W)."""
    found = np.empty((colors.shape[2], *colors.shape[:2]), np.float32)
    colors = np.ascontiguousarray(colors)
    _rows(lambda first, last: compiled.call(_blocks().separate, colors, ROTATION, first, last, found), found.shape)
    return found


def colors(planes: Floats) -> Bytes:
    """The inverse of :func:`planes`, rounded and clipped: uint8 (H, W, C)."""
    flat = planes.reshape(planes.shape[0], -1).T
    if planes.shape[0] == 3:
        flat = flat @ ROTATION
    values: Bytes = np.clip(flat + np.float32(128.5), 0, 255.5).astype(np.uint8)
    return values.reshape(*planes.shape[1:], planes.shape[0])


def transform(planes: Floats, code: int, price: float = PRICE) -> tuple[Floats, Bytes]:
    """Coefficients float32 (C, H, W) of blocks whose sides suit the first plane at this step, and these sides."""
    _, height, width = planes.shape
    sides = np.empty((-(-height // 8), -(-width // 8)), np.uint8)
    coefficients = np.empty_like(planes)
    cosines, transposed = _cosines()
    arguments = (1 / size(code), price, BLOCK * len(planes), _curve(price), cosines, transposed, sides, coefficients)
    _rows(lambda first, last: compiled.call(_blocks().analyse, planes, first, last, *arguments), planes.shape)
    return coefficients, sides


def inverse(known: Coefficients) -> Floats:
    """The planes that are to be expected of coefficients, float32 (C, H, W)."""
    planes = np.empty(known.values.shape, np.float32)
    # In the middle of what may be, a little towards 0.
    less = np.array([0, -0.45, -0.45, -0.45], np.float32) if known.open else SHRINK
    arguments = less, np.float32(size(known.step) * (1 << known.open)), *_cosines(), planes
    _rows(
        lambda first, last: compiled.call(_blocks().synthesize, known.values, known.sides, first, last, *arguments),
        planes.shape,
    )
    return planes


def quantize(coefficients: Floats, sides: Bytes, code: int, price: float = PRICE, stripe: int = STRIPE) -> Coefficients:
    """The integers that say most for their bytes at this step; ``stripe`` as in :func:`encode`."""
    values = np.empty(coefficients.shape, np.int32)
    held = tables.load()
    spent = [0.0] * len(stripes(values.shape, stripe))

    def part(i: int, top: int, bottom: int) -> None:
        spent[i] = compiled.call(
            _kernels().quantize, coefficients, top, bottom, np.float32(1 / size(code)), _cells(sides, top, bottom),
            held.logits, held.zones, held.levels, price, TRIM, FLOOR, BLOCK, values,
        )  # fmt: skip

    _stripes(part, values.shape, stripe)
    return Coefficients(values, sides, code, bits=sum(spent) / price)


def doubt(known: Coefficients) -> Floats:
    """How far samples are expected to be from those of :func:`inverse`, in gray levels: float32, by 8 x 8 of them,
    (C, ceil(H / 8), ceil(W / 8))."""
    held = tables.load()
    error = np.empty((len(known.values), *known.sides.shape), np.float32)
    nothing, none = np.empty((0, 0, 0), np.float32), np.empty(0)

    def stripe(_: int, top: int, bottom: int) -> None:
        cells = _cells(known.sides, top, bottom)
        part = np.empty((len(error), *cells.shape), np.float32)
        compiled.call(
            _kernels().doubt, known.values, top, bottom, cells, held.zones, held.levels, held.variances, nothing, none,
            none, part,
        )  # fmt: skip
        error[:, top // CELL : top // CELL + len(cells)] = part

    _stripes(stripe, known.values.shape)
    return error * np.float32(size(known.step) * (1 << known.open))


def borders(sides: Bytes) -> Floats:
    """What the net is told of the blocks whose sides' logarithms are (h, w): float32 (5, 2 h, 2 w).

    1 where 4 x 4 samples lie at their block's upper, lower, left or right end; the logarithm less 4.
    """
    cells = 1 << (sides.astype(int) - 3)
    rows, columns = (np.arange(length) for length in sides.shape)
    row, column = rows[:, None] % cells, columns % cells
    found = np.zeros((5, *sides.shape, 2, 2), np.float32)
    found[0, :, :, 0, :] = (row == 0)[..., None]
    found[1, :, :, 1, :] = (row == cells - 1)[..., None]
    found[2, :, :, :, 0] = (column == 0)[..., None]
    found[3, :, :, :, 1] = (column == cells - 1)[..., None]
    found[4] = (sides.astype(np.float32) - 4)[..., None, None]
    return np.ascontiguousarray(found.swapaxes(2, 3).reshape(5, 2 * sides.shape[0], 2 * sides.shape[1]))


def stripes(shape: tuple[int, ...], stripe: int = STRIPE) -> list[tuple[int, int]]:
    """The rows of superblocks, from and to, of each stripe of about so many samples, of planes of (C, H, W)."""
    rows = -(-shape[1] // SIDE)
    count = max(1, min(rows, math.prod(shape) // stripe))
    return [(i * rows // count, (i + 1) * rows // count) for i in range(count)]


def encode(whole: Coefficients, opens: Sequence[int], stripe: int = STRIPE) -> list[bytes]:
    """The layers of a picture.

    Args:
        whole: the picture.
        opens: for each layer, how many low bits of magnitudes are not known with it; falling, the last 0.
        stripe: samples of a stripe, about. Layers of other stripes than STRIPE's can be measured, not decoded.
    """
    held = tables.load()
    values = whole.values
    found: list[list[bytes]] = [[] for _ in stripes(values.shape, stripe)]

    def part(i: int, top: int, bottom: int) -> None:
        sides = _cells(whole.sides, top, bottom)
        extents = np.zeros((len(values), *sides.shape), np.uint8)
        states, weights = held.states.copy(), held.weights.copy()
        data, before = np.empty(4 * values[:, top:bottom].size + 4096, np.uint8), 31
        for now in opens:
            count = compiled.call(
                _kernels().code, True, values, top, bottom, sides, extents, before, now, states, weights, *held.maps,
                data,
            )  # fmt: skip
            found[i].append(data[:count].tobytes())
            before = now

    _stripes(part, values.shape, stripe)
    layers = []
    for k, now in enumerate(opens):
        head = struct.pack("<HB", whole.step, now) if k == 0 else bytes([now])
        lengths = b"".join(struct.pack("<I", len(each[k])) for each in found[:-1])
        layers.append(head + lengths + b"".join(each[k] for each in found))
    return layers


def decode(layers: Sequence[bytes], height: int, width: int, channels: int) -> Coefficients:
    """What the first layers of a picture tell of it.

    Raises:
        DamagedError: they are no layers of such a picture.
    """
    held = tables.load()
    shape = (channels, height, width)
    if -(-height // SIDE) * -(-width // SIDE) > DENSEST * len(layers[0]):
        raise DamagedError("the file's payload does not fit its picture; it was not made by imgcrypt")
    parts = stripes(shape)
    values = np.zeros(shape, np.int32)
    sides = np.zeros((-(-height // 8), -(-width // 8)), np.uint8)
    opens, streams, step = [], [], 0
    for k, layer in enumerate(layers):
        at = 3 if k == 0 else 1
        body = at + 4 * (len(parts) - 1)
        if len(layer) < body:
            raise DamagedError("the file's payload does not fit its picture; it was not made by imgcrypt")
        if k == 0:
            step = int.from_bytes(layer[:2], "little")
        opens.append(layer[at - 1])
        ends = [body]
        for i in range(len(parts) - 1):
            ends.append(ends[-1] + int.from_bytes(layer[at + 4 * i : at + 4 * i + 4], "little"))
        ends.append(len(layer))
        streams.append([layer[a:b] for a, b in itertools.pairwise(ends)])
        if sorted(ends) != ends or opens[-1] >= (opens[-2] if k else 24) or step > 2047:
            raise DamagedError("the file's payload does not fit its picture; it was not made by imgcrypt")

    def stripe(i: int, top: int, bottom: int) -> None:
        cells = _cells(sides, top, bottom)
        extents = np.zeros((channels, *cells.shape), np.uint8)
        states, weights, before = held.states.copy(), held.weights.copy(), 31
        for now, stream in zip(opens, streams, strict=True):
            data = np.frombuffer(bytearray(stream[i]), np.uint8)
            compiled.call(
                _kernels().code, False, values, top, bottom, cells, extents, before, now, states, weights, *held.maps,
                data,
            )  # fmt: skip
            before = now

    _stripes(stripe, shape)
    return Coefficients(values, sides, step, opens[-1])


def warm_up() -> None:
    """Load the kernels, compiling what no cache holds."""
    whole = quantize(*transform(planes(np.zeros((1, 1, 1), np.uint8)), 0), 0)
    known = decode(encode(whole, (0,)), 1, 1, 1)
    inverse(known)
    doubt(known)


@functools.cache
def _cosines() -> tuple[Floats, Floats]:
    """The orthonormal cosine transforms of 1 to 32 samples, float32 (33, 32, 32), and their transposes."""
    matrices = np.zeros((SIDE + 1, SIDE, SIDE), np.float32)
    for n in range(1, SIDE + 1):
        k, i = np.arange(n)[:, None], np.arange(n)
        matrices[n, :n, :n] = math.sqrt(2 / n) * np.cos(math.pi * (2 * i + 1) * k / (2 * n))
        matrices[n, 0, :n] = math.sqrt(1 / n)
    return matrices, np.ascontiguousarray(matrices.swapaxes(1, 2))


@functools.cache
def _curve(price: float) -> Floats:
    """About what a coefficient costs, its error in squares of the step and its bits at their price, by 16 times its
    magnitude in steps."""
    x = (np.arange(1 << 16) + 0.5) / 16
    small = x**2 + price * 0.3 * np.minimum(x, 0.3)
    return np.where(x < 0.62, small, 0.085 + price * (4 + 1.6 * np.log2(x))).astype(np.float32)


def _cells(sides: Bytes, top: int, bottom: int) -> Bytes:
    """The sides of a stripe's blocks."""
    return sides[top // CELL : -(-bottom // CELL)]


def _rows(work: Callable[[int, int], Any], shape: tuple[int, ...]) -> None:
    """Do the work for each row of superblocks, given as first and last, of planes of this shape (C, H, W)."""
    rows = -(-shape[1] // SIDE)
    threads.each(work, [(row, row + 1) for row in range(rows)] if math.prod(shape) >= STRIPE else [(0, rows)])


def _stripes(work: Callable[[int, int, int], Any], shape: tuple[int, ...], stripe: int = STRIPE) -> None:
    """Do the work for each stripe, given as its number and rows of samples, of planes of this shape (C, H, W)."""
    parts = enumerate(stripes(shape, stripe))
    threads.each(work, [(i, first * SIDE, min(last * SIDE, shape[1])) for i, (first, last) in parts])


@functools.cache
def _kernels() -> Any:
    return loading.whole(_import_kernels)


def _import_kernels() -> Any:
    from imgcrypt.codec import coefficientkernels

    return coefficientkernels


@functools.cache
def _blocks() -> Any:
    return loading.whole(_import_blocks)


def _import_blocks() -> Any:
    from imgcrypt.codec import blockkernels

    return blockkernels
