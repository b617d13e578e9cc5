"""The picture code and the second implementation of docs/format.md, section 5, on the frozen vectors and each other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import independent_picture as independent
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgcrypt.codec import picture as code
from imgcrypt.codec import tables
from imgcrypt.errors import DamagedError
from imgcrypt.runtime import layered

Make = Callable[..., Any]
VECTORS = json.loads(independent.FILE.read_text("ascii"))
PICTURES, MALFORMED = VECTORS["pictures"], VECTORS["malformed"]


def name(entry: dict[str, Any]) -> str:
    return entry.get("name") or "{planes}x{height}x{width}-{opens}".format(**entry)


def digest(known: code.Coefficients) -> str:
    return hashlib.sha256(known.values.astype("<i4").tobytes() + known.sides.tobytes()).hexdigest()


def shape(entry: dict[str, Any]) -> tuple[int, int, int]:
    return entry["height"], entry["width"], entry["planes"]


def given_picture(picture: independent.Picture) -> code.Coefficients:
    return code.Coefficients(np.array(picture.values, np.int32), np.array(picture.sizes, np.uint8), picture.step)


def as_independent(known: code.Coefficients) -> independent.Picture:
    return independent.Picture(known.step, known.open, known.values.tolist(), known.sides.tolist())


def assert_rebuilt(known: code.Coefficients) -> None:
    """The package's samples are as near to those in binary64 as 5.9 asks."""
    exact = independent.unrounded(as_independent(known)).clip(0, 255)
    assert np.abs(code.colors(code.inverse(known)) - exact).max() <= 0.51


@pytest.fixture(scope="module")
def held() -> independent.Tables:
    """The tables, which must be those that the vectors were made with."""
    found = independent.load_tables()
    assert found.sha256 == VECTORS["tables_sha256"], (
        "tables.npz is not what the vectors were made with; if it was meant to change, run: "
        "python tests/independent_picture.py"
    )
    assert hashlib.sha256(tables.FILE.read_bytes()).hexdigest() == found.sha256
    return found


def test_the_set_is_whole() -> None:
    assert len(PICTURES) == len(independent.CASES)
    assert sum(entry["values_sha256"] is None for entry in MALFORMED) == 15
    assert sum(entry["values_sha256"] is not None for entry in MALFORMED) == 11


def test_the_second_implementation_writes_the_same_vectors(held: independent.Tables) -> None:
    assert json.loads(json.dumps(independent.vectors())) == VECTORS


@pytest.mark.parametrize("entry", PICTURES, ids=name)
def test_the_package_reads_and_writes_the_same(entry: dict[str, Any], held: independent.Tables) -> None:
    layers = [bytes.fromhex(layer) for layer in entry["layers"]]
    case = independent.Case(**{field: entry[field] for field in independent.Case._fields})
    assert code.encode(given_picture(independent.made_picture(case)), entry["opens"]) == layers
    known = [code.decode(layers[: k + 1], *shape(entry)) for k in range(len(layers))]
    assert [digest(each) for each in known][-len(entry["values_sha256"]) :] == entry["values_sha256"]
    assert [(each.step, each.open) for each in known] == [(entry["step"], now) for now in entry["opens"]]
    if entry["bits"] > 12:
        return  # Samples of such coefficients are beyond what binary32 can tell.
    for each, samples in zip(known, entry.get("samples", ()), strict=False):
        assert independent.samples(as_independent(each)).tobytes().hex() == samples
        assert_rebuilt(each)


@pytest.mark.parametrize("entry", MALFORMED, ids=name)
def test_the_package_reads_or_refuses_the_same(entry: dict[str, Any], held: independent.Tables) -> None:
    payload = np.frombuffer(bytes.fromhex(entry["payload"]), np.uint8)
    if entry["values_sha256"] is None:
        with pytest.raises(DamagedError):
            code.decode(layered.unpack(payload), *shape(entry))
    else:
        assert digest(code.decode(layered.unpack(payload), *shape(entry))) == entry["values_sha256"]


@settings(max_examples=15, deadline=None)
@given(
    planes=st.sampled_from([1, 3]),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    opens=st.sets(st.integers(0, 12), min_size=1, max_size=3),
    spread=st.sampled_from([0.3, 3.0, 3000.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_both_agree(planes: int, height: int, width: int, opens: set[int], spread: float, seed: int) -> None:
    rng, held = np.random.default_rng(seed), independent.load_tables()
    values = (rng.laplace(0, spread, (planes, height, width)) * rng.random((planes, height, width)) ** 3).astype(int)
    largest = rng.integers(3, 6, (2, 2))
    sizes = [
        [int(largest[row // 4, column // 4]) for column in range(-(-width // 8))] for row in range(-(-height // 8))
    ]
    picture = independent.Picture(777, 0, values.tolist(), sizes)
    falling = sorted(opens, reverse=True)
    layers = independent.write(held, picture, falling)
    assert code.encode(given_picture(picture), falling) == layers
    payload = independent.pack(layers, 3000)
    assert layered.pack(layers, 3000).tobytes() == payload
    assert layered.unpack(np.frombuffer(payload, np.uint8)) == independent.unpack(payload) == layers
    known = independent.read(held, layers, height, width, planes)
    assert independent.digest(known) == digest(code.decode(layers, height, width, planes))
    assert known.values == (np.sign(values) * (np.abs(values) >> falling[-1])).tolist()
    assert known.sizes == sizes


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("step", [0.5, 3.0, 24.0])
def test_both_rebuild_the_same_samples(picture: Make, channels: int, step: float) -> None:
    planes = code.planes(picture(130, 150, channels).reshape(130, 150, channels))
    whole = code.quantize(*code.transform(planes, code.step_code(step)), code.step_code(step))
    for known in (whole, code.decode(code.encode(whole, (2, 0))[:1], 130, 150, channels)):
        assert_rebuilt(known)
