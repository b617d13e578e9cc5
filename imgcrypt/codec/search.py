"""Finds the step of a picture: the smallest whose layers fit into some bytes, or the largest that is good enough."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from imgcrypt.codec import picture
from imgcrypt.errors import NetError
from imgcrypt.metrics import psnr

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imgcrypt.arrays import Bytes

HIGHEST = 2047
"""Of step codes."""
REACH = picture.STEPS // 4
"""Step codes that one choice of blocks serves."""
SAMPLE = 1 << 19
"""Samples that are enough to know how far expectation is from truth; pictures of twice as many are sampled first."""
STRIPE = SAMPLE // 4
"""Samples of a sample's stripe: it is coded for its length alone, and so by several threads."""
GUESSES, TRIES = 4, 12
"""Steps tried: by what is expected or was seen, and in all, the others by halving."""
ROUGH, ROUGHER = 0.03, 0.1
"""How much further off a sample's value may be: in dB; in octaves of bytes, where quantizing alone says the rest."""
CENTRAL = 0.6
"""Of what lies between the least value and the greatest: in this middle part a value may lie that is foreseen."""
MOST = 16
"""Low bits that a layer leaves open."""
BETWEEN = 2
"""Low bits that a layer leaves open which serves no end."""
FINE = 8.0
"""Gray levels of a step: below it such a layer may pay for the time that it takes."""
FEWEST = 0.94
"""Of the bytes that the quantizer expects, what is coded of pictures."""
ROUNDS = 6
"""Of choosing layers that end where they should."""
SPARSE = 0.62
"""Of the bytes up to its end: a layer that takes less may as well say one bit more."""
SLACK, LITTLE = 0.015, 0.006
"""Of the bytes that may stay free; of a picture whose tries take little time."""
FAR = 200.0
"""dB that are as good as infinite."""
NEAR = 0.06
"""dB above a PSNR that are near enough: a step code is worth up to 0.047."""


class Trial:
    """A picture, uint8 (H, W, C), at one step after the other."""

    def __init__(self, colors: Bytes, code: int, like: Trial | None = None, stripe: int = picture.STRIPE) -> None:
        self.colors = colors
        self.stripe = stripe
        self.steps: list[float] = list(like.steps) if like else []
        """Of layers but the last, about, in gray levels."""
        self.grown: set[int] = set(like.grown) if like else set()
        """Those that were too small once."""
        self._planes = picture.planes(colors)
        self._choose(code)

    def _choose(self, code: int) -> None:
        self._chosen = code
        self._fine = picture.size(code) < FINE
        self._coefficients, self._sides = picture.transform(self._planes, code)
        self._found: picture.Coefficients | None = None
        # An odd one meets all frequencies alike.
        some = self._coefficients[:, :: self.colors.size >> 20 | 1]
        counts = np.bincount((some.view(np.uint32) >> 20 & 2047).reshape(-1))
        self._bins = np.flatnonzero(counts)
        self._counts = counts[self._bins] * (self.colors.size / some.size)

    def at(self, code: int) -> picture.Coefficients:
        """Its integers at a step code."""
        if abs(code - self._chosen) > REACH:
            self._choose(code)
        if self._found is None or self._found.step != code:
            self._found = picture.quantize(self._coefficients, self._sides, code, stripe=self.stripe)
        return self._found

    def layers(self, whole: picture.Coefficients, ends: Sequence[int], rounds: int = ROUNDS) -> list[bytes]:
        """Their layers, the first ones of which end, if they can, before so many bytes: by so many tries at most."""
        if len(self.steps) != len(ends):
            # What a layer leaves open is a step too, whose size at so many bytes can be foretold.
            self.steps[:] = [_step_for(end / self.colors.size) for end in ends]
            self.grown.clear()
        before: dict[int, int] = {}
        for turn in range(rounds):
            opens: dict[int, int] = {}  # by the number of the end
            for i, step in enumerate(self.steps):
                most = min(opens.values(), default=MOST + 1) - 1
                now = min(max(round(math.log2(step / picture.size(whole.step))), 1), MOST)
                if i not in self.grown:
                    now = min(now, most)  # a layer of one bit more than the one before says more than none
                if 0 < now <= most:
                    opens[i] = now
            # One more makes all up to 2 % shorter where many bits are left, and many of them count: what is around
            # a coefficient then tells more.
            between = [BETWEEN] if self._fine and min(opens.values(), default=0) > 2 * BETWEEN else []
            layers = picture.encode(whole, (*opens.values(), *between, 0), self.stripe)
            lengths = itertools.accumulate(map(len, layers))
            changed = False
            for i, length in zip(opens, lengths, strict=False):
                if length > ends[i] and opens[i] < MOST and length != before.get(i):
                    # A bit more makes it half as long at best.
                    more = max(int(math.log2(length / max(ends[i], 1))), 1)
                    self.steps[i] = picture.size(whole.step) * 2 ** min(opens[i] + more, MOST)
                    self.grown.add(i)
                    before[i] = length  # which is all that it takes to say nothing, if it comes again
                    changed = True
                elif length < SPARSE * ends[i] and i not in self.grown and turn < ROUNDS // 2:
                    self.steps[i] = picture.size(whole.step) * 2 ** (opens[i] - 1)
                    changed = True
            if not changed:
                break
        return layers

    def learn(self, sample: Trial, code: int, ends: Sequence[int]) -> None:
        """Take over how a sample of the picture is cut into layers that end where they should."""
        share = sample.colors.size / self.colors.size
        sample.layers(sample.at(code), [int(share * end) for end in ends])
        self.steps, self.grown = list(sample.steps), set(sample.grown)

    def bytes(self, code: int) -> float:
        """About how many the layers of a step code have, which falls with it: true to some hundredths."""
        ratios = self._ratios(code)
        octaves = np.log2(2 * ratios)
        # A bin is an eighth of an octave wide: of one around 0.5 steps, some are coded as 0.
        some = np.clip(8 * octaves + 0.5, 0, 1)
        bits = (1 - some) * 0.6 * ratios + some * (1.8 + 1.2 * octaves)
        return float(0.95 / 8 * (self._counts @ bits)) + 1

    def error(self, code: int) -> float:
        """About the mean squared error of a step code, which rises with it."""
        squares = np.minimum(self._ratios(code) ** 2, 0.12)
        return float(self._counts @ squares) / self.colors.size * picture.size(code) ** 2 + 1e-9

    def _ratios(self, code: int) -> NDArray[np.float64]:
        """Magnitudes of coefficients in steps: eight for each octave, as their exponents and highest bits say."""
        found: NDArray[np.float64] = np.exp2(self._bins / 8 - 126.94) / picture.size(code)
        return found


