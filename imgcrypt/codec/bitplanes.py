"""How a payload of the net ``anyrate`` lays out what its sampler found: docs/format.md, section 5.

The classes of all blocks, then the first bits of the coefficients one after the other, row by row of superblocks, then
the parity of the classes. How many bits each coefficient has follows from the classes and the payload's length alone.
A lost byte hurts the few coefficients that have bits in it.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgcrypt import compiled, loading
from imgcrypt.arrays import Bytes, Floats, Mask
from imgcrypt.codec import erasures

SIDE = 32
"""Side of a superblock in pixels."""
PLANES = 10
"""Most bits of a coefficient."""
SCALE_STEPS, SCALE_ORIGIN = 16, -3
"""A coefficient's expected size is 2**(step / SCALE_STEPS + SCALE_ORIGIN) gray levels, step from 0 to 255."""
COMPANDER = math.sqrt(2) / 3
"""Quantizing a Laplacian costs least where cells are as wide as density**(-1/3): Bennett, Bell Syst. Tech. J. 1948."""
THRESHOLDS = 512
"""How many thresholds there are: no bit is worth more."""
LEAST, ENOUGH = 5, 10
"""Bytes for each superblock that any payload has, and that also small pictures get, unless the rate asks for less."""
SWITCH = {1: 72, 3: 120}
"""Bytes for each superblock, by channels, from which on a superblock has four blocks instead of one: measured on
BSDS500 val, where both give the same error."""


