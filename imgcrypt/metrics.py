"""Measures of pictures and of ciphertexts.

The quality of a picture: :func:`psnr`. The statistics that papers on image encryption print: NPCR and UACI, entropy,
local entropy, correlation of neighbors, chi-square; how random samples score is in :mod:`imgcrypt.bench.significance`.
**None of them shows security**: a broken cipher can score as random samples do, and a sound one, AES in counter mode
under a nonce used twice, fails NPCR and UACI by design. docs/threat-model.md says more.

Samples are uint8 or uint16; ``levels`` is the number of their gray levels, 256 or 65536. What compares two pictures
raises ImageError if their shapes or dtypes differ.
"""

from __future__ import annotations

import math
import statistics

import numpy as np
from numpy.typing import NDArray

from imgcrypt.errors import ImageError, ImgcryptError

Samples = NDArray[np.uint8] | NDArray[np.uint16]

DIRECTIONS = {"horizontal": (0, 1), "vertical": (1, 0), "diagonal": (1, 1)}
"""Rows down and columns right from a pixel to its neighbor."""
LOCAL_SIDE = 44
"""Pixels a side of the blocks of local entropy: T_B = 1936 pixels (Wu et al. 2013)."""
LOCAL_BLOCKS = 30
"""How many of them: k = 30 (Wu et al. 2013)."""
PART = 1 << 13
"""Samples at a time where NumPy needs eight bytes for each: they stay in the processor's cache, and NumPy's BLAS
does not split so few of them between threads, which costs more than it saves."""


def psnr(one: Samples, other: Samples) -> float:
    """Peak signal-to-noise ratio in dB over all samples of two pictures of one shape and dtype.

    10 log10(peak**2 / mean squared error), the peak being the dtype's largest value; infinite for equal pictures.
    """
    _check_pair(one, other)
    # Row by row, so that large pictures cost little memory; exact integers, so that the order does not matter.
    total = sum(int(np.square(a.astype(np.int64) - b).sum()) for a, b in zip(one, other, strict=True))
    error = total / one.size
    return math.inf if error == 0 else float(10 * np.log10(np.iinfo(one.dtype).max ** 2 / error))


def npcr(one: Samples, other: Samples) -> float:
    """Number of pixels change rate: the share of samples, 0 to 1, that differ."""
    _check_pair(one, other)
    return int(np.count_nonzero(one != other)) / one.size


def uaci(one: Samples, other: Samples) -> float:
    """Unified average changing intensity: the mean absolute difference of samples by the largest value, 0 to 1."""
    _check_pair(one, other)
    # Differences of unsigned numbers would wrap around.
    differences = np.maximum(one, other) - np.minimum(one, other)
    return int(differences.sum(dtype=np.uint64)) / (int(np.iinfo(one.dtype).max) * one.size)


def entropy(data: Samples) -> float:
    """Shannon entropy of the histogram, in bits a sample: 8 at most for bytes."""
    counts = histogram(data)
    shares = counts[counts > 0] / data.size
    return float((shares * np.log2(1 / shares)).sum())


def ideal_entropy(samples: int, levels: int = 256) -> float:
    """The expected :func:`entropy` of so many random samples, in bits: about log2(levels) - (levels - 1) / (2 n ln 2).

    Exact: the sum over the binomial distribution of one level's count.
    """
    counts, probability = level_counts(samples, levels)
    shares = np.maximum(counts, 1) / samples  # the count 0 adds nothing, by the product with counts
    return float(levels * (probability * counts / samples * np.log2(1 / shares)).sum())


def local_entropy(plane: Samples, blocks: int = LOCAL_BLOCKS, seed: int | np.random.Generator = 0) -> tuple[float, int]:
    """Local Shannon entropy (Wu et al. 2013): the mean of the entropies of random blocks that do not overlap.

    The blocks are cells, drawn without replacement, of a grid of 44 x 44 pixels at a random place of the picture; in a
    picture of several channels each is of one channel.

    Args:
        plane: (H, W) or (H, W, C), at least 44 x 44 pixels.
        blocks: how many; a picture too small for so many gives all that it has.
        seed: of the draw.

    Returns:
        Bits a sample, and the number of blocks that were taken.

    Raises:
        ImageError: the picture is smaller than one block.
    """
    if min(plane.shape[:2]) < LOCAL_SIDE:
        raise ImageError(f"local entropy takes blocks of {LOCAL_SIDE} x {LOCAL_SIDE} pixels; give a larger picture")
    rng = np.random.default_rng(seed)
    channels = plane[:, :, None] if plane.ndim == 2 else plane
    (rows, down), (columns, right) = (divmod(length, LOCAL_SIDE) for length in plane.shape[:2])
    down, right = int(rng.integers(down + 1)), int(rng.integers(right + 1))
    cells = channels[down : down + rows * LOCAL_SIDE, right : right + columns * LOCAL_SIDE]
    cells = cells.reshape(rows, LOCAL_SIDE, columns, LOCAL_SIDE, -1).transpose(0, 2, 4, 1, 3)
    cells = cells.reshape(-1, LOCAL_SIDE, LOCAL_SIDE)
    taken = rng.permutation(len(cells))[:blocks]
    return statistics.fmean(entropy(cells[number]) for number in taken), len(taken)


