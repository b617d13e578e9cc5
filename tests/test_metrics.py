"""The measures against values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from imgcrypt import metrics


def test_psnr_of_equal_pictures_is_infinite() -> None:
    picture = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert metrics.psnr(picture, picture.copy()) == math.inf


@pytest.mark.parametrize(("dtype", "peak"), [("uint8", 255), ("uint16", 65535)])
def test_psnr_is_that_of_the_mean_squared_error(dtype: str, peak: int) -> None:
    black, white = np.zeros((4, 5, 3), dtype), np.full((4, 5, 3), peak, dtype)
    assert metrics.psnr(black, white) == pytest.approx(0)
    one_off = black.copy()
    one_off[2, 3, 1] = 1
    # The differences are signed: unsigned ones would wrap around.
    for pair in ((black, one_off), (one_off, black)):
        assert metrics.psnr(*pair) == pytest.approx(10 * math.log10(peak**2 * 60))


def test_psnr_of_large_errors_does_not_overflow() -> None:
    black, white = np.zeros((300, 300), np.uint16), np.full((300, 300), 65535, np.uint16)
    black[0, 0] = 65535
    assert metrics.psnr(black, white) == pytest.approx(-10 * math.log10(1 - 1 / 90_000))


def test_entropy_counts_bits() -> None:
    assert metrics.entropy(np.full(100, 7, np.uint8)) == 0
    assert metrics.entropy(np.array([0, 255], np.uint8)) == pytest.approx(1)
    assert metrics.entropy(np.arange(256, dtype=np.uint8).reshape(16, 16)) == pytest.approx(8)
    assert metrics.entropy(np.array([1, 1, 1, 2], np.uint8)) == pytest.approx(2 - 0.75 * math.log2(3))


def test_correlation_of_neighbors() -> None:
    ramp = np.tile(np.arange(50, dtype=np.uint8), (3, 1))
    assert metrics.correlation(ramp) == pytest.approx(1)
    assert metrics.correlation(np.tile(np.array([0, 9] * 10, np.uint8), (3, 1))) == pytest.approx(-1)
    noise = np.random.default_rng(0).integers(0, 256, (200, 200), np.uint8)
    assert abs(metrics.correlation(noise)) < 0.02


@pytest.mark.parametrize("shape", [(1, 1), (5, 1), (4, 6)])
def test_correlation_that_is_not_defined_is_zero(shape: tuple[int, int]) -> None:
    assert metrics.correlation(np.full(shape, 9, np.uint8)) == 0
