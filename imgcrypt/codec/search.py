"""Finds the step of a picture: the smallest whose layers fit into some bytes, or the largest that is good enough."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from imgcrypt.codec import picture
from imgcrypt.errors import NetError
from imgcrypt.metrics import psnr

if TYPE_CHECKING:
    from imgcrypt.arrays import Bytes

HIGHEST = 2047
"""Of step codes."""
REACH = picture.STEPS // 4
"""Step codes that one choice of blocks serves."""
TRIES = 12
MOST = 16
"""Low bits that a layer leaves open."""
ROUNDS = 6
"""Of choosing layers that end where they should."""
SPARSE = 0.62
"""Of the bytes up to its end: a layer that takes less may as well say one bit more."""
SLACK = 0.01
"""Of the bytes that may stay free."""
FAR = 200.0
"""dB that are as good as infinite."""
NEAR = 0.06
"""dB above a PSNR that are near enough: a step code is worth up to 0.047."""


class Trial:
    """A picture, uint8 (H, W, C), at one step after the other."""

    def __init__(self, colors: Bytes) -> None:
        self._planes = picture.planes(colors)
        self._size = colors.size
        self._steps: list[float] = []
        self._chosen: int | None = None
        self._blocks: Any = None

    def at(self, code: int) -> picture.Coefficients:
        """Its integers at a step code."""
        if self._chosen is None or abs(code - self._chosen) > REACH:
            self._chosen, self._blocks = code, picture.transform(self._planes, code)
        coefficients, sides = self._blocks
        return picture.quantize(coefficients, sides, code)

    def layers(self, whole: picture.Coefficients, ends: Sequence[int]) -> list[bytes]:
        """Their layers, the first ones of which end, if they can, before so many bytes."""
        if len(self._steps) != len(ends):
            # What a layer leaves open is a step too, whose size at so many bytes can be foretold.
            self._steps = [_step_for(end / self._size) for end in ends]
        grown: set[int] = set()
        for turn in range(ROUNDS):
            opens: dict[int, int] = {}  # by the number of the end
            for i, step in enumerate(self._steps):
                now = min(round(math.log2(step / picture.size(whole.step))), MOST)
                if 0 < now < min(opens.values(), default=MOST + 1):
                    opens[i] = now
            layers = picture.encode(whole, (*opens.values(), 0))
            lengths = itertools.accumulate(map(len, layers))
            changed = False
            for i, length in zip(opens, lengths, strict=False):
                if length > ends[i] and opens[i] < MOST:
                    self._steps[i] *= 2
                    grown.add(i)
                    changed = True
                elif length < SPARSE * ends[i] and i not in grown and turn < ROUNDS // 2:
                    self._steps[i] /= 2
                    changed = True
            if not changed:
                break
        return layers


def _step_for(rate: float) -> float:
    """About the step in gray levels at which a picture takes so many bytes a sample."""
    return 0.9 / math.pow(max(rate, 1e-6), 0.95)


def fitting(colors: Bytes, room: int, ends: Sequence[int]) -> list[bytes]:
    """The layers of the smallest step at which they fit into ``room`` bytes, or nearly so.

    The first ones end, if they can, before the bytes ``ends``. They take more than ``room`` only if no step is large
    enough.
    """
    trial = Trial(colors)
    found: list[bytes] = []
    best = -1
    goal = max(room, 1)

    def excess(code: int) -> float:
        nonlocal found, best
        layers = trial.layers(trial.at(code), ends)
        length = sum(map(len, layers))
        if best < length <= goal or not found:
            found, best = layers, length if length <= goal else -1
        return math.log2(length / goal)

    # From a coefficient of about 1.1 bits in each thirtieth of a gray level's step.
    start = picture.step_code(_step_for(goal / colors.size))
    _solve(excess, start, -1.1 / picture.STEPS, math.log2(1 - SLACK), 0.0)
    return found


def reaching(colors: Bytes, target: float, ends: Callable[[int], Sequence[int]]) -> list[bytes]:
    """The layers of about the largest step at which the picture comes back with ``target`` dB, no net used.

    The first ones end, if they can, before the bytes that ``ends`` names for as many bytes as all layers take.

    Raises:
        NetError: no step is small enough, or the target is no number.
    """
    if math.isnan(target):
        raise NetError("a PSNR to aim at is a number of dB; give one, 42 for example")
    trial = Trial(colors)
    found: list[picture.Coefficients] = []
    reached = -math.inf

    def missing(code: int) -> float:
        nonlocal reached
        whole = trial.at(code)
        back = picture.colors(picture.inverse(picture.dequantize(whole), whole.sides))
        quality = psnr(colors, back)
        reached = max(reached, quality)
        if quality >= target and (not found or code > found[0].step):
            found[:] = [whole]
        return min(max(target - quality, -FAR), FAR) if quality < math.inf else -FAR

    start = picture.step_code(4 * 10 ** ((48 - min(max(target, 0), 100)) / 20))
    _solve(missing, start, 5 / picture.STEPS, -NEAR, 0.0)
    if not found:
        raise NetError(f"this picture comes back with {reached:.2f} dB at best; give a lower PSNR, or keep it lossless")
    # One layer alone takes a little less than several.
    return trial.layers(found[0], ends(sum(map(len, trial.layers(found[0], [])))))


def _solve(value: Callable[[int], float], start: int, slope: float, low: float, high: float) -> None:
    """Look at step codes until the value of one lies between ``low`` and ``high``, or none in between is left.

    Args:
        value: is called with codes, and rises or falls with them.
        start: the first code.
        slope: about what the value changes by from one code to the next.
    """
    below, above = (-1, HIGHEST + 1)  # in the order of rising values: codes of too low and of too high ones
    if slope < 0:
        below, above = above, below
    code, seen = start, []
    for _ in range(TRIES):
        found = value(code)
        if low <= found <= high:
            return
        seen.append((code, found))
        if found < low:
            below = code
        else:
            above = code
        first, last = sorted((below, above))
        if last - first < 2:
            return
        if len(seen) > 1 and seen[-1][0] != seen[-2][0]:
            measured = (seen[-1][1] - seen[-2][1]) / (seen[-1][0] - seen[-2][0])
            if slope / 4 < measured < slope * 4 or slope * 4 < measured < slope / 4:
                slope = measured
        code = code + round(((low + high) / 2 - found) / slope)
        if not first < code < last:
            code = first + last >> 1 if first >= 0 and last <= HIGHEST else min(max(code, first + 1), last - 1)
