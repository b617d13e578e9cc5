"""Fit the picture code's tables: ``python -m imgcrypt.nets.tables --data DIR --data DIR --out tables.npz``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from imgcrypt.codec import coefficientkernels as kernels
from imgcrypt.codec import picture, tables
from imgcrypt.nets import data
from imgcrypt.opencv import cv2

STEPS = (3.0, 5.0, 8.0, 14.0, 24.0, 42.0, 75.0, 130.0)
"""In gray levels."""
PREVIEW = 110.0
"""About the step of a first layer."""
VARIANCES = 2 * 3 * kernels.ZONES * kernels.LEVELS * 3
COUNT = 16
"""The most that a state's count says at first: so many bits of a picture weigh as much as what training saw."""
THRESHOLDS = (1, 3, 6, 10, 15, 22, 30, 42, 58, 80, 112, 160, 230, 340, 520)
"""Of levels, in sixteenths of a step."""
BOUNDS = (1, 3, 5, 9, 15, 23, 35)
"""Of zones."""


def start() -> tables.Tables:
    """Tables that expect nothing."""
    chances = (np.arange(4096) + 0.5) / 4096
    logits = (np.arange(4096) - 2048) / 256
    return tables.Tables(
        states=np.full(kernels.STATES, 1 << 31, np.uint32),
        weights=np.full(kernels.WEIGHTS, 40_000, np.int64),
        stretch=np.round(np.log(chances / (1 - chances)) * 256).astype(np.int16),
        squash=np.clip(np.round(32768 / (1 + np.exp(-logits))), 16, 32752).astype(np.uint16),
        rates=np.round(65536 / (np.arange(1024) + 1.5)).astype(np.int64),
        zones=np.searchsorted(BOUNDS, np.arange(63), "right").astype(np.uint8),
        levels=np.searchsorted(THRESHOLDS, np.arange(1024), "right").astype(np.uint8),
        variances=np.full(VARIANCES, 0.08, np.float32),
    )


def main(
    folders: Annotated[list[Path], typer.Option("--data", help="folder of pictures; may be given again")],
    out: Annotated[Path, typer.Option(help="the file to write")] = Path(str(tables.FILE)),
    every: Annotated[int, typer.Option(min=1, help="take every so manyth picture")] = 1,
    rounds: Annotated[int, typer.Option(min=1, help="the choices of each depend on the tables of the one before")] = 2,
) -> None:
    """Fit the tables to every picture in the folders given, in color and gray, at full and at lower resolution."""
    pictures = data.load(folders, picture.SIDE)[::every]
    held = start()
    save(out, held)
    for i in range(rounds):
        tables.load.cache_clear()
        states, weights = held.states.copy(), held.weights.copy()
        if i == 0:
            states[:] = 1 << 31
        errors = np.zeros((2, VARIANCES))
        rng = np.random.default_rng(i)
        for k in rng.permutation(len(pictures)):
            learn(variant(pictures[k], rng), rng, states, weights, errors, held)
        held = finish(held, states, weights, errors)
        save(out, held)
        print(f"round {i + 1}: {(states & 1023 > 0).mean():.0%} of the states seen", flush=True)


def variant(each: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """The picture, or a smaller one, or a gray one: uint8 (H, W, C)."""
    if rng.random() < 0.4:
        factor = rng.uniform(0.5, 1.0)
        each = np.asarray(cv2.resize(each, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), np.uint8)
    if rng.random() < 0.3:
        each = np.asarray(cv2.cvtColor(each, cv2.COLOR_RGB2GRAY), np.uint8)[:, :, None]
    return each


def learn(
    each: NDArray[np.uint8],
    rng: np.random.Generator,
    states: NDArray[np.uint32],
    weights: NDArray[np.int64],
    errors: NDArray[np.float64],
    held: tables.Tables,
) -> None:
    """Let the states see one picture at some steps, in one layer and in several."""
    planes = picture.planes(each)
    buffer = np.empty(4 * planes.size + 4096, np.uint8)
    for step in STEPS:
        code = picture.step_code(step * 2 ** rng.uniform(-0.4, 0.4))
        coefficients, sides = picture.transform(planes, code)
        whole = picture.quantize(coefficients, sides, code)
        ratios = coefficients / np.float32(picture.size(code))
        error = np.empty((len(planes), *sides.shape), np.float32)
        kernels.doubt(
            whole.values, 0, planes.shape[1], sides, held.zones, held.levels, held.variances, ratios, errors[0],
            errors[1], error,
        )  # fmt: skip
        most = max(round(np.log2(PREVIEW / step)), 0)
        for opens in {(0,), (most, 0), tuple(range(most, -1, -1))}:
            opens = tuple(sorted(set(opens), reverse=True))
            extents = np.zeros((len(planes), *whole.sides.shape), np.uint8)
            before = 31
            for now in opens:
                kernels.code(
                    True, whole.values, 0, planes.shape[1], whole.sides, extents, before, now, states, weights,
                    *held.maps, buffer,
                )  # fmt: skip
                before = now


def finish(
    held: tables.Tables, states: NDArray[np.uint32], weights: NDArray[np.int64], errors: NDArray[np.float64]
) -> tables.Tables:
    """The tables with what was learned, less sure of it."""
    counts = np.minimum(states & 1023, COUNT)
    # What is seen seldom leans on all coefficients of its magnitude and level.
    seen, sums = errors.reshape(2, -1, kernels.LEVELS, 3)
    mean = sums.sum(0) / np.maximum(seen.sum(0), 1)
    variances = ((sums + 30 * mean) / (seen + 30)).astype(np.float32).reshape(-1)
    return tables.Tables(
        **{**_fields(held), "states": states >> 10 << 10 | counts, "weights": weights, "variances": variances}
    )


def _fields(held: tables.Tables) -> dict[str, Any]:
    return {field.name: getattr(held, field.name) for field in dataclasses.fields(held)}


def save(path: Path, held: tables.Tables) -> None:
    """Write the tables."""
    np.savez_compressed(path, **_fields(held))


if __name__ == "__main__":
    typer.run(main)
