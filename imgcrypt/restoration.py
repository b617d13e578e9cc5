"""The picture in a payload of which some bytes are lost and others in doubt. docs/format.md, appendix.

What is lost is told from what is around it, which scrambling left there. What is in doubt is told the same way and
believed if it agrees.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from imgcrypt import api, cipher
from imgcrypt.container import Header, Mode

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imgcrypt.recovery import Opened

    Bytes = NDArray[np.uint8]
    Mask = NDArray[np.bool_]
    Floats = NDArray[np.float32]

LIKELY = 0.25
"""A byte is given up from this probability of damage on: one kept in error costs more than one given up in error."""
ROUNDS = 3
"""How often pixels are judged: each time by neighbors of which fewer are wrong."""
GAUSSIANS, MEDIANS = (16, 8), (8, 6, 4, 3, 2, 1)
"""Rounds in which measurements are foretold by a smoothed picture: deviations of Gaussian filters, then reaches of
median filters, in pixels. Each leaves in the picture more of what its measurements say."""
STEPS, STEP = 10, 1 / 40
"""Descent on the bilaplacian, whose eigenvalues go up to 64: it converges for steps below 2/64."""
SMOOTHER = -STEP * np.array(
    [[0, 0, 1, 0, 0], [0, 2, -8, 2, 0], [1, -8, 20, -8, 1], [0, 2, -8, 2, 0], [0, 0, 1, 0, 0]], np.float32
)
"""One step: the bilaplacian on a grid (the five-point Laplacian applied twice), taken away from what is there."""
SMOOTHER[2, 2] += 1
ENOUGH = 1 << 18
"""So many vectors tell how much damage there is."""
FEWEST = 0.05
"""Share of known samples below which those right beside a lost one tell too little of it."""
OWN_WEIGHT = 0.05
"""What a channel by itself tells of a lost sample, beside the differences between channels, which vary less."""


def restore(opened: Opened, provider: str) -> tuple[api.Image, Mask]:
    """The picture, and the bytes of the payload that do not count in it: bool (n,), lost or judged to be wrong."""
    if opened.header.mode is Mode.LOSSLESS:
        return _lossless(opened)
    return _sampled(opened, provider)


def fill(samples: api.Image, lost: Mask) -> api.Image:
    """Tell lost samples from their neighbors.

    The smoothest surface through the known ones, by the biharmonic equation (Damelin and Hoang, Int. J. Math. Math.
    Sci. 2018); where other channels of the pixel are known, of the differences to them rather than of the samples.

    Args:
        samples: uint8 or uint16 (H, W, C); what stands in lost places does not matter. Channel 3 is alpha.
        lost: bool (H, W, C).
    """
    if not lost.any():
        return samples
    channels = samples.shape[2]
    values = [
        np.where(lost[:, :, channel], 0, samples[:, :, channel]).astype(np.float32) for channel in range(channels)
    ]
    known = [~lost[:, :, channel] for channel in range(channels)]
    between: dict[tuple[int, int], tuple[Floats, np.float32]] = {}
    for channel, other in ((1, 0), (2, 0), (2, 1)) if channels >= 3 else ():
        both = known[channel] & known[other]
        difference = _surface(np.where(both, values[channel] - values[other], 0), both)
        between[channel, other] = difference, np.float32(both.mean())
        between[other, channel] = -difference, np.float32(both.mean())
    filled = np.empty_like(samples)
    for channel in range(channels):
        total = OWN_WEIGHT * _surface(values[channel], known[channel])
        weights: Any = np.float32(OWN_WEIGHT)
        for other in _others(channel, channels):
            difference, share = between[channel, other]
            weight = share * known[other]
            total += weight * (values[other] + difference)
            weights = weights + weight
        told = (total / weights).round().clip(0, np.iinfo(samples.dtype).max).astype(samples.dtype)
        filled[:, :, channel] = np.where(known[channel], samples[:, :, channel], told)
    return filled


class Doubts:
    """Judges doubtful bytes by what their surroundings foretell.

    It takes both bytes of a vector together: damage makes noise of both, or of the first alone if only the second
    changed by little, while a pixel of a fine line is odd by itself. How much of either there is, it learns from
    all of them (expectation and maximization: Dempster, Laird and Rubin 1977).
    """

    def __init__(self, opened: Opened) -> None:
        vectors = cipher.vectors(len(opened.payload), opened.image_key)
        self._vectors = np.ascontiguousarray(vectors[opened.doubtful[vectors].any(1)].T)
        self._opened = opened

    def wrong(self, foretold: Bytes, spread: Floats) -> Mask:
        """Which doubtful bytes are likely wrong: bool (n,).

        Args:
            foretold: uint8 (n,), what each byte should be, more or less.
            spread: float32 (n,), how far right bytes lie from that on the average; 0 where nothing is foretold.
        """
        wrong = np.zeros(len(foretold), bool)
        near, also = self._likelihoods(foretold, spread)[self._vectors]
        if len(near) == 0:
            return wrong
        every = len(near) // ENOUGH + 1
        both, single, odd = 0.05, 0.01, 0.05
        for _ in range(20):
            first, second, right, half = _chances(near[::every], also[::every], both, single, odd)
            count = float((2 * right + half).sum())
            odd *= float((right / first + (right + half) / second).sum()) / max(count, 1)
            odd = min(max(odd, 1e-3), 0.5)
            single = max(float(half.mean()), 1e-7)
            both = max(float(1 - right.mean()) - single, 1e-7)
        _, _, right, half = _chances(near, also, both, single, odd)
        wrong[self._vectors[0][1 - right > LIKELY]] = True
        wrong[self._vectors[1][1 - right - half > LIKELY]] = True
        wrong &= self._opened.doubtful
        # Where nothing would be left, there was nothing to judge by.
        return wrong & ~(wrong | self._opened.lost).all()

    def _likelihoods(self, foretold: Bytes, spread: Floats) -> Floats:
        """Of each byte if it is right and not odd: a two-sided geometric law about what is foretold, where anything is.

        They are relative to that of noise, which is uniform.
        """
        apart = np.abs(self._opened.payload.astype(np.int16) - foretold)
        decay = spread / (1 + spread)
        likelihoods = 256 * (1 - decay) / (1 + decay) * decay**apart
        return np.where(self._opened.lost | (decay == 0), np.float32(1), likelihoods)


def _chances(
    near: Floats, also: Floats, both: float, single: float, odd: float
) -> tuple[Floats, Floats, Floats, Floats]:
    """Of vectors: the likelihoods of their two bytes if they are right, odd or not, and the chances that both bytes are
    right and that the second alone is."""
    first, second = (1 - odd) * near + odd, (1 - odd) * also + odd
    right, half = (1 - both - single) * first * second, single * second
    total = right + half + both
    return first, second, right / total, half / total


def _lossless(opened: Opened) -> tuple[api.Image, Mask]:
    header, lost = opened.header, opened.lost
    shape = (header.height, header.width, header.channels, header.sample_bytes)
    if opened.doubtful.any():
        doubts = Doubts(opened)
        # Of 16-bit samples, the upper bytes can be foretold; the lower ones are told apart by their vectors alone.
        upper = opened.payload.reshape(shape)[..., -1]
        foretold, spread = np.zeros(shape, np.uint8), np.zeros(shape, np.float32)
        for _ in range(ROUNDS):
            foretold[..., -1], spread[..., -1] = _foretell(upper, lost.reshape(shape)[..., -1])
            lost = opened.lost | doubts.wrong(foretold.reshape(-1), spread.reshape(-1))
    samples: Any = api._from_bytes(opened.payload, header).reshape(shape[:3])
    filled: Any = fill(samples, np.any(lost.reshape(shape), 3))
    if header.sample_bytes == 2:
        least = samples & 0xFF00
        filled = np.where(lost.reshape(shape)[..., 1], filled, filled.clip(least, least | 0xFF))
    return filled[:, :, 0] if header.channels == 1 else filled, lost


def _sampled(opened: Opened, provider: str) -> tuple[api.Image, Mask]:
    header, payload, lost = opened.header, opened.payload, opened.lost
    image = api._reconstruct(payload, header, provider, (~lost).astype(np.uint8))
    # Other nets pack measurements into bits. They get to know what is lost; doubtful bits they have to believe.
    bytewise = header.net is not None and header.net.block_bytes > 0
    if not (lost.any() or opened.doubtful.any()) or not (bytewise or header.channels == 4):
        return image, lost
    plane = header.height, header.width, 1
    size = len(payload) - (math.prod(plane) if header.channels == 4 else 0)
    foretold, spread = payload.copy(), np.zeros(len(payload), np.float32)
    doubts = Doubts(opened) if opened.doubtful.any() else None
    for turn in range(len(GAUSSIANS) + len(MEDIANS)):
        if bytewise:
            foretold[:size] = _measure(_smooth(image, turn), header, provider)
            spread[:size] = _spread(payload[:size], foretold[:size], lost[:size], header)
        if header.channels == 4:
            alpha = _foretell(payload[size:].reshape(plane), lost[size:].reshape(plane))
            foretold[size:], spread[size:] = (part.reshape(-1) for part in alpha)
        if doubts is not None:
            lost = opened.lost | doubts.wrong(foretold, spread)
        valid = None if bytewise else (~lost).astype(np.uint8)
        image = api._reconstruct(np.where(lost, foretold, payload), header, provider, valid)
    return image, lost


def _measure(image: api.Image, header: Header, provider: str) -> Bytes:
    """The measurements of a picture of one or three channels by a file's net: uint8 (n,)."""
    from imgcrypt.export import zoo

    assert header.net is not None
    return api._sample(image, zoo.find(header.net.weights, header.net.name), provider)