@dataclasses.dataclass(frozen=True, eq=False)
class Tables:
    """What training found out about each class.

    ``steps`` by mode: the expected size of each coefficient of a block, uint8 (256, n), in 16ths of an octave; n is
    C * 1024 in mode 0 and C * 256 in mode 1. ``means`` by mode: the expected DC coefficients, float32 (256, C).
    ``gains``: what each further bit saves, int16 (10,), in 16ths of an octave of variance.
    """

    steps: tuple[Bytes, Bytes]
    means: tuple[Floats, Floats]
    gains: NDArray[np.int16]

    @property
    def channels(self) -> int:
        """1 or 3."""
        return int(self.means[0].shape[1])

    @functools.cached_property
    def bits(self) -> Bytes:
        """Bits of a coefficient by threshold and step: uint8 (THRESHOLDS, 256)."""
        worth = 2 * np.arange(256)[:, None] + self.gains.astype(np.int64)
        return np.asarray([(worth >= threshold).sum(1) for threshold in range(THRESHOLDS)], np.uint8)

    @functools.cached_property
    def histograms(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """By mode, how many coefficients of a block of each class have each step: (256, 256)."""
        at = 256 * np.arange(256)[:, None]
        one, four = (np.bincount((at + steps).reshape(-1), minlength=1 << 16) for steps in self.steps)
        return one.reshape(256, 256), four.reshape(256, 256)

    def expand(self, classes: Bytes, mode: int) -> Bytes:
        """The step of every coefficient: uint8 (h, w, C * 1024) for classes uint8 (h, w, 4)."""
        if mode == 0:
            return self.steps[0][classes[..., 0]]
        height, width = classes.shape[:2]
        quarters = self.steps[1][classes].reshape(height, width, 2, 2, self.channels, 16, 16)
        return quarters.transpose(0, 1, 4, 2, 5, 3, 6).reshape(height, width, -1)

    def dc_means(self, classes: Bytes, mode: int) -> Floats:
        """The expected DC coefficients of each block: float32 (h, w, C, 4), 0 where mode 0 has no block."""
        means = self.means[mode][classes].swapaxes(2, 3)
        if mode == 0:
            means[..., 1:] = 0
        return means


@dataclasses.dataclass(frozen=True, eq=False)
class Known:
    """What a payload says of a picture of (h, w) superblocks.

    ``mode``: 1 if a superblock has four blocks, else 0. ``threshold``: the least worth of a bit that is kept.
    ``classes``: uint8 (h, w, 4). ``indices``: uint16 (h, w, C * 1024), and ``bits``, how many of the ten bits of each
    are known: uint8.
    """

    mode: int
    threshold: int
    classes: Bytes
    indices: NDArray[np.uint16]
    bits: Bytes


def dc_coefficients(tables: Tables, known: Known) -> tuple[Floats, Mask]:
    """What is known of the DC coefficient of each block, float32 (h, w, C, 4), and of which anything is.

    In mode 0 only the first of the four is of a block. See docs/format.md for the quantizer.
    """
    height, width = known.classes.shape[:2]
    shape = (height, width, tables.channels, 2, 16, 2, 16)
    steps, bits, indices = (
        each.reshape(shape)[..., 0, :, 0].reshape(height, width, tables.channels, 4)
        for each in (tables.expand(known.classes, known.mode), known.bits, known.indices)
    )
    there = bits > 0
    at = ((indices >> (PLANES - bits)) + 0.5) / 2.0**bits
    ratio = -np.sign(at - 0.5) * np.log1p(-np.abs(2 * at - 1)) / COMPANDER
    found = tables.dc_means(known.classes, known.mode) + ratio * 2.0 ** (steps / SCALE_STEPS + SCALE_ORIGIN)
    return found.astype(np.float32), there


def size(rate: float, height: int, width: int, channels: int) -> int:
    """Bytes of a payload at ``rate`` bytes for each of a picture's samples.

    Pictures that fill their superblocks by little need more: such as ``rate`` asks for a full one, up to ENOUGH.
    """
    least = min(max(int(rate * SIDE**2 * channels), LEAST), ENOUGH)
    return max(round(rate * height * width * channels), least * superblocks(height, width))


def superblocks(height: int, width: int) -> int:
    """How many cover a picture of this size."""
    return -(-height // SIDE) * -(-width // SIDE)


def parities(length: int, blocks: int, channels: int) -> int:
    """How many times the classes' length their parity has: 2 where that costs little, else 1."""
    return 2 if length >= 2 * SWITCH[channels] * blocks else 1


def mode(length: int, blocks: int, channels: int) -> int:
    """1 if a payload of this length for so many superblocks has four blocks in each, else 0."""
    return int(length >= SWITCH[channels] * blocks)


def pack(tables: Tables, classes: Bytes, indices: NDArray[np.uint16], length: int) -> Bytes:
    """The payload.

    Args:
        tables: of the net.
        classes: uint8 (h, w, 4), of the mode that the length asks for.
        indices: uint16 (h, w, C * 1024), each below 1024.
        length: bytes.

    Returns:
        uint8 (length,).
    """
    chosen = mode(length, classes.shape[0] * classes.shape[1], tables.channels)
    table = np.ascontiguousarray(classes if chosen else classes[..., :1]).reshape(-1)
    check = erasures.parity(table, parities(length, len(classes) * classes.shape[1], tables.channels))
    _, bits = allocate(tables, classes, chosen, length - len(table) - len(check))
    payload = np.zeros(length, np.uint8)
    payload[: len(table)] = table
    payload[length - len(check) :] = check
    room = payload[len(table) : length - len(check)]
    compiled.call(
        _kernels().write, *(np.ascontiguousarray(each).reshape(len(classes), -1) for each in (indices, bits)), room
    )
    return payload


def unpack(tables: Tables, payload: Bytes, valid: Bytes | None, height: int, width: int) -> Known:
    """What is known of the coefficients.

    Args:
        tables: of the net.
        payload: uint8 (n,).
        valid: uint8 (n,), 1 where a byte is known, or ``None`` if all are.
        height, width: of the picture in superblocks.

    Returns:
        See :class:`Known`. Bits below a lost one do not count.
    """
    blocks = height * width
    chosen = mode(len(payload), blocks, tables.channels)
    count = blocks * (4 if chosen else 1)
    table, readable = payload[:count], np.ones(count, bool)
    checks = parities(len(payload), blocks, tables.channels) * count
    if valid is not None:
        known = np.concatenate([valid[:count], valid[len(valid) - checks :]]).astype(bool)
        table, readable = erasures.repair(table, payload[len(payload) - checks :], known)
    classes = np.broadcast_to(table.reshape(height, width, -1), (height, width, 4))
    threshold, bits = allocate(tables, classes, chosen, len(payload) - count - checks)
    if not readable.all():
        # Where each bit lies follows from all classes together: without them none can be told from another.
        bits[:] = 0
    indices = np.zeros(bits.shape, np.uint16)
    room = slice(count, len(payload) - checks)
    there = np.zeros(0, np.uint8) if valid is None else valid[room].astype(np.uint8)
    # A copy of its own: the kernel would be compiled a second time for one that is read-only.
    compiled.call(_kernels().read, payload[room].copy(), there, *(each.reshape(height, -1) for each in (bits, indices)))
    return Known(chosen, threshold, classes, indices, bits)


def allocate(tables: Tables, classes: Bytes, mode: int, room: int) -> tuple[int, Bytes]:
    """Bits of each coefficient: reverse water-filling into ``room`` bytes.

    All bits whose worth reaches one threshold, the lowest at which every row of superblocks, rounded up to whole
    bytes, finds room. What room is left goes to the bits just below it, superblock by superblock.

    Args:
        tables: of the net.
        classes: uint8 (h, w, 4).
        mode: 0 or 1.
        room: bytes.

    Returns:
        The threshold, and the bits, uint8 (h, w, C * 1024), 0 to 10.
    """
    blocks = classes if mode else classes[..., :1]
    steps = np.bincount(blocks.reshape(-1), minlength=256) @ tables.histograms[mode]
    totals = tables.bits.astype(np.int64) @ steps
    budget = 8 * room - 7 * len(classes)
    threshold = int(np.argmax(totals <= budget))
    expanded = tables.expand(classes, mode)
    bits = tables.bits[threshold][expanded]
    if threshold:
        extra = tables.bits[threshold - 1] - tables.bits[threshold]
        wanted = (tables.histograms[mode] @ extra)[blocks].sum(2)
        gets = np.cumsum(wanted.reshape(-1)).reshape(wanted.shape) <= budget - totals[threshold]
        bits[gets] += extra[expanded[gets]]
    return threshold, bits


def warm_up() -> None:
    """Load the kernels, compiling them if no cache holds them."""
    bits, indices = np.zeros((1, 1), np.uint8), np.zeros((1, 1), np.uint16)
    compiled.call(_kernels().write, indices, bits, bits[0])
    compiled.call(_kernels().read, bits[0], bits[0], bits, indices)


@functools.cache
def _kernels() -> Any:
    return loading.whole(_import)


def _import() -> Any:
    from imgcrypt.codec import bitkernels

    return bitkernels
