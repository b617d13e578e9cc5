"""SSIM and MS-SSIM, by scikit-image and SciPy, which come with the extra ``bench``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgcrypt.arrays import Bytes
from imgcrypt.bench.common import BenchError

Measure = Callable[[Bytes, Bytes], float]
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Of the scales of MS-SSIM, from the finest."""
RADIUS, SIGMA = 5, 1.5
"""Of the Gaussian window, in pixels."""
SMALLEST = (2 * RADIUS + 1) << (len(WEIGHTS) - 1)
"""Pixels a side that five scales take."""
MISSING = "SSIM needs scikit-image; install it with: pip install imgcrypt[bench]"


def load() -> Measure:
    """SSIM with the Gaussian window of Wang, Bovik, Sheikh and Simoncelli (2004); in color the channels' mean.

    Raises:
        BenchError: scikit-image is missing.
    """
    try:
        from skimage.metrics import structural_similarity
    except ImportError:
        raise BenchError(MISSING) from None

    def measure(one: Bytes, other: Bytes) -> float:
        return float(
            structural_similarity(
                one,
                other,
                gaussian_weights=True,
                sigma=SIGMA,
                use_sample_covariance=False,
                data_range=255,
                channel_axis=2 if one.ndim == 3 else None,
            )
        )

    return measure


def multi_scale(one: Bytes, other: Bytes) -> float | None:
    """MS-SSIM of Wang, Simoncelli and Bovik (2003), five scales; in color the channels' mean.

    Args:
        one, other: uint8 (H, W) or (H, W, 3).

    Returns:
        ``None`` if a side has fewer than SMALLEST pixels.

    Raises:
        BenchError: SciPy is missing.
    """
    if min(one.shape[:2]) < SMALLEST:
        return None
    if one.ndim == 3:
        return float(np.mean([multi_scale(one[:, :, i], other[:, :, i]) for i in range(3)]))
    product, x, y = 1.0, one.astype(np.float64), other.astype(np.float64)
    for scale, weight in enumerate(WEIGHTS):
        last = scale == len(WEIGHTS) - 1
        product *= max(_similarity(x, y, last), 0.0) ** weight
        if not last:
            x, y = _halved(x), _halved(y)
    return product


def _similarity(x: NDArray[np.float64], y: NDArray[np.float64], luminance: bool) -> float:
    """The mean of SSIM where the window is inside, or of its contrast and structure alone."""
    mean_x, mean_y = _windowed(x), _windowed(y)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    covariance = _windowed(x * y) - mean_x * mean_y
    variances = _windowed(x * x) - mean_x**2 + _windowed(y * y) - mean_y**2
    found = (2 * covariance + c2) / (variances + c2)
    if luminance:
        found *= (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return float(found.mean())


def _windowed(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    try:
        from scipy.ndimage import gaussian_filter
    except ImportError:
        raise BenchError(MISSING) from None
    whole: Any = gaussian_filter(plane, SIGMA, radius=RADIUS)
    return np.asarray(whole[RADIUS:-RADIUS, RADIUS:-RADIUS])


def _halved(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of 2 x 2; an odd last row or column is left out."""
    height, width = (length // 2 * 2 for length in plane.shape)
    means: NDArray[np.float64] = plane[:height, :width].reshape(height // 2, 2, width // 2, 2).mean((1, 3))
    return means