def _smooth(image: api.Image, turn: int) -> api.Image:
    colors = np.ascontiguousarray(image[:, :, :3]) if image.ndim == 3 else image
    if turn < len(GAUSSIANS):
        return cv2.GaussianBlur(colors, (0, 0), GAUSSIANS[turn])  # type: ignore[no-any-return]
    return cv2.medianBlur(colors, 2 * MEDIANS[turn - len(GAUSSIANS)] + 1)  # type: ignore[no-any-return]


def _spread(measurements: Bytes, foretold: Bytes, lost: Mask, header: Header) -> Floats:
    """How far known measurements lie from what was foretold on the average: float32 (n,).

    Some of a block's measurements are harder to foretell than others, and so are those of some blocks.
    """
    assert header.net is not None
    shape = -1, header.net.block_bytes
    known = ~lost.reshape(shape)
    apart = np.abs(measurements.astype(np.float32) - foretold).reshape(shape)
    spread = _from_median(_median(apart, known, 0))
    return (spread * _from_median(_median(apart / spread, known, 1))).reshape(-1)


def _median(values: Floats, known: Mask, axis: int) -> Floats:
    """Medians of the known values along an axis, which is kept; 0 where none is known."""
    ordered = np.sort(np.where(known, values, np.inf), axis)
    counts = known.sum(axis, keepdims=True)
    medians = np.take_along_axis(ordered, np.minimum(counts // 2, values.shape[axis] - 1), axis)
    return np.where(counts > 0, medians, 0)


def _foretell(samples: Bytes, lost: Mask) -> tuple[Bytes, Floats]:
    """What 8-bit samples (H, W, C) should be by their neighbors, and how far they lie from that on the average.

    A lost sample is filled in. Others get the median of 3 x 3, or in color the middle one of that and what the medians
    of the differences to the other two channels say.
    """
    filled = fill(samples, lost).astype(np.float32)
    foretold, spread = np.empty(samples.shape, np.uint8), np.empty(samples.shape, np.float32)
    for channel in range(samples.shape[2]):
        mine = filled[:, :, channel]
        guess = cv2.medianBlur(mine, 3)
        guesses = [
            filled[:, :, other] + cv2.medianBlur(mine - filled[:, :, other], 3)
            for other in _others(channel, samples.shape[2])
        ]
        if guesses:
            low, high = np.minimum(*guesses), np.maximum(*guesses)
            guess = np.minimum(np.maximum(guess, low), high)
        guess = guess.clip(0, 255)
        foretold[:, :, channel] = np.where(lost[:, :, channel], mine, guess)
        spread[:, :, channel] = _from_median(cv2.medianBlur(np.abs(mine - guess), 5))
    return foretold, spread


def _from_median(median: Any) -> Floats:
    """The mean of a geometric law with this median, and half a step so that it is never 0."""
    return np.asarray(median / math.log(2) + 0.5, np.float32)


def _others(channel: int, channels: int) -> list[int]:
    """The channels that vary with this one: of three or four the first three."""
    return [other for other in range(3) if other != channel] if channels >= 3 and channel < 3 else []


def _surface(values: Floats, known: Mask) -> Floats:
    """The smoothest surface through the known values of a plane: float32 (H, W)."""
    weight, mask = known.astype(np.float32), known.astype(np.uint8)
    surface = _mean_nearby(values * weight, weight)
    spare = np.empty_like(surface)
    cv2.copyTo(values, mask, surface)
    for _ in range(STEPS):
        cv2.filter2D(surface, -1, SMOOTHER, spare, borderType=cv2.BORDER_REFLECT_101)
        cv2.copyTo(values, mask, spare)
        surface, spare = spare, surface
    return surface


def _mean_nearby(total: Floats, weight: Floats) -> Floats:
    """Local means of ``total / weight``, wherever there is little weight those of the plane at half the size."""
    near_total, near = cv2.GaussianBlur(total, (0, 0), 0.7), cv2.GaussianBlur(weight, (0, 0), 0.7)
    means = near_total / np.maximum(near, 1e-6)
    height, width = total.shape
    if near.min() > FEWEST or max(height, width) == 1:
        return np.asarray(means, np.float32)
    half = (-(-width // 2), -(-height // 2))
    smaller = (cv2.resize(plane, half, interpolation=cv2.INTER_AREA) for plane in (total, weight))
    farther = cv2.resize(_mean_nearby(*smaller), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.where(near > FEWEST, means, farther), np.float32)