Value = Callable[[Trial, int], float]


def _step_for(rate: float) -> float:
    """About the step in gray levels at which a picture takes so many bytes a sample."""
    return 0.9 / math.pow(max(rate, 1e-6), 0.95)


def fitting(colors: Bytes, room: int, ends: Sequence[int]) -> list[bytes]:
    """The layers of the smallest step at which they fit into ``room`` bytes, or nearly so.

    The first ones end, if they can, before the bytes ``ends``. They take more than ``room`` only if no step is large
    enough.
    """
    found: list[bytes] = []
    best = -1
    room = max(room, 1)
    goal = room / colors.size

    def left(trial: Trial, code: int) -> float:
        nonlocal found, best
        share = trial.colors.size / colors.size
        rounds = ROUNDS if trial.colors is colors else 1
        layers = trial.layers(trial.at(code), [int(share * end) for end in ends], rounds)
        length = sum(map(len, layers))
        if trial.colors is colors and (best < length <= room or not found):
            found, best = layers, length if length <= room else -1
        return math.log2(goal * trial.colors.size / length)

    def quantized(trial: Trial, code: int) -> float:
        return math.log2(goal * trial.colors.size * 8 / trial.at(code).bits)

    def expected(trial: Trial, code: int) -> float:
        return math.log2(goal * trial.colors.size / trial.bytes(code))

    # From a coefficient of about 1.1 bits in each thirtieth of a gray level's step.
    slack = SLACK if colors.size >= 2 * SAMPLE else LITTLE
    _search(colors, picture.step_code(_step_for(goal)), left, quantized, expected, 0.0, -math.log2(1 - slack))
    return found


