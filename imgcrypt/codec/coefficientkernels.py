"""Coefficients as integers, their layers as range-coded bytes, and back, compiled: docs/format.md, section 5.

The three kernels walk the blocks in one order. A block stands in its picture's place: its coefficient of vertical
frequency i and horizontal frequency j lies i rows and j columns from its upper left corner. At the picture's lower and
right end blocks are cut, and have as many coefficients as samples.

Numba's cache notices changes of a kernel's own file only, so nothing but numbers comes from elsewhere. What is called
for each decision is inlined by force: a call would push seven words for each array.

Magnitudes, and sums of eight of them, fit into 32 bits whatever the bytes. Profiles and what comes of them do not: of a
block of one sample, a magnitude counts 1024 times.
"""

from __future__ import annotations

import numpy as np

from imgcrypt.compiled import njit

SIDE = 32
"""Of a superblock."""
MARGIN = 2
CELLS = 8
"""Each way, of the profile of a block: mean magnitudes by frequency."""
LEVELS = 16
ZONES = 8
SLOTS = 10
"""Decisions about a coefficient that have states of their own."""
LIMIT = 255
"""Of a state's count: from there on, each bit moves its probability by 1 / (LIMIT + 1.5)."""
RAW = 8
"""Bits that are coded at once without a model, at most."""
BITS = 24
"""Of a magnitude, at most; bytes of no encoder cannot say more."""

