"""Finds the step of a picture: the smallest whose layers fit into some bytes, or the largest that is good enough."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from imgcrypt.codec import picture
from imgcrypt.errors import NetError
from imgcrypt.metrics import psnr

if TYPE_CHECKING:
    from imgcrypt.arrays import Bytes

HIGHEST = 2047
"""Of step codes."""
PREVIEW = 110.0
"""The first layer's step, about, where that takes no more than PREVIEW_RATE."""
PREVIEW_RATE = 0.0075
"""Bytes for each sample that the first layer may take."""
LAYERED = 30_000
"""Samples from which on a picture has a first layer of its own."""
REACH = picture.STEPS // 4
"""Step codes that one choice of blocks serves."""
TRIES = 12
MOST = 16
"""Low bits that the first layer leaves open."""
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
        self._layered = colors.size >= LAYERED
        self._preview = PREVIEW
        self._room = PREVIEW_RATE * colors.size
        self._chosen: int | None = None
        self._blocks: Any = None

    def at(self, code: int) -> picture.Coefficients:
        """Its integers at a step code."""
        if self._chosen is None or abs(code - self._chosen) > REACH:
            self._chosen, self._blocks = code, picture.transform(self._planes, code)
        coefficients, sides = self._blocks
        return picture.quantize(coefficients, sides, code)

    def layers(self, whole: picture.Coefficients) -> list[bytes]:
        """Their layers: a first one that stands alone, and the rest."""
        while True:
            most = round(math.log2(self._preview / picture.size(whole.step)))
            layers = picture.encode(whole, (most, 0) if self._layered and most > 0 else (0,))
            if len(layers) == 1 or len(layers[0]) <= self._room or most >= MOST:
                return layers
            self._preview *= 2


def fitting(colors: Bytes, room: int, overhead: int) -> list[bytes]:
    """The layers of the smallest step at which they fit into ``room`` bytes with ``overhead`` more, or nearly so.

    They take more only if no step is large enough.
    """
    trial = Trial(colors)
    found: list[bytes] = []
    best = -1
    goal = room - overhead

    def excess(code: int) -> float:
        nonlocal found, best
        layers = trial.layers(trial.at(code))
        length = sum(map(len, layers))
        if best < length <= goal or not found:
            found, best = layers, length if length <= goal else -1
        return math.log2(length / goal)

    # From a coefficient of about 1.1 bits in each thirtieth of a gray level's step.
    start = picture.step_code(0.9 * (goal / colors.size) ** -0.95)
    _solve(excess, start, -1.1 / picture.STEPS, math.log2(1 - SLACK), 0.0)
    return found


def reaching(colors: Bytes, target: float) -> list[bytes]:
    """The layers of about the largest step at which the picture comes back with ``target`` dB, no net used.

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
    return trial.layers(found[0])


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
