"""The compiled packing of bits against strings of zeros and ones."""

from __future__ import annotations

import ast
import inspect

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcrypt.codec import bitkernels, bitplanes

PLANES = 10


def drawn(rows: int, columns: int, seed: int) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint8]]:
    rng = np.random.default_rng(seed)
    most = rng.integers(0, PLANES + 1)
    return (
        rng.integers(0, 1 << PLANES, (rows, columns)).astype(np.uint16),
        rng.integers(0, most + 1, (rows, columns)).astype(np.uint8),
    )


def strings(indices: npt.NDArray[np.uint16], bits: npt.NDArray[np.uint8]) -> list[list[str]]:
    """The bits of each index that are written, row by row."""
    return [[f"{i:010b}"[:b] for i, b in zip(*pair, strict=True)] for pair in zip(indices, bits, strict=True)]


shapes = {"rows": st.integers(1, 4), "columns": st.integers(1, 40), "seed": st.integers(0, 2**32 - 1)}


@given(**shapes)
def test_bits_are_written_one_after_the_other(rows: int, columns: int, seed: int) -> None:
    indices, bits = drawn(rows, columns, seed)
    texts = ["".join(row) for row in strings(indices, bits)]
    expected = b"".join(
        int(text.ljust(-(-len(text) // 8) * 8, "0"), 2).to_bytes(-(-len(text) // 8), "big") for text in texts if text
    )
    out = np.zeros(len(expected) + 3, np.uint8)
    bitkernels.write(indices, bits, out)
    assert out.tobytes() == expected + bytes(3)


@given(**shapes, share=st.floats(0, 1))
def test_bits_are_read_up_to_the_first_lost_one(rows: int, columns: int, seed: int, share: float) -> None:
    indices, bits = drawn(rows, columns, seed)
    payload = np.zeros(2 * indices.size + rows, np.uint8)
    bitkernels.write(indices, bits, payload)
    valid = (np.random.default_rng(seed).random(len(payload)) >= share).astype(np.uint8)

    known, found = bits.copy(), np.zeros_like(indices)
    bitkernels.read(payload, valid, known, found)
    start = 0
    for row, texts in enumerate(strings(indices, bits)):
        at = 8 * start
        for column, text in enumerate(texts):
            lost = [i for i in range(len(text)) if not valid[(at + i) // 8]]
            assert known[row, column] == (lost[0] if lost else len(text))
            assert found[row, column] == int(text.ljust(PLANES, "0"), 2)
            at += len(text)
        start = -(-at // 8)

    whole = np.zeros_like(indices)
    all_bits = bits.copy()
    bitkernels.read(payload, valid[:0], all_bits, whole)
    np.testing.assert_array_equal(whole, found)
    np.testing.assert_array_equal(all_bits, bits)


def test_planes_are_those_of_the_layout() -> None:
    assert bitkernels.PLANES == bitplanes.PLANES == PLANES


@pytest.mark.parametrize("name", ["write", "read"])
def test_kernels_release_the_gil_and_are_kept(name: str) -> None:
    (function,) = [
        node
        for node in ast.parse(inspect.getsource(bitkernels)).body
        if isinstance(node, ast.FunctionDef) and node.name == name
    ]
    (decorator,) = function.decorator_list
    assert isinstance(decorator, ast.Call)
    assert {keyword.arg: ast.literal_eval(keyword.value) for keyword in decorator.keywords} == {
        "nogil": True,
        "cache": True,
    }
