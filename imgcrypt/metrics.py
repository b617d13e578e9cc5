"""Measures of pictures and ciphertexts."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.uint8] | NDArray[np.uint16]


def psnr(one: Samples, other: Samples) -> float:
    """Peak signal-to-noise ratio in dB over all samples of two pictures of one shape and dtype.

    10 log10(peak**2 / mean squared error), the peak being the dtype's largest value; infinite for equal
    pictures.
    """
    # Row by row, so that large pictures cost little memory; exact integers, so that the order does not matter.
    total = sum(int(np.square(a.astype(np.int64) - b).sum()) for a, b in zip(one, other, strict=True))
    error = total / one.size
    return math.inf if error == 0 else float(10 * np.log10(np.iinfo(one.dtype).max ** 2 / error))


def entropy(data: NDArray[np.uint8]) -> float:
    """Shannon entropy of the byte histogram, in bits a byte: 8 at most."""
    counts = np.bincount(data.reshape(-1), minlength=256)
    shares = counts[counts > 0] / data.size
    return float(-(shares * np.log2(shares)).sum())


def correlation(plane: NDArray[np.uint8]) -> float:
    """Pearson correlation of all horizontally adjacent pairs of (H, W); 0 where it is not defined."""
    left, right = plane[:, :-1].reshape(-1).astype(np.float64), plane[:, 1:].reshape(-1).astype(np.float64)
    if left.size == 0 or left.std() == 0 or right.std() == 0:
        return 0.0
    return float(np.corrcoef(left, right)[0, 1])
