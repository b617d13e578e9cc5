"""The zonal DCT: a byte a coefficient, the low frequencies first, any size and rate; file formats at given bytes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcrypt.bench import codecs
from imgcrypt.bench.pictures import GRAY
from imgcrypt.bench.pictures import waves as color_waves
from imgcrypt.metrics import psnr

DCT = codecs.ZonalDct()
FORMATS = [codec for codec in codecs.CODECS.values() if isinstance(codec, codecs.ImageFormat)]


def waves(height, width):
    y, x = np.mgrid[:height, :width]
    return (128 + 60 * np.sin(x / 9) + 50 * np.cos(y / 7 + x / 31)).round().astype(np.uint8)


def dct(picture, rate):
    return DCT.through(picture, round(rate * picture.size)).picture


@given(height=st.integers(1, 70), width=st.integers(1, 70), rate=st.floats(0.001, 1))
def test_any_size_and_rate(height, width, rate):
    picture = waves(height, width)
    back = dct(picture, rate)
    assert back.shape == picture.shape
    assert back.dtype == np.uint8
    assert abs(back.mean() - picture.mean()) < 30


def test_rate_counts_bytes_of_whole_blocks():
    coefficients = DCT.sample(waves(64, 96), 256)
    assert coefficients.shape == (2, 3, 256)
    assert coefficients.dtype == np.uint8


@pytest.mark.parametrize("value", [0, 1, 100, 255])
def test_flat_pictures_need_one_coefficient(value):
    picture = np.full((40, 50), value, np.uint8)
    # The mean is told to one part in 127 of half the range.
    assert np.abs(dct(picture, 0.001).astype(int) - value).max() <= 1


def test_more_bytes_bring_a_better_picture_up_to_nearly_the_whole():
    figures = [psnr(waves(96, 96), dct(waves(96, 96), rate)) for rate in (0.002, 0.01, 0.05, 0.2, 1)]
    assert figures == sorted(figures)
    assert figures[-1] > 45


def test_low_frequencies_come_first():
    at, sizes = DCT.zone(1024)
    assert list(at[:6]) == [0, 1, 32, 33, 2, 64]
    assert sorted(at) == list(range(1024))
    assert sizes[0] == 4096
    assert sizes[-1] == sizes[1:].min()


def test_set11(data):
    pictures = [cv2.imread(str(path), 0) for path in sorted((data / "set11").glob("*.tif"))]
    assert len(pictures) == 11
    mean = np.mean([psnr(picture, dct(picture, 0.25)) for picture in pictures])
    assert mean == pytest.approx(31.22, abs=0.02)


@pytest.mark.parametrize("codec", FORMATS, ids=lambda codec: codec.name)
@pytest.mark.parametrize("channels", [1, 3])
def test_best_file_that_fits(codec: codecs.ImageFormat, channels: int) -> None:
    picture = color_waves(128, channels)
    size = picture.size // 10
    some = codec.through(picture, size)
    assert some is not None
    assert some.picture.shape == picture.shape
    assert some.size <= size
    sizes = [len(codec.encode(picture, grade)) for grade in range(codec.grades)]
    better = [each for each in sizes if some.size < each <= size]
    # Sizes grow with quality, but for a byte here and there.
    assert len(better) <= 3
    more = codec.through(picture, 6 * size)
    assert more is not None
    assert 20 < psnr(picture, some.picture) < psnr(picture, more.picture)


@pytest.mark.parametrize("codec", FORMATS, ids=lambda codec: codec.name)
def test_no_file_is_that_small(codec: codecs.ImageFormat) -> None:
    assert codec.through(np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8), 20) is None


def test_codecs_are_known_by_name_and_the_dct_takes_gray_alone():
    assert list(codecs.CODECS) == ["dct", "jpeg", "webp", "avif", "jpegxl"]
    assert [name for name, codec in codecs.CODECS.items() if codec.kinds == (GRAY,)] == ["dct"]
