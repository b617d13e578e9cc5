"""The coefficients' layers: the kernel against its reference in plain Python, and against hostile bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgcrypt.codec import coefficientkernels, reference, tables
from imgcrypt.codec.tables import Tables


@st.composite
def stripes(draw: st.DrawFn) -> tuple[Any, Any, tuple[int, ...]]:
    """Integers (C, H, W), sides of blocks, and how many bits each layer leaves open."""
    channels, height, width = draw(st.sampled_from([1, 3])), draw(st.integers(1, 70)), draw(st.integers(1, 70))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    sides = np.full((-(-height // 8), -(-width // 8)), 5, np.uint8)
    for size, share in ((4, rng.random()), (3, rng.random())):
        step = 1 << size - 2  # cells of the blocks that are cut
        for row in range(0, len(sides), step):
            for column in range(0, sides.shape[1], step):
                if sides[row, column] == size + 1 and rng.random() < share:
                    sides[row : row + step, column : column + step] = size
    spread = draw(st.sampled_from([0.0, 0.3, 3.0, 300.0]))
    values = rng.laplace(0, 1, (channels, height, width)) * spread * rng.random((channels, height, width)) ** 4
    opens = draw(st.sets(st.integers(0, draw(st.sampled_from([9, 23]))), min_size=1, max_size=4))
    return values.astype(np.int32), sides, tuple(sorted(opens, reverse=True))


def encode(values: Any, sides: Any, opens: tuple[int, ...], held: Tables) -> list[bytes]:
    extents, before = np.zeros((len(values), *sides.shape), np.uint8), 31
    states, weights, data = held.states.copy(), held.weights.copy(), np.empty(8 * values.size + 4096, np.uint8)
    layers = []
    for now in opens:
        count = coefficientkernels.code(
            True, values, 0, values.shape[1], sides, extents, before, now, states, weights, *held.maps, data
        )  # fmt: skip
        layers.append(data[:count].tobytes())
        before = now
    return layers


def decode(layers: list[bytes], shape: tuple[int, ...], opens: tuple[int, ...], held: Tables) -> tuple[Any, Any]:
    values, sides = np.zeros(shape, np.int32), np.zeros((-(-shape[1] // 8), -(-shape[2] // 8)), np.uint8)
    extents, before = np.zeros((len(values), *sides.shape), np.uint8), 31
    states, weights = held.states.copy(), held.weights.copy()
    for layer, now in zip(layers, opens, strict=True):
        data = np.frombuffer(bytearray(layer), np.uint8)
        coefficientkernels.code(
            False, values, 0, shape[1], sides, extents, before, now, states, weights, *held.maps, data
        )  # fmt: skip
        before = now
    return values, sides


@settings(max_examples=60)
@given(stripes())
def test_what_is_decoded_was_encoded(stripe: tuple[Any, Any, tuple[int, ...]]) -> None:
    values, sides, opens = stripe
    held = tables.load()
    layers = encode(values, sides, opens, held)
    for k in range(1, len(opens) + 1):
        found, blocks = decode(layers[:k], values.shape, opens[:k], held)
        assert np.array_equal(found, np.sign(values) * (np.abs(values) >> opens[k - 1]))
        assert np.array_equal(blocks, sides)


@settings(max_examples=25)
@given(stripes())
def test_the_reference_gives_the_same_bytes(stripe: tuple[Any, Any, tuple[int, ...]]) -> None:
    values, sides, opens = stripe
    held = tables.load()
    layers = encode(values, sides, opens, held)
    slow = reference.Stripe(values.tolist(), sides.tolist(), held)
    assert [slow.encode(now) for now in opens] == layers
    reader = reference.Stripe(np.zeros_like(values).tolist(), np.zeros_like(sides).tolist(), held)
    for layer, now in zip(layers, opens, strict=True):
        reader.decode(layer, now)
    assert np.array_equal(reader.values, np.sign(values) * (np.abs(values) >> opens[-1]))
    assert np.array_equal(reader.sides, sides)


@settings(max_examples=60)
@given(
    stripe=stripes(), junk=st.binary(max_size=300), kind=st.sampled_from(["cut", "changed", "junk", "ones", "beyond"])
)
def test_bytes_of_no_layer_are_read_as_some_picture(stripe: Any, junk: bytes, kind: str) -> None:
    values, sides, opens = stripe
    held = tables.load()
    layers = [
        {
            "cut": layer[: len(layer) // 2],
            "changed": layer[:2] + junk + layer[2:],
            "junk": junk,
            "ones": b"\xff" * 999,
            # Beyond the interval from the first decision on.
            "beyond": b"\xff" * 4 + junk,
        }[kind]
        for layer in encode(values, sides, opens, held)
    ]
    found, blocks = decode(layers, values.shape, opens, held)
    slow = reference.Stripe(np.zeros_like(values).tolist(), np.zeros_like(sides).tolist(), held)
    for layer, now in zip(layers, opens, strict=True):
        slow.decode(layer, now)
    assert np.array_equal(slow.values, found)
    assert np.array_equal(slow.sides, blocks)
    assert np.abs(found).max() < 1 << 24


def test_bytes_beyond_the_interval_stay_in_it() -> None:
    """A later layer whose number the decoder's interval does not hold: memory was read far from the tables."""
    held, rng = tables.load(), np.random.default_rng(2)
    for _ in range(3000):
        layers = [rng.bytes(200)] + [b"\xff" * 4 + rng.bytes(int(rng.integers(8, 300))) for _ in range(2)]
        found, _ = decode(layers, (1, 32, 32), (12, 10, 0), held)
        assert np.abs(found).max() < 1 << 24


