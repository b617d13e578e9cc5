"""The picture in a payload of which some bytes are lost and others in doubt. docs/format.md, appendix.

Scrambling spreads a loss over the whole picture, so that samples around a lost one are known: they predict it. A byte
in doubt is predicted in the same way, and believed where it agrees.
"""

from __future__ import annotations

import contextlib
import math
from typing import Any

import numpy as np

from imgcrypt import payload
from imgcrypt.arrays import Bytes, Floats, Image, Mask
from imgcrypt.container import Mode
from imgcrypt.errors import DamagedError
from imgcrypt.opencv import cv2
from imgcrypt.recovery import Found
from imgcrypt.runtime import zoo

LIKELY = 0.25
"""A byte is given up from this probability of damage on: one kept in error costs more than one given up in error."""
ROUNDS = 3
"""How often pixels are judged: each time by neighbors of which fewer are wrong."""
GAUSSIANS, MEDIANS = (16, 8), (8, 6, 4, 3, 2, 1)
"""Each round predicts the measurements from a smoothed picture: by Gaussian filters of these standard deviations, then
by median filters of these radii, in pixels. From round to round less is smoothed away."""
STEPS, STEP = 10, 1 / 40
"""Descent on the bilaplacian, whose eigenvalues go up to 64: it converges for steps below 2/64."""
SMOOTHER = -STEP * np.array(
    [[0, 0, 1, 0, 0], [0, 2, -8, 2, 0], [1, -8, 20, -8, 1], [0, 2, -8, 2, 0], [0, 0, 1, 0, 0]], np.float32
)
"""One step: the bilaplacian on a grid (the five-point Laplacian applied twice), taken away from what is there."""
SMOOTHER[2, 2] += 1
ENOUGH = 1 << 18
"""Vectors that suffice to estimate the weights of the mixture in :class:`Doubts`."""
FEWEST = 0.05
"""Share of known samples around a lost one below which they predict it worse than those farther away."""
OWN_WEIGHT = 0.05
"""Weight of the prediction by the channel itself, beside those by differences between channels, which vary less."""


def restore(opened: Found, provider: str) -> tuple[Image, Mask, Mask]:
    """The picture, and of the payload's bytes those that do not count in it, lost or judged to be wrong, and those that
    do but are not proven: bool (n,) each."""
    header = opened.header
    if header.net is not None and not header.net.block_bytes and not opened.authentic and opened.whole:
        # The first layers are proven; nobody's word is taken for more.
        with contextlib.suppress(DamagedError):
            proven = sum(part.length for part in header.payload_parts[: opened.whole])
            lost = np.arange(len(opened.payload)) >= proven
            return payload.decode_first(opened.payload, proven, header.content, provider), lost, np.zeros_like(lost)
    image, lost = _unproven(opened, provider)
    return image, lost, opened.doubtful & ~lost


def _unproven(opened: Found, provider: str) -> tuple[Image, Mask]:
    if opened.header.mode is Mode.RAW:
        return _raw(opened)
    if opened.header.mode is Mode.LOSSLESS:
        if opened.lost.any() or opened.doubtful.any():
            raise DamagedError(
                "a lossless picture is compressed, and one wrong byte spoils it: get another copy of the file"
            )
        return payload.decode(opened.payload, opened.header.content, provider), opened.lost
    return _sampled(opened, provider)


