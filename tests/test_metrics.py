"""The measures against values worked out by hand, the printed ones of their sources, and random pictures."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from imgcrypt import metrics
from imgcrypt.errors import ImageError, ImgcryptError


def noise(rng: np.random.Generator, *shape: int) -> npt.NDArray[np.uint8]:
    return rng.integers(0, 256, shape, np.uint8)


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


@pytest.mark.parametrize("direction", metrics.DIRECTIONS)
@pytest.mark.parametrize("shape", [(40, 50), (40, 50, 3)])
def test_correlation_is_numpys_of_the_right_neighbors(direction: str, shape: tuple[int, ...]) -> None:
    plane = np.random.default_rng(1).integers(0, 256, shape, np.uint8) // 3
    plane[1:] += plane[:-1] // 2  # rows and columns relate differently
    one, other = {
        "horizontal": (plane[:, :-1], plane[:, 1:]),
        "vertical": (plane[:-1], plane[1:]),
        "diagonal": (plane[:-1, :-1], plane[1:, 1:]),
    }[direction]
    expected = np.corrcoef(one.ravel(), other.ravel())[0, 1]
    assert metrics.correlation(plane, direction) == pytest.approx(expected, abs=1e-12)
    assert metrics.correlation(plane.astype(np.uint16) * 256, direction) == pytest.approx(expected, abs=1e-12)


def test_correlation_adds_up_over_its_parts() -> None:
    plane = np.random.default_rng(2).integers(0, 256, (300, 301), np.uint8)
    assert plane.size > 3 * metrics.PART
    expected = np.corrcoef(plane[:, :-1].ravel(), plane[:, 1:].ravel())[0, 1]
    assert metrics.correlation(plane) == pytest.approx(expected, abs=1e-12)


def test_random_pairs_are_neighbors_and_follow_the_seed() -> None:
    plane = (np.arange(60)[:, None] * 60 + np.arange(60)).astype(np.uint16)
    for direction, step in (("horizontal", 1), ("vertical", 60), ("diagonal", 61)):
        one, other = metrics.neighbors(plane, direction, 500, seed=3)
        assert one.shape == (500,)
        assert (other - one == step).all()
        assert (one == metrics.neighbors(plane, direction, 500, seed=3)[0]).all()
        assert (one != metrics.neighbors(plane, direction, 500, seed=4)[0]).any()
        assert len(np.unique(one)) > 400
    assert metrics.correlation(plane, "diagonal", 500) == pytest.approx(1)
    assert metrics.neighbors(plane[:1], "vertical", 500)[0].size == 0


def test_npcr_and_uaci_of_small_pictures() -> None:
    one, other = np.array([[0, 10], [255, 7]], np.uint8), np.array([[255, 4], [254, 7]], np.uint8)
    assert metrics.npcr(one, other) == 0.75
    # The differences are signed: unsigned ones would wrap around.
    assert metrics.uaci(one, other) == metrics.uaci(other, one) == (255 + 6 + 1) / (255 * 4)
    wide = np.array([[0, 65535]], np.uint16), np.array([[65535, 0]], np.uint16)
    assert (metrics.npcr(*wide), metrics.uaci(*wide)) == (1, 1)


@pytest.mark.parametrize("measure", [metrics.psnr, metrics.npcr, metrics.uaci])
@pytest.mark.parametrize("other", [np.zeros((1, 3), np.uint8), np.zeros((2, 3), np.uint16), np.zeros(3, np.uint8)])
def test_pictures_of_different_kinds_are_not_compared(measure: Any, other: metrics.Samples) -> None:
    with pytest.raises(ImageError, match="give two of one shape and dtype"):
        measure(np.zeros((2, 3), np.uint8), other)


def test_ideal_entropy_is_the_mean_over_all_outcomes() -> None:
    assert metrics.ideal_entropy(1) == 0
    # Two coins agree half the time; three fall apart 2 : 1 in six outcomes of eight.
    assert metrics.ideal_entropy(2, 2) == pytest.approx(0.5)
    assert metrics.ideal_entropy(3, 2) == pytest.approx(0.75 * (math.log2(3) - 2 / 3))
    # Wu et al. 2013 for blocks of 1936; the customary approximation for a compressed Lena.
    assert metrics.ideal_entropy(1936) == pytest.approx(7.902469317, abs=5.1e-10)
    assert metrics.ideal_entropy(36864) == pytest.approx(8 - 255 / (2 * 36864 * math.log(2)), abs=1e-4)


def test_local_entropy_takes_blocks_that_do_not_overlap() -> None:
    # Each sample is its own place: a block that overlapped another, or two channels in one, would have fewer values.
    plane = np.arange(140 * 100 * 3).reshape(140, 100, 3).astype(np.uint16)
    for seed in range(5):
        value, blocks = metrics.local_entropy(plane, seed=seed)
        assert value == pytest.approx(math.log2(metrics.LOCAL_SIDE**2))
        assert blocks == 3 * 2 * 3
    assert metrics.local_entropy(plane, 4)[1] == 4
    # The place is random: half of this picture is black, and the share of its blocks that are varies.
    half = noise(np.random.default_rng(0), 100, 100)
    half[:, :50] = 0
    assert len({metrics.local_entropy(half, seed=seed)[0] for seed in range(20)}) > 10
    assert metrics.local_entropy(half, seed=1) == metrics.local_entropy(half, seed=1)


@pytest.mark.parametrize("shape", [(43, 200), (200, 43), (43, 100, 3)])
def test_local_entropy_refuses_pictures_below_a_block(shape: tuple[int, ...]) -> None:
    with pytest.raises(ImageError, match="give a larger picture"):
        metrics.local_entropy(np.zeros(shape, np.uint8))


def test_chi_square_of_small_pictures() -> None:
    assert metrics.chi_square(np.arange(512).astype(np.uint8)) == 0
    # 256 equal bytes: (256 - 1)**2 + 255.
    assert metrics.chi_square(np.full(256, 3, np.uint8)) == 65280


def test_directions_are_known() -> None:
    with pytest.raises(ImgcryptError, match="choose from horizontal, vertical, diagonal"):
        metrics.correlation(np.zeros((3, 3), np.uint8), "up")