# Where the states of each kind begin. The first layer and the others have their own.
BANDS = 0
PLACES = BANDS + 2 * 2 * 3 * ZONES * LEVELS * SLOTS
EXTENTS = PLACES + 2 * 3 * CELLS * CELLS * (LEVELS // 2) * SLOTS + 2 * LEVELS * LEVELS * LEVELS * SLOTS
SPLITS = EXTENTS + 2 * 2 * 3 * 5 * 9 * 4
MANTISSAS = SPLITS + 2 * 3
MEANS = MANTISSAS + 2 * 2 * SLOTS * LEVELS
STATES = MEANS + 2 * 3 * 16
WEIGHTS = 2 * 2 * 4 * 4 * 2


@njit(nogil=True, cache=True, forceinline=True)
def _shift(encoding, low, span, at, data):
    """Move the coder on by a byte."""
    if encoding:
        if low >> 32:
            i = at - 1
            while data[i] == 255:
                data[i] = 0
                i -= 1
            data[i] += 1
        data[at] = low >> 24 & 255
        low = (low & 0xFFFFFF) << 8
    else:
        low = low << 8 | (data[at] if at < len(data) else 0)
    return low, span << 8, at + 1


@njit(nogil=True, cache=True, forceinline=True)
def _narrow(encoding, bit, chance, low, span, at, data):
    """Code a bit that is 1 with a probability of ``chance`` in 32768."""
    bound = (span >> 15) * chance
    if not encoding:
        bit = np.int64(low < bound)
    if bit:
        span = bound
    else:
        low = low + bound if encoding else low - bound
        span -= bound
    while span < 1 << 24:
        low, span, at = _shift(encoding, low, span, at, data)
    return bit, low, span, at


@njit(nogil=True, cache=True, forceinline=True)
def _learn(states, i, bit, rates):
    """Move a state, 22 bits of probability and 10 of its count, towards the bit."""
    state = np.int64(states[i])
    count, chance = state & 1023, state >> 10
    chance += ((bit << 22) - chance) * rates[count] >> 16
    states[i] = chance << 10 | count + (count < LIMIT)


@njit(nogil=True, cache=True)
def _one(encoding, bit, i, states, rates, low, span, at, data):
    """Code a bit as one state expects it."""
    chance = min(max(np.int64(states[i]) >> 17, 32), 32736)
    bit, low, span, at = _narrow(encoding, bit, chance, low, span, at, data)
    _learn(states, i, bit, rates)
    return bit, low, span, at


@njit(nogil=True, cache=True, forceinline=True)
def _two(encoding, bit, i, j, k, states, weights, stretch, squash, rates, low, span, at, data):
    """Code a bit as two states expect it, by logistic mixing (Mahoney, PAQ6, 2005): weights k and k + 1 learn too."""
    a, b = np.int64(stretch[np.int64(states[i]) >> 20]), np.int64(stretch[np.int64(states[j]) >> 20])
    logit = weights[k] * a + weights[k + 1] * b >> 16
    chance = np.int64(squash[min(max(logit + 2048, 0), 4095)])
    bit, low, span, at = _narrow(encoding, bit, chance, low, span, at, data)
    error = (bit << 15) - chance
    weights[k] += a * error + 8192 >> 14
    weights[k + 1] += b * error + 8192 >> 14
    _learn(states, i, bit, rates)
    _learn(states, j, bit, rates)
    return bit, low, span, at


@njit(nogil=True, cache=True, forceinline=True)
def _raw(encoding, value, bits, low, span, at, data):
    """Code the lowest bits of a number, all values alike, the highest bits first; decoding, they are the result."""
    found = 0
    while bits:
        some = min(bits, RAW)
        bits -= some
        part = value >> bits & (1 << some) - 1
        span >>= some
        if encoding:
            low += span * part
        else:
            part = np.int64(low >= span) if some == 1 else min(low // span, (1 << some) - 1)
            # Bytes of no encoder can be beyond the interval, and would be further and further.
            low = min(low - span * part, span - 1)
        while span < 1 << 24:
            low, span, at = _shift(encoding, low, span, at, data)
        found = found << some | part
    return found, low, span, at


@njit(nogil=True, cache=True)
def _length(value):
    """Bits of a number: 0 for 0."""
    bits = 0
    while value:
        bits += 1
        value >>= 1
    return bits


@njit(nogil=True, cache=True)
def _below(here, r, wide, sums):
    """Magnitudes of the frequencies below those of a row, in eighths."""
    for c in range(MARGIN, wide + MARGIN):
        sums[c] = 2 * here[r + 1, c] + here[r + 1, c + 1] + here[r + 1, c - 1] + here[r + 2, c]


@njit(nogil=True, cache=True)
def _ahead(here, r, wide, sums):
    """Magnitudes of lower frequencies next to those of a row, in eighths."""
    for c in range(MARGIN, wide + MARGIN):
        sums[c] = 2 * (here[r - 1, c] + here[r, c - 1]) + (
            here[r - 1, c - 1] + here[r - 2, c] + here[r, c - 2] + here[r - 1, c + 1]
        )


@njit(nogil=True, cache=True)
def _outside(known, plane, r, wide, profile, cell_j, sums):
    """Magnitudes in the blocks around and in planes coded before, of the frequencies of a row, in sixteenths."""
    for j in range(wide):
        sums[j + MARGIN] = profile[cell_j[j]]
    for other in range(plane):
        there = known[other]
        for c in range(MARGIN, wide + MARGIN):
            sums[c] += (
                4 * there[r, c] + there[r - 1, c] + there[r, c - 1] + there[r + 1, c] + there[r, c + 1]
            ) << other


@njit(nogil=True, cache=True)
def _expect(left, up, row, column, rows, columns, expected):
    """The profile that a block's neighbours let expect, in sixteenths: the mean of theirs."""
    share = 131072 // (rows + columns)
    for i in range(CELLS):
        for j in range(CELLS):
            expected[i, j] = 0
        for k in range(rows):
            for j in range(CELLS):
                expected[i, j] += left[row + k, i, j]
        for k in range(columns):
            for j in range(CELLS):
                expected[i, j] += up[column + k, i, j]
        for j in range(CELLS):
            expected[i, j] = expected[i, j] * share >> 16


@njit(nogil=True, cache=True)
def _remember(left, up, row, column, rows, columns, here, tall, wide, cell_i, profile, empty):
    """Leave a block's own profile for its neighbours."""
    for i in range(CELLS):
        for j in range(CELLS):
            profile[i, j] = 0
    if not empty:
        share = (1 << 26) // (tall * wide)
        for i in range(tall):
            cell, start = cell_i[i], 0
            for j in range(CELLS):
                end = ((j + 1) * wide + CELLS - 1) // CELLS
                total = profile[cell, j]
                for k in range(start, end):
                    total += here[i + MARGIN, k + MARGIN]
                profile[cell, j] = total
                start = end
        for i in range(CELLS):
            for j in range(CELLS):
                profile[i, j] = profile[i, j] * share >> 16
    for i in range(CELLS):
        for k in range(rows):
            for j in range(CELLS):
                left[row + k, i, j] = profile[i, j]
        for k in range(columns):
            for j in range(CELLS):
                up[column + k, i, j] = profile[i, j]


@njit(nogil=True, cache=True)
def _clear(here, tall, wide):
    """A block's magnitudes, none of which is known, with their margins."""
    for r in range(tall + 2 * MARGIN):
        for c in range(wide + 2 * MARGIN):
            here[r, c] = 0


@njit(nogil=True, cache=True)
def code(
    encoding,
    values,
    top,
    bottom,
    sides,
    extents,
    before,
    now,
    states,
    weights,
    stretch,
    squash,
    rates,
    zones,
    levels,
    data,
):
    """Code one layer of a stripe, or decode it.

    Args:
        encoding: whether ``data`` is written, else it is read.
        values: int32 (C, H', W), of the picture. The encoder's are whole. Of the decoder's, those above the lowest
            ``before`` bits are known, and afterwards those above the lowest ``now``.
        top, bottom: rows of samples that are the stripe's H; in what follows it is all there is.
        sides: uint8 (ceil(H / 8), ceil(W / 8)): the logarithm of the side of the block that each 8 x 8 samples are of.
        extents: uint8 (C, ceil(H / 8), ceil(W / 8)): what earlier layers said of blocks' extents.
        before: low bits of magnitudes not known from earlier layers; 31 in the first one.
        now: low bits of magnitudes that this layer leaves open.
        states: uint32 (STATES,), go on from layer to layer.
        weights: int64 (WEIGHTS,), go on from layer to layer.
        stretch, squash, rates, zones, levels: tables, see imgcrypt.codec.tables.
        data: uint8.

    Returns:
        How many bytes were written, or read.
    """
    q = values[:, top:bottom]
    planes, height, width = q.shape
    high, broad = sides.shape
    first = before == 31
    kind = 0 if first else 1
    gap = before - now
    middle = 0 if first else (1 << gap) - 1 >> 1
    edge = (1 << BITS - now) - 1
    left = np.zeros((planes, high, CELLS, CELLS), np.int64)
    up = np.zeros((planes, broad, CELLS, CELLS), np.int64)
    left_extent = np.zeros((planes, high), np.int64)
    up_extent = np.zeros((planes, broad), np.int64)
    left_mean = np.zeros((planes, high), np.int64)
    up_mean = np.zeros((planes, broad), np.int64)
    expected, profile = np.zeros((CELLS, CELLS), np.int64), np.zeros((CELLS, CELLS), np.int64)
    below, ahead, outside = (
        np.zeros(SIDE + 2 * MARGIN, np.int32),
        np.zeros(SIDE + 2 * MARGIN, np.int32),
        np.zeros(SIDE + 2 * MARGIN, np.int64),
    )
    known = np.zeros((planes, SIDE + 2 * MARGIN, SIDE + 2 * MARGIN), np.int32)
    turn_i, turn_j = np.zeros(SIDE, np.int64), np.zeros(SIDE, np.int64)
    cell_i, cell_j = np.zeros(SIDE, np.int64), np.zeros(SIDE, np.int64)
    low, span, at = np.int64(0), np.int64(0xFFFFFFFF), np.int64(0)
    if not encoding:
        for _ in range(4):
            low = low << 8 | (data[at] if at < len(data) else 0)
            at += 1
        low = min(low, span - 1)
    for corner in range(-(-high // 4) * -(-broad // 4) * 16):
        # Superblocks row by row, in each the sixteen places of 8 x 8 samples in the order of quarters of quarters.
        place = corner & 15
        top, start = (corner >> 4) // -(-broad // 4) * 4, (corner >> 4) % -(-broad // 4) * 4
        row = top + (place >> 3 & 1) * 2 + (place >> 1 & 1)
        column = start + (place >> 2 & 1) * 2 + (place & 1)
        if row >= high or column >= broad:
            continue
        if first:
            for step in range(2):
                # Whether blocks of 32 are cut into blocks of 16, and these into blocks of 8.
                largest = 5 - step
                if place % (16 >> 2 * step) or sides[row, column] > largest:
                    continue
                bit = np.int64(sides[row, column] < largest)
                context = SPLITS + 3 * step
                if column:
                    context += sides[row, column - 1] < largest
                if row:
                    context += sides[row - 1, column] < largest
                bit, low, span, at = _one(encoding, bit, context, states, rates, low, span, at, data)
                if not encoding:
                    reach = 4 >> step
                    for i in range(row, min(row + reach, high)):
                        for j in range(column, min(column + reach, broad)):
                            sides[i, j] = largest - bit
                if not bit:
                    break
        size = np.int64(sides[row, column])
        if place % (1 << 2 * (size - 3)):
            continue
        y, x = 8 * row, 8 * column
        tall, wide = min(1 << size, height - y), min(1 << size, width - x)
        rows, columns = tall + 7 >> 3, wide + 7 >> 3
        for i in range(tall):
            turn_i[i], cell_i[i] = i * SIDE // tall, i * CELLS // tall
        for j in range(wide):
            turn_j[j], cell_j[j] = j * SIDE // wide, j * CELLS // wide
        scale = np.int64(np.sqrt(np.float64(tall * wide)) * 256)
        for plane in range(planes):
            chroma = min(plane, 1)
            sort = (kind * 2 + chroma) * 3 + size - 3
            here = known[plane]
            _clear(here, tall, wide)
            # The extent: coefficients of frequencies i + j, of 32 each way, from four times this on are 0.
            extent = 0
            if encoding:
                reach = -1
                for i in range(tall):
                    for j in range(i == 0, wide):
                        here_too = (abs(q[plane, y + i, x + j]) >> now) > 0
                        reach = max(reach, here_too * (turn_i[i] + turn_j[j] + 1) - 1)
                extent = 0 if reach < 0 else 1 if reach < 8 else 2 if reach < 16 else 3 if reach < 32 else 4
            around = 0
            for k in range(rows):
                around += left_extent[plane, row + k]
            for k in range(columns):
                around += up_extent[plane, column + k]
            around = around * 2 // (rows + columns)
            old_extent = 0 if first else np.int64(extents[plane, row, column])
            base = EXTENTS + ((sort * 5 + old_extent) * 9 + around) * 4
            found = old_extent
            while found < 4:
                bit = np.int64(extent > found)
                bit, low, span, at = _one(encoding, bit, base + found, states, rates, low, span, at, data)
                if not bit:
                    break
                found += 1
            extent = found
            left_extent[plane, row : row + rows] = extent
            up_extent[plane, column : column + columns] = extent
            extents[plane, row, column] = extent
            if first:
                # The DC coefficient, less what the means of the blocks around let expect.
                mean, count = 0, 0
                if column:
                    for k in range(rows):
                        mean += left_mean[plane, row + k]
                    count += rows
                if row:
                    for k in range(columns):
                        mean += up_mean[plane, column + k]
                    count += columns
                if count:
                    mean = mean // count
                guess = mean * scale + 65536 >> 17
                value = np.int64(q[plane, y, x])
                value = value >> now if value >= 0 else -(-value >> now)
                rest = value - guess
                length = _length(abs(rest))
                base = MEANS + (chroma * 3 + size - 3) * 16
                bits = 0
                while bits < BITS:
                    bit = np.int64(length > bits)
                    bit, low, span, at = _one(
                        encoding, bit, base + min(bits, 15), states, rates, low, span, at, data
                    )  # fmt: skip
                    if not bit:
                        break
                    bits += 1
                if bits:
                    found, low, span, at = _raw(encoding, abs(rest), bits - 1, low, span, at, data)
                    found |= 1 << bits - 1
                    bit, low, span, at = _raw(encoding, np.int64(rest < 0), 1, low, span, at, data)
                    value = guess - found if bit else guess + found
                else:
                    value = guess
                value = min(max(value, -edge), edge)
                if not encoding:
                    q[plane, y, x] = value
                mean = value * 131072 // scale
                for k in range(rows):
                    left_mean[plane, row + k] = mean
                for k in range(columns):
                    up_mean[plane, column + k] = mean
            limit = 1 if extent == 0 else 4 << extent if extent < 4 else 2 * SIDE
            empty = first and extent == 0
            if not empty:
                _expect(left[plane], up[plane], row, column, rows, columns, expected)
                if not first:
                    for i in range(tall):
                        for j in range(wide):
                            old = abs(q[plane, y + i, x + j])
                            if encoding:
                                old >>= before
                            if old:
                                here[i + MARGIN, j + MARGIN] = (old << gap) + middle
                for i in range(tall - 1, -1, -1):
                    if turn_i[i] >= limit:
                        continue
                    _below(here, i + MARGIN, wide, below)
                    _outside(known, plane, i + MARGIN, wide, expected[cell_i[i]], cell_j, outside)
                    if not first:
                        _ahead(here, i + MARGIN, wide, ahead)
                    one, two = np.int64(0), np.int64(0)
                    for j in range(min(wide, ((limit - turn_i[i]) * wide + SIDE - 1) // SIDE) - 1, -1, -1):
                        if first and i + j == 0:
                            continue
                        r, c = i + MARGIN, j + MARGIN
                        value = np.int64(q[plane, y + i, x + j])
                        magnitude = abs(value)
                        old = magnitude
                        if encoding:
                            old = magnitude >> before
                            magnitude >>= now
                        # Of higher frequencies in the row, the two nearest: one and two.
                        behind = below[c] + 2 * one + two
                        two, one = one, np.int64(0)
                        if first:
                            inner = 2 * behind
                            part = (chroma * 3 + size - 3) * 64 + cell_i[i] * CELLS + cell_j[j]
                            part = part * (LEVELS // 2) + (np.int64(levels[min(inner, 1023)]) >> 1)
                        else:
                            inner = behind + ahead[c]
                            part = (chroma * LEVELS + np.int64(levels[min(4 * ahead[c], 1023)])) * LEVELS
                            part = (part + np.int64(levels[min(2 * behind, 1023)])) * LEVELS
                            part += 2 * 3 * CELLS * CELLS * LEVELS // 2 + np.int64(levels[min(outside[c], 1023)])
                        level = np.int64(levels[min(inner + outside[c], 1023)])
                        zone = np.int64(zones[turn_i[i] + turn_j[j]])
                        band = BANDS + ((sort * ZONES + zone) * LEVELS + level) * SLOTS
                        part = PLACES + part * SLOTS
                        mix = ((kind * 2 + chroma) * 4 + min(level >> 1, 3)) * 4
                        if old:
                            # The next bit leans to 0, those after it hardly.
                            slot = 4 + min(old - 1, 5)
                            bit = magnitude >> gap - 1 & 1
                            bit, low, span, at = _two(
                                encoding, bit, band + slot, part + slot, 2 * (mix + 3), states, weights,
                                stretch, squash, rates, low, span, at, data,
                            )  # fmt: skip
                            found, low, span, at = _raw(encoding, magnitude, gap - 1, low, span, at, data)
                            found |= (old << 1 | bit) << gap - 1
                            here[r, c] = one = found
                            if not encoding:
                                q[plane, y + i, x + j] = found if value > 0 else -found
                            continue
                        # How many bits the magnitude has, from 0 up; then those below the highest.
                        length = _length(magnitude)
                        most = BITS - now if first else gap
                        bits = 0
                        while bits < most:
                            bit = np.int64(length > bits)
                            slot = min(bits, SLOTS - 1 if first else 3)
                            bit, low, span, at = _two(
                                encoding, bit, band + slot, part + slot, 2 * (mix + min(bits, 3 if first else 2)),
                                states, weights, stretch, squash, rates, low, span, at, data,
                            )  # fmt: skip
                            if not bit:
                                break
                            bits += 1
                        if bits == 0:
                            here[r, c] = 0
                            continue
                        found = 1
                        if bits > 1:
                            bit = magnitude >> bits - 2 & 1
                            context = MANTISSAS + ((kind * 2 + chroma) * SLOTS + min(bits - 2, SLOTS - 1)) * LEVELS
                            bit, low, span, at = _one(
                                encoding, bit, context + level, states, rates, low, span, at, data
                            )  # fmt: skip
                            found, low, span, at = _raw(encoding, magnitude, bits - 2, low, span, at, data)
                            found |= (2 | bit) << bits - 2
                        here[r, c] = one = found
                        bit, low, span, at = _raw(encoding, np.int64(value < 0), 1, low, span, at, data)
                        if not encoding:
                            q[plane, y + i, x + j] = -found if bit else found
            here[MARGIN, MARGIN] = 0  # what a DC coefficient is says nothing of the others
            _remember(
                left[plane], up[plane], row, column, rows, columns, here, tall, wide, cell_i, profile, empty
            )  # fmt: skip
    if not encoding:
        return at
    # The shortest bytes that name a number in the interval; a reader takes zero bytes for those that are missing.
    for keep in range(1, 5):
        unit = np.int64(1) << 32 - 8 * keep
        value = (low + unit - 1) // unit * unit
        if value < low + span:
            break
    low = value
    for _ in range(keep):
        low, span, at = _shift(encoding, low, np.int64(1), at, data)
    while at and data[at - 1] == 0:
        at -= 1
    return at


@njit(nogil=True, cache=True)
def quantize(coefficients, top, bottom, inverse_step, sides, logits, zones, levels, price, trim, floor, block, values):
    """Choose coefficients' integers block by block: the least error plus ``price`` times bits.

    Bits are those that one layer would need by what the states expect at first.

    Args:
        coefficients: float32 (C, H', W), of the picture.
        top, bottom: rows of samples that are the stripe's H; blocks are its.
        inverse_step: 1 / the quantizer's step, float32.
        sides: uint8 (ceil(H / 8), ceil(W / 8)), as in :func:`code`.
        logits: int16 (EXTENTS,), of the probabilities of the first states, times their weights, in 1 / 256.
        zones, levels: as in :func:`code`.
        price: of a bit, in squares of the step.
        trim: below this magnitude a coefficient does not widen its block's extent.
        floor: bits that a block's coefficients must be worth together.
        block: bits of a block by itself, in each plane.
        values: int32 (C, H', W), the result.

    Returns:
        The price of one layer's bits by what the states expect at first: of pictures, up to 6 % too much.
    """
    q, ratios = values[:, top:bottom], coefficients[:, top:bottom]
    planes, height, width = q.shape
    high, broad = sides.shape
    near = np.empty((SIDE, SIDE), np.float32)
    left = np.zeros((planes, high, CELLS, CELLS), np.int64)
    up = np.zeros((planes, broad, CELLS, CELLS), np.int64)
    expected, profile = np.zeros((CELLS, CELLS), np.int64), np.zeros((CELLS, CELLS), np.int64)
    below, outside = np.zeros(SIDE + 2 * MARGIN, np.int32), np.zeros(SIDE + 2 * MARGIN, np.int64)
    known = np.zeros((planes, SIDE + 2 * MARGIN, SIDE + 2 * MARGIN), np.int32)
    turn_i, turn_j = np.zeros(SIDE, np.int64), np.zeros(SIDE, np.int64)
    cell_i, cell_j = np.zeros(SIDE, np.int64), np.zeros(SIDE, np.int64)
    # What a decision costs by the logit of its opposite, in sixteenths from -512 on.
    costs = np.empty(1024, np.float32)
    for k in range(1024):
        costs[k] = price * np.log2(1 + np.exp((k - 512) / 16.0))
    price, spent = np.float32(price), 0.0
    for corner in range(-(-high // 4) * -(-broad // 4) * 16):
        place = corner & 15
        top, start = (corner >> 4) // -(-broad // 4) * 4, (corner >> 4) % -(-broad // 4) * 4
        row = top + (place >> 3 & 1) * 2 + (place >> 1 & 1)
        column = start + (place >> 2 & 1) * 2 + (place & 1)
        if row >= high or column >= broad:
            continue
        size = np.int64(sides[row, column])
        if place % (1 << 2 * (size - 3)):
            continue
        y, x = 8 * row, 8 * column
        tall, wide = min(1 << size, height - y), min(1 << size, width - x)
        rows, columns = tall + 7 >> 3, wide + 7 >> 3
        for i in range(tall):
            turn_i[i], cell_i[i] = i * SIDE // tall, i * CELLS // tall
        for j in range(wide):
            turn_j[j], cell_j[j] = j * SIDE // wide, j * CELLS // wide
        for plane in range(planes):
            chroma = min(plane, 1)
            here = known[plane]
            _clear(here, tall, wide)
            reach = -1
            for i in range(tall):
                for j in range(wide):
                    near[i, j] = abs(ratios[plane, y + i, x + j] * inverse_step)
                    if near[i, j] >= trim and i + j:
                        reach = max(reach, turn_i[i] + turn_j[j])
            limit = 0 if reach < 0 else 8 if reach < 8 else 16 if reach < 16 else 32 if reach < 32 else 2 * SIDE
            gain, bits = np.float32(0), np.float32(0)
            if limit:
                _expect(left[plane], up[plane], row, column, rows, columns, expected)
            for i in range(tall - 1, -1, -1):
                if turn_i[i] >= limit:
                    continue
                _below(here, i + MARGIN, wide, below)
                _outside(known, plane, i + MARGIN, wide, expected[cell_i[i]], cell_j, outside)
                one, two = np.int64(0), np.int64(0)
                for j in range(min(wide, ((limit - turn_i[i]) * wide + SIDE - 1) // SIDE) - 1, -1, -1):
                    magnitude = near[i, j]
                    if i + j == 0:
                        continue
                    r, c = i + MARGIN, j + MARGIN
                    inner = 2 * (below[c] + 2 * one + two)
                    two = one
                    part = (chroma * 3 + size - 3) * 64 + cell_i[i] * CELLS + cell_j[j]
                    part = PLACES + (part * (LEVELS // 2) + (np.int64(levels[min(inner, 1023)]) >> 1)) * SLOTS
                    level = np.int64(levels[min(inner + outside[c], 1023)])
                    zone = np.int64(zones[turn_i[i] + turn_j[j]])
                    band = BANDS + (((chroma * 3 + size - 3) * ZONES + zone) * LEVELS + level) * SLOTS
                    logit = min(max((np.int64(logits[band]) + np.int64(logits[part])) >> 4, -511), 511)
                    paid = costs[512 + logit]
                    best, least = 0, magnitude * magnitude + paid
                    if magnitude > 0.5:
                        high_value = np.int64(magnitude + np.float32(0.5))
                        some = costs[512 - logit] + price
                        for value in range(max(high_value - 1, 1), high_value + 1):
                            length = _length(value)
                            cost = some + price * (length - 1)
                            for k in range(1, length + 1):
                                slot = min(k, SLOTS - 1)
                                logit = (np.int64(logits[band + slot]) + np.int64(logits[part + slot])) >> 4
                                logit = min(max(logit, -511), 511)
                                cost += costs[512 - logit if k < length else 512 + logit]
                            away = magnitude - np.float32(value)
                            if away * away + cost < least:
                                best, least, paid = value, away * away + cost, cost
                    gain += magnitude * magnitude - least
                    bits += paid
                    here[r, c] = one = best
            if gain < price * floor:
                _clear(here, tall, wide)
                bits = np.float32(0)
            spent += price * block + bits
            for i in range(tall):
                for j in range(wide):
                    value = here[i + MARGIN, j + MARGIN]
                    q[plane, y + i, x + j] = -value if ratios[plane, y + i, x + j] < 0 else value
            value = np.int64(near[0, 0] + np.float32(0.45))
            q[plane, y, x] = -value if ratios[plane, y, x] < 0 else value
            _remember(
                left[plane], up[plane], row, column, rows, columns, here, tall, wide, cell_i, profile, limit == 0
            )  # fmt: skip
    return spent


@njit(nogil=True, cache=True)
def doubt(values, top, bottom, sides, zones, levels, variances, ratios, counts, sums, error):
    """How far a picture's samples are expected to be from those of the coefficients' integers.

    Args:
        values: int32 (C, H', W); top, bottom, sides, zones, levels: as in :func:`code`.
        variances: float32 (2 * 3 * ZONES * LEVELS * 3,), in squares of the step, by what is around a coefficient.
        ratios: float32 (C, H, W), true coefficients in steps, to fit ``variances``; else of no elements.
        counts, sums: float64, as many as ``variances``; to the sums, the squares of errors are added.
        error: float32 (C, ceil(H / 8), ceil(W / 8)), in steps, the result.
    """
    q = values[:, top:bottom]
    planes, height, width = q.shape
    high, broad = sides.shape
    left = np.zeros((planes, high, CELLS, CELLS), np.int64)
    up = np.zeros((planes, broad, CELLS, CELLS), np.int64)
    expected, profile = np.zeros((CELLS, CELLS), np.int64), np.zeros((CELLS, CELLS), np.int64)
    below, ahead, outside = (
        np.zeros(SIDE + 2 * MARGIN, np.int32),
        np.zeros(SIDE + 2 * MARGIN, np.int32),
        np.zeros(SIDE + 2 * MARGIN, np.int64),
    )
    known = np.zeros((1, SIDE + 2 * MARGIN, SIDE + 2 * MARGIN), np.int32)
    here = known[0]
    turn_i, turn_j = np.zeros(SIDE, np.int64), np.zeros(SIDE, np.int64)
    cell_i, cell_j = np.zeros(SIDE, np.int64), np.zeros(SIDE, np.int64)
    for row in range(high):
        for column in range(broad):
            size = np.int64(sides[row, column])
            cells = 1 << size - 3
            if row % cells or column % cells:
                continue
            y, x = 8 * row, 8 * column
            tall, wide = min(1 << size, height - y), min(1 << size, width - x)
            rows, columns = tall + 7 >> 3, wide + 7 >> 3
            for i in range(tall):
                turn_i[i], cell_i[i] = i * SIDE // tall, i * CELLS // tall
            for j in range(wide):
                turn_j[j], cell_j[j] = j * SIDE // wide, j * CELLS // wide
            for plane in range(planes):
                _clear(here, tall, wide)
                for i in range(tall):
                    for j in range(wide):
                        here[i + MARGIN, j + MARGIN] = abs(q[plane, y + i, x + j])
                here[MARGIN, MARGIN] = 0
                _expect(left[plane], up[plane], row, column, rows, columns, expected)
                total = np.float32(0)
                sort = (min(plane, 1) * 3 + size - 3) * ZONES
                for i in range(tall):
                    _below(here, i + MARGIN, wide, below)
                    _ahead(here, i + MARGIN, wide, ahead)
                    _outside(known, 0, i + MARGIN, wide, expected[cell_i[i]], cell_j, outside)
                    for j in range(wide):
                        c = j + MARGIN
                        inner = below[c] + 2 * here[i + MARGIN, c + 1] + here[i + MARGIN, c + 2] + ahead[c]
                        level = np.int64(levels[min(inner + outside[c], 1023)])
                        magnitude = np.int64(min(abs(q[plane, y + i, x + j]), 2))
                        context = sort + np.int64(zones[turn_i[i] + turn_j[j]])
                        context = (context * LEVELS + level) * 3 + magnitude
                        total += variances[context]
                        if ratios.size:
                            away = ratios[plane, y + i, x + j] - q[plane, y + i, x + j]
                            counts[context] += 1
                            sums[context] += away * away
                found = np.sqrt(total / np.float32(tall * wide))
                for i in range(row, row + rows):
                    for j in range(column, column + columns):
                        error[plane, i, j] = found
                _remember(
                    left[plane], up[plane], row, column, rows, columns, here, tall, wide, cell_i, profile, False
                )  # fmt: skip
