"""The picture code as a whole: planes, blocks, layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgcrypt.codec import picture as code
from imgcrypt.errors import DamagedError

Make = Callable[..., Any]
SHAPES = [(1, 1, 1), (1, 1, 3), (1, 300, 3), (300, 1, 1), (33, 31, 3), (64, 96, 3), (97, 130, 1)]


def psnr(a: Any, b: Any) -> float:
    return float(10 * np.log10(255**2 / max(np.mean((a.astype(float) - b) ** 2), 1e-9)))


def samples(picture: Make, shape: tuple[int, int, int]) -> Any:
    return picture(shape[0], shape[1], shape[2]).reshape(shape)


@pytest.mark.parametrize("shape", SHAPES)
def test_planes_and_back(picture: Make, shape: tuple[int, int, int]) -> None:
    colors = samples(picture, shape)
    planes = code.planes(colors)
    assert planes.shape == (shape[2], *shape[:2])
    assert np.array_equal(code.colors(planes), colors)
    # Orthonormal: errors in the planes are errors in the colors.
    assert np.isclose((planes**2).sum(), ((colors.astype(float) - 128) ** 2).sum())


@pytest.mark.parametrize("shape", SHAPES)
def test_the_transform_is_orthonormal(picture: Make, shape: tuple[int, int, int]) -> None:
    planes = code.planes(samples(picture, shape))
    for step in (1.0, 20.0, 200.0):
        coefficients, sides = code.transform(planes, code.step_code(step))
        assert set(np.unique(sides)) <= {3, 4, 5}
        assert np.isclose((coefficients.astype(float) ** 2).sum(), (planes.astype(float) ** 2).sum(), rtol=1e-4)
        # Back from the finest integers.
        values = np.rint(coefficients / np.float32(code.size(0))).astype(np.int32)
        rebuilt = code.inverse(code.Coefficients(values, sides, 0))
        assert np.abs(rebuilt - planes).max() < 0.2
        assert np.sqrt(np.mean((rebuilt - planes) ** 2)) < 0.03


def test_a_block_is_a_cosine_transform() -> None:
    """Of 8 x 8 samples by its definition, DCT-II."""
    rng = np.random.default_rng(0)
    planes = rng.normal(0, 50, (1, 8, 8)).astype(np.float32)
    coefficients, _ = code.transform(planes, code.step_code(5.0))
    k = np.arange(8)
    waves = np.sqrt(2 / 8) * np.cos(np.pi * (2 * k + 1) * k[:, None] / 16)
    waves[0] = np.sqrt(1 / 8)
    assert np.allclose(coefficients[0], waves @ planes[0] @ waves.T, atol=1e-3)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("opens", [(0,), (2, 0), (6, 3, 1, 0)])
def test_layers_and_back(picture: Make, shape: tuple[int, int, int], opens: tuple[int, ...]) -> None:
    colors = samples(picture, shape)
    planes = code.planes(colors)
    coefficients, sides = code.transform(planes, code.step_code(4.0))
    whole = code.quantize(coefficients, sides, code.step_code(4.0))
    layers = code.encode(whole, opens)
    assert len(layers) == len(opens)
    known = code.decode(layers, *shape)
    assert np.array_equal(known.values, whole.values)
    assert np.array_equal(known.sides, sides)
    assert (known.step, known.open) == (whole.step, 0)
    # The picture's error is that of the coefficients.
    error = np.mean((whole.values * code.size(whole.step) - coefficients) ** 2)
    assert np.isclose(np.mean((code.inverse(known) - planes) ** 2), error, rtol=0.1, atol=1e-3)


def test_each_layer_makes_it_better(picture: Make) -> None:
    colors = picture(200, 300)
    step = code.step_code(3.0)
    whole = code.quantize(*code.transform(code.planes(colors), step), step)
    layers = code.encode(whole, (5, 3, 1, 0))
    found = []
    for k in range(1, 5):
        known = code.decode(layers[:k], *colors.shape)
        found.append(psnr(colors, code.colors(code.inverse(known))))
    assert found == sorted(found)
    assert found[0] > 20
    assert found[-1] > 45


def test_stripes_are_coded_on_their_own(picture: Make) -> None:
    colors = picture(520, 700)
    step = code.step_code(10.0)
    whole = code.quantize(*code.transform(code.planes(colors), step), step)
    assert len(code.stripes(whole.values.shape)) == 2
    known = code.decode(code.encode(whole, (3, 0)), *colors.shape)
    assert np.array_equal(known.values, whole.values)


def test_expected_errors_are_about_right(picture: Make) -> None:
    colors = picture(256, 256)
    planes = code.planes(colors)
    for step in (4.0, 16.0, 60.0):
        known = code.quantize(*code.transform(planes, code.step_code(step)), code.step_code(step))
        true = np.sqrt(np.mean((code.inverse(known) - planes) ** 2))
        expected = np.sqrt(np.mean(code.doubt(known) ** 2))
        assert 0.4 < expected / true < 2.5


@pytest.mark.parametrize("change", [b"", b"\0", b"\xff\xff\0", b"\0\x05\x63"])
def test_layers_of_no_picture_are_refused(picture: Make, change: bytes) -> None:
    colors = picture(520, 700)
    step = code.step_code(30.0)
    whole = code.quantize(*code.transform(code.planes(colors), step), step)
    layers = code.encode(whole, (2, 0))
    with pytest.raises(DamagedError):
        code.decode([change, layers[1]], *colors.shape)
    with pytest.raises(DamagedError):
        code.decode([change + layers[0][len(change) : 6]], *colors.shape)
    with pytest.raises(DamagedError):
        code.decode([layers[0], b"\x02" + layers[1][1:]], *colors.shape)


@settings(max_examples=30)
@given(st.integers(0, 2047))
def test_step_codes(number: int) -> None:
    assert code.step_code(code.size(number)) == number
