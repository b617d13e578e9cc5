"""Measurements for any rate, in plain Python: the part of the second implementation (independent.py) for section 5.

Like that, it was written from docs/format.md alone. It stops where the bits end: pictures are the graphs' affair.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple


class Tables(NamedTuple):
    """The arrays of 5.1 that decide where bits lie, as lists."""

    steps0: Sequence[Sequence[int]]
    steps1: Sequence[Sequence[int]]
    gains: Sequence[int]

    @property
    def planes(self) -> int:
        """C, 1 or 3."""
        return len(self.steps0[0]) // 1024


class Layout(NamedTuple):
    """What follows from the number of bytes (5.2)."""

    mode: int
    parities: int
    classes: int


def layout(size: int, superblocks: int, planes: int) -> Layout:
    """The mode, t and T; ValueError for fewer bytes than there can be."""
    if size < 5 * superblocks:
        raise ValueError("damaged: too few bytes")
    threshold = {1: 72, 3: 120}[planes] * superblocks
    mode = int(size >= threshold)
    return Layout(mode, 2 if size >= 2 * threshold else 1, 4 * superblocks if mode else superblocks)


def multiply(a: int, b: int) -> int:
    """The product in GF(256)."""
    product = 0
    while b:
        if b & 1:
            product ^= a
        a <<= 1
        if a & 0x100:
            a ^= 0x11D
        b >>= 1
    return product


def codeword_parity(data: Sequence[int], size: int) -> list[int]:
    """The parity of one codeword (5.3): the remainder by long division."""
    generator, root = [1], 1
    for _ in range(size):
        generator = [a ^ multiply(root, b) for a, b in zip([*generator, 0], [0, *generator], strict=True)]
        root = multiply(root, 2)
    rest = [*data, *([0] * size)]
    for at in range(len(data)):
        factor = rest[at]
        for i, coefficient in enumerate(generator):
            rest[at + i] ^= multiply(factor, coefficient)
    return rest[len(data) :]


def parity(classes: Sequence[int], times: int) -> bytes:
    """The parity of the classes (5.3)."""
    total = len(classes)
    count = -(-total // (255 // (1 + times)))
    made = [0] * (times * total)
    for word in range(count):
        members = list(range(word, total, count))
        places = [run * total + i for run in range(times) for i in members]
        values = codeword_parity([classes[i] for i in members], len(places))
        for place, value in zip(places, values, strict=True):
            made[place] = value
    return bytes(made)


def steps_of(tables: Tables, mode: int, classes: Sequence[int]) -> list[int]:
    """The steps of a superblock's coefficients by their numbers (5.2), of its one or four classes."""
    if mode == 0:
        return list(tables.steps0[classes[0]])
    return [
        tables.steps1[classes[2 * (i // 16) + j // 16]][256 * p + 16 * (i % 16) + j % 16]
        for p in range(tables.planes)
        for i in range(32)
        for j in range(32)
    ]


def bits_above(steps: Sequence[int], gains: Sequence[int], level: int) -> list[int]:
    """How many bits of coefficients with these steps have worth of `level` or more (5.4)."""
    found = {step: sum(2 * step + gain >= level for gain in gains) for step in set(steps)}
    return [found[step] for step in steps]


def allocate(tables: Tables, steps: Sequence[Sequence[int]], budget: int) -> tuple[int, list[list[int]]]:
    """The level, and the number of bits of each coefficient by superblock (5.4)."""
    worths: Counter[int] = Counter()
    for step, count in Counter(step for superblock in steps for step in superblock).items():
        for gain in tables.gains:
            worths[2 * step + gain] += count
    level, total = max(0, max(worths) + 1), 0
    while level > 0 and total + worths[level - 1] <= budget:
        level -= 1
        total += worths[level]
    bits = [bits_above(superblock, tables.gains, level) for superblock in steps]
    room = budget - total
    for number, superblock in enumerate(steps if level > 0 else ()):
        more = bits_above(superblock, tables.gains, level - 1)
        room -= sum(more) - sum(bits[number])
        if room < 0:
            break
        bits[number] = more
    return level, bits


def per_superblock(classes: Sequence[int], mode: int) -> list[Sequence[int]]:
    """The one or four classes of each superblock."""
    each = 4 if mode else 1
    return [classes[at : at + each] for at in range(0, len(classes), each)]


def write(
    tables: Tables, rows: int, columns: int, classes: Sequence[int], indices: Sequence[Sequence[int]], size: int
) -> bytes:
    """The measurements of `rows` x `columns` superblocks in `size` bytes, of classes and each superblock's indices."""
    mode, times, count = layout(size, rows * columns, tables.planes)
    room = size - (1 + times) * count
    steps = [steps_of(tables, mode, own) for own in per_superblock(classes, mode)]
    _, bits = allocate(tables, steps, 8 * room - 7 * rows)
    packed = b""
    for row in range(rows):
        text = "".join(
            f"{index:010b}"[:kept]
            for superblock in range(row * columns, (row + 1) * columns)
            for index, kept in zip(indices[superblock], bits[superblock], strict=True)
        )
        text += "0" * (-len(text) % 8)
        packed += bytes(int(text[at : at + 8], 2) for at in range(0, len(text), 8))
    return bytes(classes) + packed.ljust(room, b"\0") + parity(classes, times)


class Known(NamedTuple):
    """What measurements say: by superblock how many bits of each coefficient they hold, and these bits as a number."""

    mode: int
    level: int
    classes: list[int]
    bits: list[list[int]]
    values: list[list[int]]


def read(tables: Tables, rows: int, columns: int, data: bytes) -> Known:
    """The inverse of `write`, up to the bits that are not there. The parity is not looked at."""
    mode, times, count = layout(len(data), rows * columns, tables.planes)
    classes = list(data[:count])
    steps = [steps_of(tables, mode, own) for own in per_superblock(classes, mode)]
    level, bits = allocate(tables, steps, 8 * (len(data) - (1 + times) * count) - 7 * rows)
    values: list[list[int]] = []
    at = 8 * count
    text = "".join(f"{byte:08b}" for byte in data)
    for row in range(rows):
        for counts in bits[row * columns : (row + 1) * columns]:
            values.append([])
            for kept in counts:
                values[-1].append(int(text[at : at + kept] or "0", 2))
                at += kept
        at += -at % 8
    return Known(mode, level, classes, bits, values)


# The frozen vectors

SHAPES = (
    (1, 1, 1, 5),
    (1, 2, 3, 32),
    (1, 2, 3, 71 * 6 + 5),
    (1, 3, 2, 72 * 6),
    (1, 1, 1, 100),
    (1, 2, 3, 144 * 6 + 7),
    (1, 1, 1, 768),
    (1, 1, 131, 1400),
    (1, 2, 11, 144 * 22),
    (3, 1, 2, 20),
    (3, 2, 1, 239),
    (3, 2, 2, 120 * 4),
    (3, 1, 1, 500),
)
"""Planes, rows, columns and bytes."""
GAINS = (-16, -27, -47, -73, -102, -133, -165, -196, -228, -260)


def made_tables(planes: int) -> Tables:
    """Tables made of integers."""

    def steps(side: int) -> list[list[int]]:
        def step(class_: int, p: int, i: int, j: int) -> int:
            return max(0, 215 - class_ % 91 - 150 * (i + j) // side - 20 * p + (class_ * 31 + i * 7 + j * 13) % 17)

        places = [(p, i, j) for p in range(planes) for i in range(side) for j in range(side)]
        return [[step(class_, *place) for place in places] for class_ in range(256)]

    return Tables(steps(32), steps(16), GAINS)


def made_measurements(tables: Tables, rows: int, columns: int, size: int) -> tuple[list[int], list[list[int]]]:
    """Classes, and indices by superblock, made of integers."""
    count = layout(size, rows * columns, tables.planes).classes
    length = 1024 * tables.planes
    return (
        [(i * i * 31 + i * 7 + 3) % 256 for i in range(count)],
        [[(i * i * 29 + i * 11 + 5 + 97 * n) % 1024 for i in range(length)] for n in range(rows * columns)],
    )


MADE_OF = {
    "steps": "of class k, plane p, row i, column j in a block of n x n: "
    "max(0, 215 - k % 91 - 150 * (i + j) // n - 20 * p + (k * 31 + i * 7 + j * 13) % 17)",
    "gains": GAINS,
    "classes": "class i is (i * i * 31 + i * 7 + 3) % 256",
    "indices": "of coefficient i of superblock n: (i * i * 29 + i * 11 + 5 + 97 * n) % 1024",
}
"""How the vectors can be made anew, in words."""


def vectors() -> list[dict[str, object]]:
    """The frozen vectors: the measurements' SHA-256, and all of them if they are few."""
    tables = {planes: made_tables(planes) for planes in (1, 3)}
    entries: list[dict[str, object]] = []
    for planes, rows, columns, size in SHAPES:
        data = write(tables[planes], rows, columns, *made_measurements(tables[planes], rows, columns, size), size)
        entry: dict[str, object] = {"planes": planes, "rows": rows, "columns": columns, "size": size}
        entry["level"] = read(tables[planes], rows, columns, data).level
        entry["sha256"] = hashlib.sha256(data).hexdigest()
        entries.append(entry | ({"hex": data.hex()} if size <= 100 else {}))
    return entries