def test_carries_reach_back() -> None:
    """An encoder whose interval lies across a multiple of 2^32 again and again: many likely zeros, then a one."""
    held = tables.load()
    rng = np.random.default_rng(7)
    values = (rng.random((1, 320, 320)) < 0.002).astype(np.int32) * rng.integers(-3, 4, (1, 320, 320)).astype(np.int32)
    sides = np.full((40, 40), 5, np.uint8)
    found, _ = decode(encode(values, sides, (0,), held), values.shape, (0,), held)
    assert np.array_equal(found, values)


@pytest.mark.parametrize("spread", [0.4, 2.0, 60.0])
def test_the_integers_chosen_are_near(spread: float) -> None:
    held = tables.load()
    rng = np.random.default_rng(3)
    ratios = (rng.laplace(0, 1, (3, 40, 72)) * spread).astype(np.float32)
    q = np.empty(ratios.shape, np.int32)
    coefficientkernels.quantize(
        ratios,
        0,
        40,
        np.float32(1),
        np.full((5, 9), 3, np.uint8),
        held.logits,
        held.zones,
        held.levels,
        0.085,
        0.85,
        2.0,
        7.0,
        q,
    )
    away = np.abs(ratios - q)
    assert (np.sign(q) * np.sign(ratios) >= 0).all()
    assert (away[np.abs(q) > 0] <= 1.5).all()
    assert (np.abs(q) <= np.abs(ratios) + 0.5).all()
    # Free bits are all bought.
    coefficientkernels.quantize(
        ratios,
        0,
        40,
        np.float32(1),
        np.full((5, 9), 3, np.uint8),
        held.logits,
        held.zones,
        held.levels,
        0.0,
        0.0,
        0.0,
        0.0,
        q,
    )
    ac = np.ones(ratios.shape, bool)
    ac[:, ::8, ::8] = False
    assert np.abs(ratios - q)[ac].max() <= 0.5


@pytest.mark.parametrize("shape", [(1, 1, 42), (3, 33, 10), (3, 17, 41)])
def test_the_largest_magnitudes_fit(shape: tuple[int, ...]) -> None:
    held, opens = tables.load(), (2, 0)
    values = np.full(shape, (1 << coefficientkernels.BITS) - 1, np.int32)
    sides = np.full((-(-shape[1] // 8), -(-shape[2] // 8)), 3, np.uint8)
    writer = reference.Stripe(values.tolist(), sides.tolist(), held)
    layers = encode(values, sides, opens, held)
    assert layers == [writer.encode(now) for now in opens]
    assert np.array_equal(decode(layers, shape, opens, held)[0], values)