def reaching(colors: Bytes, target: float, ends: Callable[[int], Sequence[int]]) -> list[bytes]:
    """The layers of about the largest step at which the picture comes back with ``target`` dB, no net used.

    The first ones end, if they can, before the bytes that ``ends`` names for as many bytes as all layers take.

    Raises:
        NetError: no step is small enough, or the target is no number.
    """
    if math.isnan(target):
        raise NetError("a PSNR to aim at is a number of dB; give one, 42 for example")
    found: list[tuple[Trial, picture.Coefficients]] = []
    reached = -math.inf

    def missing(trial: Trial, code: int) -> float:
        nonlocal reached
        whole = trial.at(code)
        back = picture.colors(picture.inverse(whole))
        quality = psnr(trial.colors, back)
        if trial.colors is colors:
            reached = max(reached, quality)
            if quality >= target and (not found or code > found[0][1].step):
                found[:] = [(trial, whole)]
        return min(max(target - quality, -FAR), FAR)

    def expected(trial: Trial, code: int) -> float:
        return min(max(target, -FAR), FAR) - 10 * math.log10(255**2 / trial.error(code))

    start = picture.step_code(4 * 10 ** ((48 - min(max(target, 0), 100)) / 20))
    sample = _search(colors, start, missing, None, expected, -NEAR, 0.0)
    if not found:
        raise NetError(f"this picture comes back with {reached:.2f} dB at best; give a lower PSNR, or keep it lossless")
    trial, whole = found[0]
    limits = ends(int(FEWEST * whole.bits / 8))
    if sample is not None:
        trial.learn(sample, whole.step, limits)
    for _ in range(ROUNDS // 2):
        layers = trial.layers(whole, limits)
        exact = ends(sum(map(len, layers)))
        lengths = itertools.accumulate(map(len, layers[:-1]))
        if all(length <= end for length, end in zip(lengths, exact, strict=False)):
            break
        limits = exact
    return layers


def _search(
    colors: Bytes, start: int, value: Value, quantized: Value | None, expected: Value, low: float, high: float
) -> Trial | None:
    """Look at step codes until the value of one lies between ``low`` and ``high``, or none in between is left.

    The result is the sample of the picture that was looked at first, None if the picture is too small for one.

    Args:
        colors: the picture.
        start: the first code, roughly.
        value: is called with trials and codes, and rises with these.
        quantized: the value less an amount that is about the same for other codes and for a sample of the picture, by
            quantizing alone; None if ``value`` does no more than that.
        expected: about what the value is, which costs little.
    """
    if colors.size < 2 * SAMPLE:
        _solve(Trial(colors, start), value, expected, low, high)
        return None
    rows = range(0, len(colors), picture.SIDE * (colors.size // SAMPLE))
    sample = Trial(np.concatenate([colors[row : row + picture.SIDE] for row in rows]), start, stripe=STRIPE)
    known = functools.cache(value)
    rough = ROUGHER if quantized else ROUGH
    code, scale = _solve(sample, known, expected, low - rough, high + rough)
    wrong = known(sample, code) - expected(sample, code)

    def corrected(trial: Trial, code: int) -> float:
        return expected(trial, code) + wrong

    trial = Trial(colors, code, sample)
    if quantized is None:
        _solve(trial, value, corrected, low, high, scale)
        return sample
    common = known(sample, code) - quantized(sample, code)
    edge = (1 - CENTRAL) / 2 * (high - low)
    code, scale = _solve(trial, lambda *at: quantized(*at) + common, corrected, low + edge, high - edge, scale)
    wrong += quantized(trial, code) + common - corrected(trial, code)
    _solve(trial, value, corrected, low, high, scale, code)
    return sample


def _solve(
    trial: Trial,
    value: Value,
    expected: Value,
    low: float,
    high: float,
    scale: float = 1.0,
    code: int | None = None,
) -> tuple[int, float]:
    """The code whose value is nearest to the middle between ``low`` and ``high``, of those that were looked at.

    ``scale`` says how fast values rise where expectation rises by 1; what was seen of it is the second result. ``code``
    is the first one to look at.
    """
    middle = (low + high) / 2
    below, above = -1, HIGHEST + 1
    code, seen = _code(trial, expected, middle) if code is None else code, dict[int, float]()
    before = 0.0, 0.0
    for k in range(TRIES):
        found = seen[code] = value(trial, code)
        guess = expected(trial, code)
        if k and guess != before[1]:
            scale = min(max((found - before[0]) / (guess - before[1]), 0.25), 4.0)
        before = found, guess
        below, above = (code, above) if found < low else (below, code)
        if low <= found <= high or above - below < 2:
            break
        if k >= GUESSES:
            code = below + above >> 1
        elif below in seen and above in seen:
            share = (middle - seen[below]) / (seen[above] - seen[below])
            code = below + round(share * (above - below))
        else:
            code = _code(trial, expected, guess + (middle - found) / scale)
        code = min(max(code, below + 1), above - 1)
    return min(seen, key=lambda code: abs(seen[code] - middle)), scale


def _code(trial: Trial, expected: Value, wanted: float) -> int:
    """The code from which on a value of ``wanted`` is expected."""
    below, above = 0, HIGHEST
    while below < above:
        code = below + above >> 1
        below, above = (code + 1, above) if expected(trial, code) < wanted else (below, code)
    return below