def fill(samples: Image, lost: Mask) -> Image:
    """Predict lost samples from their neighbors.

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
    """Judges doubtful bytes by what their surroundings predict, the two bytes of a vector together.

    A vector is intact, wrong in both bytes, or wrong in its first alone, which happens where only the second byte of
    its ciphertext changed, and by little. A wrong byte is noise, uniform over 256 values. A right byte follows a
    two-sided geometric law about its prediction or, as the pixels of a fine line do, is an outlier and uniform too.
    With likelihoods relative to noise, g1 and g2 those of the law for both bytes, a vector's is the mixture

        intact * r1 * r2 + first_wrong * r2 + both_wrong,    r = (1 - outliers) * g + outliers,

    whose weights, with intact = 1 - first_wrong - both_wrong, are learned from all doubtful vectors (expectation and
    maximization: Dempster, Laird and Rubin 1977).
    """

    def __init__(self, opened: Found) -> None:
        vectors = opened.vectors()
        self._vectors = np.ascontiguousarray(vectors[opened.doubtful[vectors].any(1)].T)
        self._opened = opened

    def wrong(self, predicted: Bytes, spread: Floats) -> Mask:
        """Which doubtful bytes are likely wrong: bool (n,).

        Args:
            predicted: uint8 (n,), what each byte should be, more or less.
            spread: float32 (n,), how far right bytes lie from that on the average; 0 where nothing is predicted.
        """
        wrong = np.zeros(len(predicted), bool)
        first, second = self._likelihoods(predicted, spread)[self._vectors]
        if len(first) == 0:
            return wrong
        every = len(first) // ENOUGH + 1
        both_wrong, first_wrong, outliers = 0.05, 0.01, 0.05
        for _ in range(20):
            weights = both_wrong, first_wrong, outliers
            right1, right2, intact, half = _posterior(first[::every], second[::every], *weights)
            count = float((2 * intact + half).sum())
            outliers *= float((intact / right1 + (intact + half) / right2).sum()) / max(count, 1)
            outliers = min(max(outliers, 1e-3), 0.5)
            first_wrong = max(float(half.mean()), 1e-7)
            both_wrong = max(float(1 - intact.mean()) - first_wrong, 1e-7)
        _, _, intact, half = _posterior(first, second, both_wrong, first_wrong, outliers)
        wrong[self._vectors[0][1 - intact > LIKELY]] = True
        wrong[self._vectors[1][1 - intact - half > LIKELY]] = True
        wrong &= self._opened.doubtful
        # Where nothing would be left, there was nothing to judge by.
        return wrong & ~(wrong | self._opened.lost).all()

    def _likelihoods(self, predicted: Bytes, spread: Floats) -> Floats:
        """Of each byte under the geometric law about its prediction, relative to noise: float32 (n,).

        1 where nothing is predicted.
        """
        apart = np.abs(self._opened.payload.astype(np.int16) - predicted)
        decay = spread / (1 + spread)
        likelihoods = 256 * (1 - decay) / (1 + decay) * decay**apart
        return np.where(self._opened.lost | (decay == 0), np.float32(1), likelihoods)


def _posterior(
    first: Floats, second: Floats, both_wrong: float, first_wrong: float, outliers: float
) -> tuple[Floats, Floats, Floats, Floats]:
    """Of vectors under the mixture of :class:`Doubts`: the likelihoods of both bytes if they are right, and the
    probabilities that the vector is intact and that its first byte alone is wrong.

    Args:
        first, second: the geometric law's likelihoods of the bytes.
        both_wrong, first_wrong, outliers: weights of the mixture.
    """
    right1, right2 = (1 - outliers) * first + outliers, (1 - outliers) * second + outliers
    intact, half = (1 - both_wrong - first_wrong) * right1 * right2, first_wrong * right2
    total = intact + half + both_wrong
    return right1, right2, intact / total, half / total


def _raw(opened: Found) -> tuple[Image, Mask]:
    header, lost = opened.header, opened.lost
    shape = (header.height, header.width, header.channels, header.sample_bytes)
    if opened.doubtful.any():
        doubts = Doubts(opened)
        # Of 16-bit samples, the upper bytes can be predicted; the lower ones are told apart by their vectors alone.
        upper = opened.payload.reshape(shape)[..., -1]
        predicted, spread = np.zeros(shape, np.uint8), np.zeros(shape, np.float32)
        for _ in range(ROUNDS):
            predicted[..., -1], spread[..., -1] = _predict(upper, lost.reshape(shape)[..., -1])
            lost = opened.lost | doubts.wrong(predicted.reshape(-1), spread.reshape(-1))
    samples: Any = payload.unpack_samples(opened.payload, header.content).reshape(shape[:3])
    filled: Any = fill(samples, np.any(lost.reshape(shape), 3))
    if header.sample_bytes == 2:
        least = samples & 0xFF00
        filled = np.where(lost.reshape(shape)[..., 1], filled, filled.clip(least, least | 0xFF))
    return filled[:, :, 0] if header.channels == 1 else filled, lost


def _sampled(opened: Found, provider: str) -> tuple[Image, Mask]:
    content, data, lost = opened.header.content, opened.payload, opened.lost
    assert content.net is not None  # container.parse saw to it
    entry = zoo.find(content.net.weights, content.net.name)
    bytewise = not entry.any_rate
    if not bytewise:
        # One wrong byte of a layer spoils all that follows in it: what is in doubt is left out.
        size = len(data) - (content.height * content.width if content.channels == 4 else 0)
        lost = lost | (opened.doubtful & (np.arange(len(data)) < size))
    left_out = lost
    image = payload.rebuild(data, content, provider, (~lost).astype(np.uint8))
    if not (lost.any() or opened.doubtful.any()) or not (bytewise or content.channels == 4):
        return image, lost
    plane = content.height, content.width, 1
    size = len(data) - (math.prod(plane) if content.channels == 4 else 0)
    predicted, spread = data.copy(), np.zeros(len(data), np.float32)
    doubts = Doubts(opened) if opened.doubtful.any() else None
    for turn in range(len(GAUSSIANS) + len(MEDIANS)):
        if bytewise:
            predicted[:size] = payload.measure(_smooth(image, turn), entry, provider)
            spread[:size] = _spread(data[:size], predicted[:size], lost[:size], entry.block_bytes)
        if content.channels == 4:
            alpha = _predict(data[size:].reshape(plane), lost[size:].reshape(plane))
            predicted[size:], spread[size:] = (part.reshape(-1) for part in alpha)
        if doubts is not None:
            lost = left_out | doubts.wrong(predicted, spread)
        valid = None if bytewise else (~lost).astype(np.uint8)
        image = payload.rebuild(np.where(lost, predicted, data), content, provider, valid)
    return image, lost


def _smooth(image: Image, turn: int) -> Image:
    colors = np.ascontiguousarray(image[:, :, :3]) if image.ndim == 3 else image
    if turn < len(GAUSSIANS):
        return cv2.GaussianBlur(colors, (0, 0), GAUSSIANS[turn])  # type: ignore[no-any-return]
    return cv2.medianBlur(colors, 2 * MEDIANS[turn - len(GAUSSIANS)] + 1)  # type: ignore[no-any-return]


def _spread(measurements: Bytes, predicted: Bytes, lost: Mask, block_bytes: int) -> Floats:
    """How far known measurements lie from what was predicted on the average: float32 (n,).

    Some of a block's measurements are harder to predict than others, and so are those of some blocks.
    """
    shape = -1, block_bytes
    known = ~lost.reshape(shape)
    apart = np.abs(measurements.astype(np.float32) - predicted).reshape(shape)
    spread = _from_median(_median(apart, known, 0))
    return (spread * _from_median(_median(apart / spread, known, 1))).reshape(-1)


def _median(values: Floats, known: Mask, axis: int) -> Floats:
    """Medians of the known values along an axis, which is kept; 0 where none is known."""
    ordered = np.sort(np.where(known, values, np.inf), axis)
    counts = known.sum(axis, keepdims=True)
    medians = np.take_along_axis(ordered, np.minimum(counts // 2, values.shape[axis] - 1), axis)
    return np.where(counts > 0, medians, 0)


def _predict(samples: Bytes, lost: Mask) -> tuple[Bytes, Floats]:
    """What 8-bit samples (H, W, C) should be by their neighbors, and how far they lie from that on the average.

    A lost sample is filled in. Others get the median of 3 x 3, or in color the middle one of that and what the medians
    of the differences to the other two channels say.
    """
    filled = fill(samples, lost).astype(np.float32)
    predicted, spread = np.empty(samples.shape, np.uint8), np.empty(samples.shape, np.float32)
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
        predicted[:, :, channel] = np.where(lost[:, :, channel], mine, guess)
        spread[:, :, channel] = _from_median(cv2.medianBlur(np.abs(mine - guess), 5))
    return predicted, spread


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
