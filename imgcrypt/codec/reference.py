"""The layers of the picture code in plain Python, byte for byte what the kernel does, for reading and for tests.

It follows docs/format.md, section 5, and shares nothing with the kernel but the tables. It takes a second for some
thousands of samples.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from imgcrypt.codec.tables import Tables

CELLS, LEVELS, ZONES, SLOTS = 8, 16, 8, 10
PLACES = 2 * 2 * 3 * ZONES * LEVELS * SLOTS
LATER_PLACES = PLACES + 2 * 3 * CELLS**2 * LEVELS // 2 * SLOTS
EXTENTS = LATER_PLACES + 2 * LEVELS**3 * SLOTS
SPLITS = EXTENTS + 2 * 2 * 3 * 5 * 9 * 4
MANTISSAS = SPLITS + 2 * 3
MEANS = MANTISSAS + 2 * 2 * SLOTS * LEVELS
Planes = list[list[list[int]]]


class Encoder:
    """A range coder whose interval is kept in full: [low, low + span) of 2^(8 (moved + 4))."""

    def __init__(self) -> None:
        self.low, self.span, self.moved = 0, 2**32 - 1, 0

    def bit(self, bit: int, chance: int) -> int:
        """Code a bit that is 1 with a probability of chance in 32768."""
        bound = (self.span >> 15) * chance
        if bit:
            self.span = bound
        else:
            self.low, self.span = self.low + bound, self.span - bound
        self._move()
        return bit

    def raw(self, value: int, bits: int) -> int:
        """Code a number of so many bits, up to eight at once, the highest first."""
        while bits:
            some = min(bits, 8)
            bits -= some
            self.span >>= some
            self.low += self.span * (value >> bits & 2**some - 1)
            self._move()
        return value

    def _move(self) -> None:
        while self.span < 2**24:
            self.low, self.span, self.moved = self.low << 8, self.span << 8, self.moved + 1

    def data(self) -> bytes:
        """The shortest bytes that, with zero bytes after them, name a number in the interval."""
        for keep in range(1, 5):
            unit = 1 << 32 - 8 * keep
            number = -(-self.low // unit) * unit
            if number < self.low + self.span:
                break
        return number.to_bytes(self.moved + 4, "big").rstrip(b"\0")


class Decoder:
    """The inverse; what it is asked to code is ignored."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at, self.span = data, 4, 2**32 - 1
        self.number = min(int.from_bytes(data[:4].ljust(4, b"\0"), "big"), self.span - 1)

    def bit(self, _: int, chance: int) -> int:
        bound = (self.span >> 15) * chance
        bit = int(self.number < bound)
        if bit:
            self.span = bound
        else:
            self.number, self.span = self.number - bound, self.span - bound
        self._move()
        return bit

    def raw(self, _: int, bits: int) -> int:
        value = 0
        while bits:
            some = min(bits, 8)
            bits -= some
            self.span >>= some
            part = min(self.number // self.span, 2**some - 1)
            self.number = min(self.number - self.span * part, self.span - 1)
            value = value << some | part
            self._move()
        return value

    def _move(self) -> None:
        while self.span < 2**24:
            byte = self.data[self.at] if self.at < len(self.data) else 0
            self.number, self.span, self.at = self.number << 8 | byte, self.span << 8, self.at + 1


class Block(NamedTuple):
    """A block: the logarithm of its nominal side, its corner, and how many samples it has each way."""

    size: int
    y: int
    x: int
    tall: int
    wide: int


class Stripe:
    """A stripe being coded, layer by layer.

    Args:
        values: the coefficients, plane by plane, row by row; zeros for a decoder.
        sides: logarithms of blocks' sides, by 8 x 8 samples; zeros for a decoder.
        tables: see imgcrypt.codec.tables.
    """

    def __init__(self, values: Planes, sides: list[list[int]], tables: Tables) -> None:
        self.values, self.sides = values, sides
        self.height, self.width = len(values[0]), len(values[0][0])
        self.extents: dict[tuple[int, int, int], int] = {}
        self.states = [int(state) for state in tables.states]
        self.weights = [int(weight) for weight in tables.weights]
        self.stretch, self.squash, self.rates, self.zones, self.levels = (list(map(int, each)) for each in tables.maps)
        self.before = 31
        self.coder: Encoder | Decoder = Encoder()

    def encode(self, now: int) -> bytes:
        """The next layer, after which ``now`` low bits of magnitudes are open."""
        self.coder = coder = Encoder()
        self._layer(now)
        return coder.data()

    def decode(self, data: bytes, now: int) -> None:
        """Read the next layer."""
        self.coder = Decoder(data)
        self._layer(now)

    @property
    def _encoding(self) -> bool:
        return isinstance(self.coder, Encoder)

    def _learn(self, i: int, bit: int) -> None:
        count, chance = self.states[i] & 1023, self.states[i] >> 10
        chance += ((bit << 22) - chance) * self.rates[count] >> 16
        self.states[i] = chance << 10 | min(count + 1, 255)

    def _one(self, bit: int, i: int) -> int:
        bit = self.coder.bit(bit, min(max(self.states[i] >> 17, 32), 32736))
        self._learn(i, bit)
        return bit

    def _two(self, bit: int, i: int, j: int, k: int) -> int:
        logits = [self.stretch[self.states[state] >> 20] for state in (i, j)]
        logit = self.weights[k] * logits[0] + self.weights[k + 1] * logits[1] >> 16
        chance = self.squash[min(max(logit + 2048, 0), 4095)]
        bit = self.coder.bit(bit, chance)
        for n in range(2):
            self.weights[k + n] += logits[n] * ((bit << 15) - chance) + 8192 >> 14
        self._learn(i, bit)
        self._learn(j, bit)
        return bit

    def _blocks(self, first: bool) -> Iterator[Block]:
        """The blocks in their order; the first layer codes on the way how superblocks are cut."""
        for top in range(0, self.height, 32):
            for start in range(0, self.width, 32):
                yield from self._quarters(5, top, start, first)

    def _quarters(self, size: int, y: int, x: int, first: bool) -> Iterator[Block]:
        if y >= self.height or x >= self.width:
            return
        row, column = y // 8, x // 8
        cut = int(self.sides[row][column] < size)
        if size > 3 and first:
            around = int(column > 0 and self.sides[row][column - 1] < size)
            around += int(row > 0 and self.sides[row - 1][column] < size)
            cut = self._one(cut, SPLITS + 3 * (5 - size) + around)
            if not self._encoding:
                # Blocks of 8 are what is left when blocks of 16 are cut.
                for line in self.sides[row : row + (1 << size - 3)]:
                    for k in range(column, min(column + (1 << size - 3), len(line))):
                        line[k] = size - cut
        if cut:
            half = 1 << size - 1
            for part in ((0, 0), (0, half), (half, 0), (half, half)):
                yield from self._quarters(size - 1, y + part[0], x + part[1], first)
        else:
            yield Block(size, y, x, min(1 << size, self.height - y), min(1 << size, self.width - x))

    def _layer(self, now: int) -> None:
        first = self.before == 31
        cells = (math.ceil(self.height / 8), math.ceil(self.width / 8))
        nothing = [[0] * CELLS for _ in range(CELLS)]
        # What the blocks coded before leave for those to their right (left) and below them (up), by plane and cell.
        left = [[(0, 0, nothing)] * cells[0] for _ in self.values]
        up = [[(0, 0, nothing)] * cells[1] for _ in self.values]
        for block in self._blocks(first):
            rows = range(block.y // 8, math.ceil((block.y + block.tall) / 8))
            columns = range(block.x // 8, math.ceil((block.x + block.wide) / 8))
            known: list[dict[tuple[int, int], int]] = []
            for plane in range(len(self.values)):
                here: dict[tuple[int, int], int] = {}
                known.append(here)
                beside = [left[plane][k] for k in rows] + [up[plane][k] for k in columns]
                extent = self._extent(plane, block, beside, now)
                mean = 0
                if first:
                    touching = ([left[plane][k] for k in rows] if block.x else []) + (
                        [up[plane][k] for k in columns] if block.y else []
                    )
                    mean = self._mean(plane, block, [each[1] for each in touching], now)
                if not first or extent:
                    share = 131072 // len(beside)
                    expected = [
                        [sum(each[2][i][j] for each in beside) * share >> 16 for j in range(CELLS)]
                        for i in range(CELLS)
                    ]
                    self._coefficients(plane, block, known, expected, extent, now)
                here.pop((0, 0), None)
                profile = [[0] * CELLS for _ in range(CELLS)]
                for (i, j), magnitude in here.items():
                    profile[i * CELLS // block.tall][j * CELLS // block.wide] += magnitude
                share = (1 << 26) // (block.tall * block.wide)
                profile = [[total * share >> 16 for total in line] for line in profile]
                for k in rows:
                    left[plane][k] = (extent, mean, profile)
                for k in columns:
                    up[plane][k] = (extent, mean, profile)
        self.before = now

    def _extent(self, plane: int, block: Block, beside: list[tuple[int, int, list[list[int]]]], now: int) -> int:
        """Code within which frequencies the block's coefficients other than the DC coefficient may not be 0."""
        reach = -1
        if self._encoding:
            for i in range(block.tall):
                for j in range(block.wide):
                    if (i or j) and abs(self.values[plane][block.y + i][block.x + j]) >> now:
                        reach = max(reach, i * 32 // block.tall + j * 32 // block.wide)
        extent = sum(reach >= bound for bound in (0, 8, 16, 32))
        around = sum(each[0] for each in beside) * 2 // len(beside)
        later = self.before != 31
        found = self.extents.get((plane, block.y, block.x), 0)
        base = ((later * 2 + (plane > 0)) * 3 + block.size - 3) * 5 + found
        while found < 4 and self._one(int(extent > found), EXTENTS + (base * 9 + around) * 4 + found):
            found += 1
        self.extents[plane, block.y, block.x] = found
        return found

    def _mean(self, plane: int, block: Block, means: list[int], now: int) -> int:
        """Code the DC coefficient of the first layer; the result is what blocks around will expect of theirs."""
        scale = math.isqrt(block.tall * block.wide << 16)
        guess = (sum(means) // len(means) if means else 0) * scale + 65536 >> 17
        value = self.values[plane][block.y][block.x]
        rest = (abs(value) >> now) * (-1 if value < 0 else 1) - guess
        base = MEANS + ((plane > 0) * 3 + block.size - 3) * 16
        bits = 0
        while bits < 24 and self._one(int(abs(rest).bit_length() > bits), base + min(bits, 15)):
            bits += 1
        value = guess
        if bits:
            magnitude = 1 << bits - 1 | self.coder.raw(abs(rest) & (1 << bits - 1) - 1, bits - 1)
            value += -magnitude if self.coder.raw(int(rest < 0), 1) else magnitude
        edge = (1 << 24 - now) - 1
        value = min(max(value, -edge), edge)
        if not self._encoding:
            self.values[plane][block.y][block.x] = value
        return value * 131072 // scale

    def _coefficients(
        self,
        plane: int,
        block: Block,
        known: list[dict[tuple[int, int], int]],
        expected: list[list[int]],
        extent: int,
        now: int,
    ) -> None:
        """Code the block's coefficients, from the highest frequencies down; of the first layer, all but the DC one."""
        first, gap = self.before == 31, self.before - now
        size, y, x, tall, wide = block
        here = known[plane]
        places = [(i, j) for i in range(tall) for j in range(wide)]
        if not first:
            for i, j in places:
                old = abs(self.values[plane][y + i][x + j]) >> (self.before if self._encoding else 0)
                if old:
                    here[i, j] = (old << gap) + ((1 << gap) - 1 >> 1)
        chroma = int(plane > 0)
        sort = ((not first) * 2 + chroma) * 3 + size - 3
        limit = (1, 8, 16, 32, 64)[extent]
        for i, j in reversed(places):
            turn = i * 32 // tall + j * 32 // wide
            if turn >= limit or (first and i + j == 0):
                continue

            def at(down: int, right: int, there: dict[tuple[int, int], int], i: int = i, j: int = j) -> int:
                return there.get((i + down, j + right), 0)

            behind = 2 * (at(1, 0, here) + at(0, 1, here))
            behind += at(1, 1, here) + at(2, 0, here) + at(0, 2, here) + at(1, -1, here)
            outside = expected[i * CELLS // tall][j * CELLS // wide]
            for other, there in enumerate(known[:plane]):
                cross = at(-1, 0, there) + at(0, -1, there) + at(1, 0, there) + at(0, 1, there)
                outside += (4 * at(0, 0, there) + cross) << other
            if first:
                inner = 2 * behind
                cell = i * CELLS // tall * CELLS + j * CELLS // wide
                part = ((chroma * 3 + size - 3) * CELLS**2 + cell) * (LEVELS // 2) + (self._level(inner) >> 1)
                part = PLACES + part * SLOTS
            else:
                ahead = 2 * (at(-1, 0, here) + at(0, -1, here))
                ahead += at(-1, -1, here) + at(-2, 0, here) + at(0, -2, here) + at(-1, 1, here)
                inner = behind + ahead
                part = (chroma * LEVELS + self._level(4 * ahead)) * LEVELS + self._level(2 * behind)
                part = LATER_PLACES + (part * LEVELS + self._level(outside)) * SLOTS
            level = self._level(inner + outside)
            band = ((sort * ZONES + self.zones[turn]) * LEVELS + level) * SLOTS
            mix = (((not first) * 2 + chroma) * 4 + min(level >> 1, 3)) * 4
            value = self.values[plane][y + i][x + j]
            magnitude = abs(value) >> (now if self._encoding else 0)
            old = abs(value) >> (self.before if self._encoding else 0)
            if old:
                slot = 4 + min(old - 1, 5)
                bit = self._two(magnitude >> gap - 1 & 1, band + slot, part + slot, 2 * (mix + 3))
                rest = self.coder.raw(magnitude & (1 << gap - 1) - 1, gap - 1)
                magnitude = (old << 1 | bit) << gap - 1 | rest
                negative = value < 0
            else:
                bits = 0
                while bits < (24 - now if first else gap):
                    slot = min(bits, SLOTS - 1 if first else 3)
                    weight = 2 * (mix + min(bits, 3 if first else 2))
                    if not self._two(int(magnitude.bit_length() > bits), band + slot, part + slot, weight):
                        break
                    bits += 1
                if not bits:
                    here.pop((i, j), None)
                    continue
                found = 1
                if bits > 1:
                    context = ((not first) * 2 + chroma) * SLOTS + min(bits - 2, SLOTS - 1)
                    bit = self._one(magnitude >> bits - 2 & 1, MANTISSAS + context * LEVELS + level)
                    found = (2 | bit) << bits - 2
                    found |= self.coder.raw(magnitude & (1 << bits - 2) - 1, bits - 2)
                magnitude = found
                negative = bool(self.coder.raw(int(value < 0), 1))
            here[i, j] = magnitude
            if not self._encoding:
                self.values[plane][y + i][x + j] = -magnitude if negative else magnitude

    def _level(self, total: int) -> int:
        return self.levels[min(total, 1023)]
