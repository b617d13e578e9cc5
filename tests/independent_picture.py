"""The picture code in plain Python: the part of the second implementation (independent.py) for section 5.

Like that, it was written from docs/format.md alone: it reads layers, writes those of given integers and blocks, and
rebuilds samples in binary64. Of the package it takes the tables' file, which is part of the format.

    python tests/independent_picture.py

writes tests/vectors/picture.json anew: byte for byte the same, unless the format or the tables were changed.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

TABLES = Path(__file__).parent.parent / "imgcrypt" / "codec" / "tables.npz"
FILE = Path(__file__).parent / "vectors" / "picture.json"

Grid = list[list[int]]

# 5.1, 5.3: layout


class UnreadableError(ValueError):
    """What a reader must refuse."""


class Layer(NamedTuple):
    """A layer taken apart."""

    open: int
    streams: list[bytes]


def pack(layers: Sequence[bytes], length: int = 0) -> bytes:
    """The payload of layers, padded to a length."""
    lengths = b"".join(len(layer).to_bytes(4, "little") for layer in layers)
    return (bytes([len(layers)]) + lengths + b"".join(layers)).ljust(length, b"\0")


def unpack(payload: bytes) -> list[bytes]:
    """The layers of a payload."""
    if not payload or payload[0] == 0:
        raise UnreadableError("no layers")
    at = 1 + 4 * payload[0]
    if at > len(payload):
        raise UnreadableError("too short for the lengths")
    layers = []
    for place in range(1, at, 4):
        end = at + int.from_bytes(payload[place : place + 4], "little")
        if end > len(payload):
            raise UnreadableError("a layer runs over the end")
        layers.append(payload[at:end])
        at = end
    if payload[at:].strip(b"\0"):
        raise UnreadableError("padding that is not zero")
    return layers


def stripe_rows(height: int, width: int, planes: int) -> list[tuple[int, int]]:
    """The rows of samples of each stripe, from and to."""
    rows = -(-height // 32)
    count = max(1, min(rows, planes * height * width // 2**19))
    return [(s * rows // count * 32, min((s + 1) * rows // count * 32, height)) for s in range(count)]


def take_apart(layers: Sequence[bytes], height: int, width: int, planes: int) -> tuple[int, list[Layer]]:
    """The step code, and what the layers hold."""
    count = len(stripe_rows(height, width, planes))
    if -(-height // 32) * -(-width // 32) > 2048 * len(layers[0]):
        raise UnreadableError("too large a picture for its first layer")
    step, found = 0, list[Layer]()
    for number, layer in enumerate(layers):
        head = 1 if number else 3
        at = head + 4 * (count - 1)
        if len(layer) < at:
            raise UnreadableError("a layer too short for its head and lengths")
        if number == 0:
            step = layer[0] + 256 * layer[1]
        is_open = layer[head - 1]
        if step > 2047 or is_open >= (found[-1].open if found else 24):
            raise UnreadableError("a head that cannot be")
        streams = []
        for place in range(head, head + 4 * (count - 1), 4):
            end = at + int.from_bytes(layer[place : place + 4], "little")
            if end > len(layer):
                raise UnreadableError("a stream runs over its layer's end")
            streams.append(layer[at:end])
            at = end
        found.append(Layer(is_open, [*streams, layer[at:]]))
    return step, found


# 5.2: tables


class Tables(NamedTuple):
    """Those arrays of the tables that decide what a file says."""

    sha256: str
    states: list[int]
    weights: list[int]
    stretch: list[int]
    squash: list[int]
    rates: list[int]
    zones: list[int]
    levels: list[int]


def load_tables() -> Tables:
    """The tables beside the package."""
    with np.load(TABLES) as arrays:
        lists = [arrays[name].tolist() for name in Tables._fields[1:]]
    return Tables(hashlib.sha256(TABLES.read_bytes()).hexdigest(), *lists)


# 5.4: range coder


class Reader:
    """A stream being read."""

    def __init__(self, stream: bytes) -> None:
        self.rest = iter(stream)
        self.span = 2**32 - 1
        number = 0
        for _ in range(4):
            number = number << 8 | next(self.rest, 0)
        self.number = min(number, 2**32 - 2)

    def widen(self) -> None:
        """After every decision."""
        while self.span < 2**24:
            self.number = self.number << 8 | next(self.rest, 0)
            self.span <<= 8

    def bit(self, chance: int, _: int | None) -> int:
        """A bit that is 1 with this chance."""
        bound = (self.span >> 15) * chance
        bit = self.number < bound
        if not bit:
            self.number -= bound
            bound = self.span - bound
        self.span = bound
        self.widen()
        return int(bit)

    def raw(self, bits: int, _: int | None) -> int:
        """A raw number of so many bits."""
        found = 0
        for size in [8] * (bits // 8) + [bits % 8] * (bits % 8 > 0):
            self.span >>= size
            part = min(self.number // self.span, 2**size - 1)
            self.number = min(self.number - self.span * part, self.span - 1)
            found = found * 2**size + part
            self.widen()
        return found


class Writer:
    """A stream being written."""

    def __init__(self) -> None:
        self.low, self.span, self.multiplications = 0, 2**32 - 1, 0

    def widen(self) -> None:
        """After every decision."""
        while self.span < 2**24:
            self.low, self.span = self.low * 256, self.span * 256
            self.multiplications += 1

    def bit(self, chance: int, bit: int | None) -> int:
        """Write a bit that is 1 with this chance."""
        assert bit is not None
        bound = (self.span >> 15) * chance
        if bit:
            self.span = bound
        else:
            self.low += bound
            self.span -= bound
        self.widen()
        return bit

    def raw(self, bits: int, value: int | None) -> int:
        """Write a raw number of so many bits."""
        assert value is not None
        assert 0 <= value < 2**bits
        text = f"{value:0{bits}b}" if bits else ""
        for part in (text[at : at + 8] for at in range(0, bits, 8)):
            self.span >>= len(part)
            self.low += self.span * int(part, 2)
            self.widen()
        return value

    def stream(self) -> bytes:
        """All that was written."""
        number = -(-self.low // 2**24) * 2**24
        return number.to_bytes(self.multiplications + 4, "big").rstrip(b"\0")


# 5.3, 5.5 to 5.8: a stripe

PLACE, AROUND, EXTENT, SPLIT, SECOND, DC = 15360, 46080, 128000, 130160, 130166, 130806
LIMITS = (1, 8, 16, 32, 64)
NO_PROFILE = [[0] * 8 for _ in range(8)]


class Left(NamedTuple):
    """What a block leaves for each of its cells."""

    extent: int
    mean: int
    profile: Grid


class Block(NamedTuple):
    """A block's place in its stripe."""

    size: int
    top: int
    start: int
    tall: int
    wide: int

    @property
    def cells(self) -> list[tuple[int, int]]:
        """Its cells, row and column."""
        rows, columns = -(-self.tall // 8), -(-self.wide // 8)
        return [(self.top // 8 + u, self.start // 8 + v) for u in range(rows) for v in range(columns)]

    @property
    def border(self) -> list[tuple[int, int]]:
        """The cells to the left and above, some of them outside the stripe."""
        rows, columns = -(-self.tall // 8), -(-self.wide // 8)
        row, column = self.top // 8, self.start // 8
        return [(row + u, column - 1) for u in range(rows)] + [(row - 1, column + v) for v in range(columns)]


class Stripe:
    """A stripe that is read or written layer by layer.

    ``magnitudes`` are in units of 2^open, and with ``negative`` what the layers so far say. ``wanted`` and
    ``given_sizes`` are the writer's: whole integers by plane, and the sizes of blocks by cell.
    """

    def __init__(
        self, tables: Tables, planes: int, height: int, width: int, wanted: list[Grid] | None, sizes: Grid | None
    ) -> None:
        self.tables, self.planes, self.height, self.width = tables, planes, height, width
        self.wanted, self.given_sizes = wanted, sizes
        self.states = [divmod(state, 1024) for state in tables.states]
        self.weights = list(tables.weights)
        self.magnitudes = [[[0] * width for _ in range(height)] for _ in range(planes)]
        self.negative = [[[False] * width for _ in range(height)] for _ in range(planes)]
        self.sizes: dict[tuple[int, int], int] = {}
        self.extents: dict[tuple[int, Block], int] = {}
        self.later, self.open = 0, 0
        self.coder: Reader | Writer = Writer()

    def write(self, now: int) -> bytes:
        """The stream of the next layer."""
        self.coder = writer = Writer()
        self.layer(now)
        return writer.stream()

    def read(self, stream: bytes, now: int) -> None:
        """Read that of the next layer."""
        self.coder = Reader(stream)
        self.layer(now)

    # 5.5

    def learn(self, state: int, bit: int) -> None:
        """A state learns a bit."""
        p, c = self.states[state]
        p += ((bit << 22) - p) * self.tables.rates[c] >> 16
        self.states[state] = (p, c + 1 if c < 255 else c)

    def by_one(self, state: int, wanted: int | None) -> int:
        """A bit by one state."""
        bit = self.coder.bit(min(max(self.states[state][0] >> 7, 32), 32736), wanted)
        self.learn(state, bit)
        return bit

    def by_two(self, i: int, j: int, k: int, wanted: int | None) -> int:
        """A bit by two states, with weights k and k + 1."""
        a, b = (self.tables.stretch[self.states[state][0] >> 10] for state in (i, j))
        logit = (self.weights[k] * a + self.weights[k + 1] * b) >> 16
        chance = self.tables.squash[min(max(logit + 2048, 0), 4095)]
        bit = self.coder.bit(chance, wanted)
        error = bit * 2**15 - chance
        self.weights[k] += (a * error + 8192) >> 14
        self.weights[k + 1] += (b * error + 8192) >> 14
        self.learn(i, bit)
        self.learn(j, bit)
        return bit

    # 5.6

    def blocks(self) -> Iterator[Block]:
        """All blocks in their order, which the first layer tells as it comes to them."""
        for top in range(0, self.height, 32):
            for start in range(0, self.width, 32):
                yield from self.cut(5, top, start)

    def cut(self, size: int, top: int, start: int) -> Iterator[Block]:
        """The blocks of a superblock or a part of it."""
        if top >= self.height or start >= self.width:
            return
        row, column = cell = top // 8, start // 8
        if size == 3:
            smaller = False
        elif self.later:
            smaller = self.sizes[cell] < size
        else:
            neighbors = [(row, column - 1), (row - 1, column)]
            state = SPLIT + 3 * (5 - size) + sum(self.sizes.get(each, 5) < size for each in neighbors)
            wanted = None if self.given_sizes is None else int(self.given_sizes[row][column] < size)
            smaller = bool(self.by_one(state, wanted))
        half = 2 ** (size - 1)
        if smaller:
            for down in (0, half):
                for right in (0, half):
                    yield from self.cut(size - 1, top + down, start + right)
        else:
            block = Block(size, top, start, min(2 * half, self.height - top), min(2 * half, self.width - start))
            self.sizes.update(dict.fromkeys(block.cells, size))
            yield block

    def layer(self, now: int) -> None:
        """A layer after which so many bits are open."""
        gap, self.open = self.open - now, now
        left: list[dict[tuple[int, int], Left]] = [{} for _ in range(self.planes)]
        for block in self.blocks():
            coded: list[dict[tuple[int, int], int]] = []
            for plane in range(self.planes):
                border = [left[plane].get(cell) for cell in block.border]
                extent = self.extent(plane, block, border)
                mean = 0 if self.later else self.dc(plane, block, [each.mean for each in border if each])
                profile, own = NO_PROFILE, dict[tuple[int, int], int]()
                if self.later or extent:
                    profiles = [each.profile for each in border if each]
                    own = self.coefficients(plane, block, LIMITS[extent], gap, coded, profiles, len(border))
                    own.pop((0, 0), None)
                    profile = [[0] * 8 for _ in range(8)]
                    for (i, j), magnitude in own.items():
                        profile[i * 8 // block.tall][j * 8 // block.wide] += magnitude
                    factor = 2**26 // (block.tall * block.wide)
                    profile = [[(total * factor) >> 16 for total in row] for row in profile]
                coded.append(own)
                left[plane].update(dict.fromkeys(block.cells, Left(extent, mean, profile)))
        self.later = 1

    def extent(self, plane: int, block: Block, border: Sequence[Left | None]) -> int:
        """The extent of a block."""
        begun = found = self.extents.get((plane, block), 0)
        wanted = None
        if self.wanted is not None:
            turns = [
                i * 32 // block.tall + j * 32 // block.wide
                for i, row in enumerate(self.wanted[plane][block.top : block.top + block.tall])
                for j, value in enumerate(row[block.start : block.start + block.wide])
                if i + j and abs(value) >> self.open
            ]
            wanted = next(e for e in range(5) if all(turn < LIMITS[e] for turn in turns))
        a = 2 * sum(each.extent for each in border if each) // len(border)
        base = EXTENT + (((2 * self.later + (plane > 0)) * 3 + block.size - 3) * 5 + begun) * 36 + 4 * a
        while found < 4 and self.by_one(base + found, None if wanted is None else int(wanted > found)):
            found += 1
        self.extents[plane, block] = found
        return found

    # 5.7

    def dc(self, plane: int, block: Block, means: Sequence[int]) -> int:
        """The DC coefficient in the first layer; what its block leaves as its mean."""
        scale = math.isqrt(2**16 * block.tall * block.wide)
        guess = ((sum(means) // len(means) if means else 0) * scale + 65536) >> 17
        rest = None
        if self.wanted is not None:
            value = self.wanted[plane][block.top][block.start]
            rest = (abs(value) >> self.open) * (-1 if value < 0 else 1) - guess
        base = DC + (3 * (plane > 0) + block.size - 3) * 16
        k = 0
        while k < 24 and self.by_one(base + min(k, 15), None if rest is None else int(abs(rest) >= 2**k)):
            k += 1
        value = guess
        if k:
            d = 2 ** (k - 1) + self.coder.raw(k - 1, None if rest is None else abs(rest) - 2 ** (k - 1))
            value += -d if self.coder.raw(1, None if rest is None else int(rest < 0)) else d
        most = 2 ** (24 - self.open) - 1
        value = max(-most, min(value, most))
        self.magnitudes[plane][block.top][block.start] = abs(value)
        self.negative[plane][block.top][block.start] = value < 0
        return value * 131072 // scale

    # 5.8

    def coefficients(
        self,
        plane: int,
        block: Block,
        limit: int,
        gap: int,
        coded: Sequence[dict[tuple[int, int], int]],
        profiles: Sequence[Grid],
        border: int,
    ) -> dict[tuple[int, int], int]:
        """Code a block's coefficients; A after it, without zeros."""
        size, top, start, tall, wide = block
        magnitudes, chroma = self.magnitudes[plane], int(plane > 0)
        known: dict[tuple[int, int], int] = {}
        if self.later:
            for i in range(tall):
                for j, old in enumerate(magnitudes[top + i][start : start + wide]):
                    if old:
                        known[i, j] = old * 2**gap + (2**gap - 1) // 2
        sums = [[sum(each[u][v] for each in profiles) * (131072 // border) >> 16 for v in range(8)] for u in range(8)]
        kind = 2 * self.later + chroma

        def level_of(total: int) -> int:
            return self.tables.levels[min(total, 1023)]

        def around(where: dict[tuple[int, int], int], i: int, j: int, factors: Sequence[tuple[int, int, int]]) -> int:
            return sum(factor * where.get((i + down, j + right), 0) for factor, down, right in factors)

        for i in range(tall - 1, -1, -1):
            if i * 32 // tall >= limit:
                continue
            for j in range(wide - 1, -1, -1):
                turn = i * 32 // tall + j * 32 // wide
                if turn >= limit or (i == j == 0 and not self.later):
                    continue
                behind = around(known, i, j, BEHIND)
                outside = sums[i * 8 // tall][j * 8 // wide]
                outside += sum(around(other, i, j, ACROSS) << q for q, other in enumerate(coded))
                if self.later:
                    ahead = around(known, i, j, AHEAD)
                    inner = behind + ahead
                    part = (16 * chroma + level_of(4 * ahead)) * 16 + level_of(2 * behind)
                    part = AROUND + (part * 16 + level_of(outside)) * 10
                else:
                    inner = 2 * behind
                    part = (3 * chroma + size - 3) * 64 + 8 * (i * 8 // tall) + j * 8 // wide
                    part = PLACE + (part * 8 + (level_of(inner) >> 1)) * 10
                level = level_of(inner + outside)
                band = (((kind * 3 + size - 3) * 8 + self.tables.zones[turn]) * 16 + level) * 10
                mix = (kind * 4 + min(level >> 1, 3)) * 4
                value = None if self.wanted is None else self.wanted[plane][top + i][start + j]
                target = None if value is None else abs(value) >> self.open
                old = magnitudes[top + i][start + j]
                if old:
                    slot = 4 + min(old - 1, 5)
                    wanted = None if target is None else target >> (gap - 1) & 1
                    bit = self.by_two(band + slot, part + slot, 2 * (mix + 3), wanted)
                    below = self.coder.raw(gap - 1, None if target is None else target % 2 ** (gap - 1))
                    found = (2 * old + bit) * 2 ** (gap - 1) + below
                else:
                    k, slots, mixes, most = 0, 9, 3, 24 - self.open
                    if self.later:
                        slots, mixes, most = 3, 2, gap
                    while k < most:
                        slot, weights = min(k, slots), 2 * (mix + min(k, mixes))
                        wanted = None if target is None else int(target >= 2**k)
                        if not self.by_two(band + slot, part + slot, weights, wanted):
                            break
                        k += 1
                    found = int(k > 0)
                    if k > 1:
                        state = SECOND + (kind * 10 + min(k - 2, 9)) * 16 + level
                        found = 2 + self.by_one(state, None if target is None else target >> (k - 2) & 1)
                        below = self.coder.raw(k - 2, None if target is None else target % 2 ** (k - 2))
                        found = found * 2 ** (k - 2) + below
                    if k:
                        sign = self.coder.raw(1, None if value is None else int(value < 0))
                        self.negative[plane][top + i][start + j] = bool(sign)
                magnitudes[top + i][start + j] = found
                known[i, j] = found
        return {place: magnitude for place, magnitude in known.items() if magnitude}


BEHIND = ((2, 1, 0), (2, 0, 1), (1, 1, 1), (1, 2, 0), (1, 0, 2), (1, 1, -1))
AHEAD = ((2, -1, 0), (2, 0, -1), (1, -1, -1), (1, -2, 0), (1, 0, -2), (1, -1, 1))
ACROSS = ((4, 0, 0), (1, -1, 0), (1, 0, -1), (1, 1, 0), (1, 0, 1))
"""Factors, rows down and columns to the right."""


# Pictures


class Picture(NamedTuple):
    """What layers say: magnitudes in units of 2^open and their signs by plane, sizes of blocks by cell."""

    step: int
    open: int
    values: list[Grid]
    sizes: Grid


def write(tables: Tables, picture: Picture, opens: Sequence[int]) -> list[bytes]:
    """The layers of a whole picture."""
    planes, height, width = len(picture.values), len(picture.values[0]), len(picture.values[0][0])
    stripes = [
        Stripe(
            tables, planes, end - top, width, [plane[top:end] for plane in picture.values], picture.sizes[top // 8 :]
        )
        for top, end in stripe_rows(height, width, planes)
    ]
    layers = []
    for number, now in enumerate(opens):
        streams = [stripe.write(now) for stripe in stripes]
        head = bytes([now]) if number else picture.step.to_bytes(2, "little") + bytes([now])
        lengths = b"".join(len(stream).to_bytes(4, "little") for stream in streams[:-1])
        layers.append(head + lengths + b"".join(streams))
    return layers


def read(tables: Tables, layers: Sequence[bytes], height: int, width: int, planes: int) -> Picture:
    """What layers say of a picture."""
    step, parts = take_apart(layers, height, width, planes)
    values: list[Grid] = [[] for _ in range(planes)]
    sizes: Grid = []
    for number, (top, end) in enumerate(stripe_rows(height, width, planes)):
        stripe = Stripe(tables, planes, end - top, width, None, None)
        for part in parts:
            stripe.read(part.streams[number], part.open)
        for plane in range(planes):
            for magnitudes, signs in zip(stripe.magnitudes[plane], stripe.negative[plane], strict=True):
                values[plane].append([-m if s else m for m, s in zip(magnitudes, signs, strict=True)])
        cells = range(-(-width // 8))
        sizes += [[stripe.sizes[row, column] for column in cells] for row in range(-(-(end - top) // 8))]
    return Picture(step, parts[-1].open, values, sizes)


# 5.9


def cosines(n: int) -> npt.NDArray[np.float64]:
    """t_n(k, x) in row k, column x."""
    rows = [[math.sqrt(2 / n) * math.cos(math.pi * (2 * x + 1) * k / (2 * n)) for x in range(n)] for k in range(n)]
    return np.array([[math.sqrt(1 / n)] * n, *rows[1:]])


def unrounded(picture: Picture) -> npt.NDArray[np.float64]:
    """The samples (height, width, planes) of a picture before they are rounded and limited."""
    integers = np.array(picture.values, np.float64)
    m = np.abs(integers)
    known = m - np.choose(np.minimum(m, 3).astype(int), [0, 0.05, 0.02, 0.01])
    if picture.open:
        known = np.where(m > 0, (m + 0.45) * 2**picture.open, 0)
    planes = np.sign(integers) * known * 2 ** (picture.step / 128 - 4)
    height, width = planes.shape[1:]
    for row, line in enumerate(picture.sizes):
        for column, size in enumerate(line):
            cells = 2 ** (size - 3)
            if row % cells == 0 and column % cells == 0:
                place = (slice(8 * row, 8 * (row + cells)), slice(8 * column, 8 * (column + cells)))
                tall, wide = min(8 * cells, height - 8 * row), min(8 * cells, width - 8 * column)
                for plane in planes:
                    plane[place] = cosines(tall).T @ plane[place] @ cosines(wide)
    if len(planes) == 3:
        p0, p1, p2 = planes[0] / math.sqrt(3), planes[1] / math.sqrt(2), planes[2] / math.sqrt(6)
        planes = np.array([p0 + p1 + p2, p0 - 2 * p2, p0 - p1 + p2])
    return planes.transpose(1, 2, 0) + 128


def samples(picture: Picture) -> npt.NDArray[np.uint8]:
    """The samples (height, width, planes) of a picture."""
    found: npt.NDArray[np.uint8] = np.floor(unrounded(picture) + 0.5).clip(0, 255).astype(np.uint8)
    return found


# The frozen vectors


class Case(NamedTuple):
    """A picture made of integers, and how it is coded."""

    planes: int
    height: int
    width: int
    step: int
    opens: tuple[int, ...]
    bits: int
    """Bits of the largest magnitudes."""

    @property
    def big(self) -> bool:
        """Of several stripes; its vectors have only what all layers say, and no samples."""
        return self.planes * self.height * self.width > 2**19


CASES = (
    Case(1, 1, 1, 512, (0,), 9),
    Case(3, 1, 1, 640, (1, 0), 9),
    Case(1, 7, 5, 700, (0,), 6),
    Case(1, 1, 70, 800, (3, 1, 0), 7),
    Case(1, 70, 1, 900, (2,), 8),
    Case(3, 70, 1, 777, (2, 0), 5),
    Case(3, 1, 70, 1000, (0,), 4),
    Case(1, 33, 47, 600, (0,), 5),
    Case(1, 33, 47, 900, (4, 2, 0), 6),
    Case(1, 33, 47, 0, (23, 12, 0), 24),
    Case(1, 16, 16, 2047, (5, 1), 0),
    Case(3, 33, 47, 850, (1, 0), 4),
    Case(3, 33, 47, 200, (12, 5, 0), 20),
    Case(3, 64, 65, 900, (0,), 2),
    Case(3, 591, 593, 1100, (1, 0), 2),
)
MADE_OF = (
    "hash(a, b, c, d) is the first 4 bytes, little-endian, of SHA-256 of the ASCII text 'a,b,c,d'. Superblocks whose "
    "hash(0, row, column, 0) % 3 is 0 are one block; others are cut, and of their quarters (row and column in "
    "quarters) those whose hash(1, row, column, 0) % 2 is 0 once more. With h = hash(plane + 2, y, x, bits): a "
    "coefficient (plane, y, x) at frequencies (i, j) of its block is 0 unless h % (1 + 2 (i + j)) is 0 or below "
    "8 - i - j, else its magnitude is (h >> 8) % 2^max(bits - (i + j) // 4, 1), times -1 if h >> 7 is odd; with bits 0 "
    "all are 0. In pictures of more than 2^19 samples all are 0 where hash(9, y // 32, x // 32, 0) % 64 is not 0."
)


def made_hash(*numbers: int) -> int:
    """Any number below 2^32."""
    return int.from_bytes(hashlib.sha256(",".join(map(str, numbers)).encode()).digest()[:4], "little")


def made_picture(case: Case) -> Picture:
    """The picture that MADE_OF tells."""

    def size(y: int, x: int) -> int:
        if made_hash(0, y // 32, x // 32, 0) % 3 == 0:
            return 5
        return 4 if made_hash(1, y // 16, x // 16, 0) % 2 else 3

    sizes = [
        [size(8 * row, 8 * column) for column in range(-(-case.width // 8))] for row in range(-(-case.height // 8))
    ]
    corners = [(row, column) for row in range(-(-case.height // 32)) for column in range(-(-case.width // 32))]
    empty = {corner for corner in corners if case.bits == 0 or (case.big and made_hash(9, *corner, 0) % 64)}
    values = [[[0] * case.width for _ in range(case.height)] for _ in range(case.planes)]
    for y in range(case.height):
        for x in range(case.width):
            if (y // 32, x // 32) in empty:
                continue
            side = 2 ** sizes[y // 8][x // 8]
            frequency = y % side + x % side
            for plane in range(case.planes):
                h = made_hash(plane + 2, y, x, case.bits)
                if h % (1 + 2 * frequency) == 0 or h % (1 + 2 * frequency) < 8 - frequency:
                    magnitude = (h >> 8) % 2 ** max(case.bits - frequency // 4, 1)
                    values[plane][y][x] = -magnitude if h >> 7 & 1 else magnitude
    return Picture(case.step, 0, values, sizes)


def digest(picture: Picture) -> str:
    """SHA-256 of the integers, signed 32 bits little-endian, plane by plane, row by row, then the sizes, u8."""
    sizes = bytes(size for row in picture.sizes for size in row)
    return hashlib.sha256(np.array(picture.values, "<i4").tobytes() + sizes).hexdigest()


def malformed(tables: Tables) -> Iterator[tuple[str, int, int, int, bytes]]:
    """What it is, planes, height, width, payload."""
    case = Case(1, 33, 47, 900, (4, 0), 6)
    first, second = write(tables, made_picture(case), case.opens)
    size = (1, 33, 47)
    junk = b"".join(hashlib.sha256(bytes([k])).digest() for k in range(20))
    yield "nothing", *size, b""
    yield "no layers", *size, b"\0" * 20
    yield "no room for the lengths", *size, pack([first, second])[:8]
    yield "a layer that runs over the end", *size, pack([first, second])[:-1]
    yield "padding that is not zero", *size, pack([first, second]) + b"\0\0\1"
    yield "an empty first layer", *size, pack([b"", second])
    yield "a first layer of two bytes", *size, pack([first[:2], second])
    yield "step code 2048", *size, pack([b"\x00\x08" + first[2:], second])
    yield "24 bits open", *size, pack([first[:2] + b"\x18" + first[3:], second])
    yield "an empty second layer", *size, pack([first, b""])
    yield "as much open as before", *size, pack([first, b"\x04" + second[1:]])
    yield "a 25th layer", *size, pack([b"\0\0\x17", *(bytes([max(22 - k, 0)]) for k in range(24))])
    yield "a picture too large for its layer", 1, 32, 32 * (3 * 2048 + 1), pack([b"\0\0\0"])
    yield "no lengths of stripes", 1, 1024, 1024, pack([b"\0\0\0" + b"\0" * 3])
    yield "a stripe that runs over its layer's end", 1, 1024, 1024, pack([b"\0\0\0" + b"\1\0\0\0"])
    yield "padding", *size, pack([first, second], 2000)
    yield "the first layer alone", *size, pack([first])
    yield "an empty stream", *size, pack([first[:3]])
    yield "a stream of zeros", *size, pack([first[:3] + b"\0" * 9])
    yield "a stream cut", *size, pack([first[: len(first) // 2], second])
    yield "bytes left over", *size, pack([first + junk, second + b"\xff"])
    yield "a stream of ones", *size, pack([first[:3] + b"\xff" * 200, second])
    yield "any bytes", *size, pack([first[:3] + junk, b"\0" + junk])
    yield "any bytes beyond the interval", *size, pack([first[:3] + b"\xff" * 4 + junk, b"\2\xff\xff\xff\xff" + junk])
    yield "any bytes, in color", 3, 40, 33, pack([b"\0\4\x17" + junk, b"\x0b" + junk, b"\0" + b"\xff" * 4 + junk])
    yield "any bytes, all at once", 3, 20, 20, pack([b"\0\4\0" + junk[::-1]])


def vectors() -> dict[str, object]:
    """What picture.json holds."""
    tables = load_tables()
    pictures = []
    for case in CASES:
        layers = write(tables, made_picture(case), case.opens)
        entry: dict[str, object] = {**case._asdict(), "layers": [layer.hex() for layer in layers]}
        if case.big:
            entry["values_sha256"] = [digest(read(tables, layers, case.height, case.width, case.planes))]
        else:
            known = [read(tables, layers[: k + 1], case.height, case.width, case.planes) for k in range(len(layers))]
            entry["values_sha256"] = [digest(each) for each in known]
            entry["samples"] = [samples(each).tobytes().hex() for each in known]
        pictures.append(entry)
    refused = []
    for name, planes, height, width, payload in malformed(tables):
        entry = {"name": name, "planes": planes, "height": height, "width": width, "payload": payload.hex()}
        try:
            entry["values_sha256"] = digest(read(tables, unpack(payload), height, width, planes))
        except UnreadableError:
            entry["values_sha256"] = None
        refused.append(entry)
    return {"tables_sha256": tables.sha256, "made_of": MADE_OF, "pictures": pictures, "malformed": refused}


if __name__ == "__main__":
    FILE.write_text(json.dumps(vectors(), indent=1) + "\n", "ascii", newline="\n")