def neighbors(
    plane: Samples, direction: str = "horizontal", pairs: int | None = None, seed: int | np.random.Generator = 0
) -> tuple[Samples, Samples]:
    """Pairs of adjacent samples, of the same channel.

    Args:
        plane: (H, W) or (H, W, C).
        direction: a key of DIRECTIONS.
        pairs: how many to draw, with replacement; ``None`` takes all.
        seed: of the draw.

    Returns:
        The first and the second of each pair: (pairs,) both; empty where the picture has none.

    Raises:
        ImgcryptError: no such direction.
    """
    if direction not in DIRECTIONS:
        raise ImgcryptError(f"no direction is called {direction!r}; choose from {', '.join(DIRECTIONS)}")
    down, right = DIRECTIONS[direction]
    one = plane[: plane.shape[0] - down, : plane.shape[1] - right].reshape(-1)
    other = plane[down:, right:].reshape(-1)
    if pairs is None or one.size == 0:
        return one, other
    drawn = np.random.default_rng(seed).integers(0, one.size, pairs)
    return one[drawn], other[drawn]


def correlation(
    plane: Samples, direction: str = "horizontal", pairs: int | None = None, seed: int | np.random.Generator = 0
) -> float:
    """Pearson correlation of :func:`neighbors`, which takes the same; 0 where it is not defined.

    Raises:
        ImgcryptError: no such direction.
    """
    one, other = neighbors(plane, direction, pairs, seed)
    # Exact integers, part by part: a part's sums stay below 2**53.
    count, sum_x, sum_y, sum_xx, sum_yy, sum_xy = one.size, 0, 0, 0, 0, 0
    for at in range(0, count, PART):
        x, y = (side[at : at + PART].astype(np.float64) for side in (one, other))
        sum_x, sum_y = sum_x + int(x.sum()), sum_y + int(y.sum())
        sum_xx, sum_yy, sum_xy = sum_xx + int(x @ x), sum_yy + int(y @ y), sum_xy + int(x @ y)
    scale = (count * sum_xx - sum_x**2) * (count * sum_yy - sum_y**2)
    return (count * sum_xy - sum_x * sum_y) / math.sqrt(scale) if scale > 0 else 0.0


def chi_square(data: Samples) -> float:
    """Pearson's chi-square of the histogram against the uniform one."""
    counts = histogram(data)
    expected = data.size / len(counts)
    return float(np.square(counts - expected).sum()) / expected


def level_counts(samples: int, levels: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """How often one level may occur, above a probability of 10^-30, and how likely each is."""
    reach = 12 * math.sqrt(samples / levels) + 50
    counts = np.arange(max(0, int(samples / levels - reach)), min(samples, int(samples / levels + reach)) + 1)
    # Each count's probability is that of the count before times a simple factor.
    factors = np.log((samples - counts[:-1]) / counts[1:]) - math.log(levels - 1)
    logs = np.append(0.0, np.cumsum(factors))
    weights = np.exp(logs - logs.max())
    return counts, weights / weights.sum()


def histogram(data: Samples) -> NDArray[np.int64]:
    """How often each level occurs: int64 (levels,)."""
    flat, counts = data.reshape(-1), np.zeros(int(np.iinfo(data.dtype).max) + 1, np.int64)
    for at in range(0, flat.size, PART):
        counts += np.bincount(flat[at : at + PART], minlength=len(counts))
    return counts


def _check_pair(one: Samples, other: Samples) -> None:
    if one.shape != other.shape or one.dtype != other.dtype:
        raise ImageError(
            f"pictures of {one.shape} {one.dtype} and {other.shape} {other.dtype} cannot be compared; give two of one "
            "shape and dtype"
        )
