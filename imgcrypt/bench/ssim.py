"""SSIM by scikit-image, which comes with the extra ``bench``."""

from __future__ import annotations

from collections.abc import Callable

from imgcrypt.arrays import Bytes
from imgcrypt.bench.common import BenchError

Measure = Callable[[Bytes, Bytes], float]


def load() -> Measure:
    """SSIM with the Gaussian window of Wang, Bovik, Sheikh and Simoncelli (2004); in color the channels' mean.

    Raises:
        BenchError: scikit-image is missing.
    """
    try:
        from skimage.metrics import structural_similarity
    except ImportError:
        raise BenchError("SSIM needs scikit-image; install it with: pip install imgcrypt[bench]") from None

    def measure(one: Bytes, other: Bytes) -> float:
        return float(
            structural_similarity(
                one,
                other,
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
                data_range=255,
                channel_axis=2 if one.ndim == 3 else None,
            )
        )

    return measure
