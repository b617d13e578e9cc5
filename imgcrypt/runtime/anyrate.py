"""The net ``anyrate`` as onnxruntime runs it: one net for every rate, whose payload is a string of bits."""

from __future__ import annotations

import functools
import io
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgcrypt import progress
from imgcrypt.arrays import Bytes, Floats, Mask
from imgcrypt.codec import bitplanes
from imgcrypt.errors import DamagedError
from imgcrypt.runtime.net import Net, tiles

TRAINED_THRESHOLDS = (84, 276)
"""The lowest and the highest threshold that training has seen."""


class AnyrateNet(Net):
    """A rate can be chosen for each picture."""

    @functools.cached_property
    def tables(self) -> bitplanes.Tables:
        """The classes' tables, from the zoo."""
        held = np.load(io.BytesIO(self.entry.read("tables")))
        return bitplanes.Tables(
            (held["steps0"], held["steps1"]), (held["means0"], held["means1"]), held["gains"].astype(np.int16)
        )

    def measure(self, colors: Bytes, rate: float | None) -> Bytes:
        rate = rate or self.entry.rate(colors.shape[2])
        assert rate is not None  # zoo.choose saw to it
        return self.at_rates(colors)(rate)

    def at_rates(self, colors: Bytes) -> Callable[[float], Bytes]:
        """A function from rates to payloads of one picture (H, W, C), which samples it no more than needed."""
        height, width, channels = colors.shape
        missing = [(0, -length % bitplanes.SIDE) for length in (height, width)]
        padded = np.pad(colors, [*missing, (0, 0)], "edge")
        describe = functools.cache(lambda mode: self.describe(padded, mode))

        def measure(rate: float) -> Bytes:
            length = bitplanes.size(rate, height, width, channels)
            mode = bitplanes.mode(length, bitplanes.superblocks(height, width), channels)
            return bitplanes.pack(self.tables, *describe(mode), length)

        return measure

    def rebuild(self, payload: Bytes, valid: Bytes | None, height: int, width: int) -> Bytes:
        side, tables = bitplanes.SIDE, self.tables
        if len(payload) < bitplanes.size(0, height, width, tables.channels):
            raise DamagedError("the file's payload does not fit its picture; it was not made by imgcrypt")
        rows, columns = -(-height // side), -(-width // side)
        known = bitplanes.unpack(tables, payload, valid, rows, columns)
        expected = tables.dc_means(known.classes, known.mode)
        if valid is not None:
            dc, there = bitplanes.dc_coefficients(tables, known)
            expected = np.where(there, expected, _fill(dc, there, known.mode))
        return self.picture(known, expected)[:height, :width]

    def picture(self, known: bitplanes.Known, expected: Floats) -> Bytes:
        """The picture of whole superblocks, uint8 (32 h, 32 w, C), with the blocks' expected DC coefficients."""
        tables = self.tables

        def run(top: int, bottom: int, left: int, right: int) -> Any:
            classes = known.classes[top:bottom, left:right]
            inputs = {
                "indices": known.indices[top:bottom, left:right].view(np.int16),
                "bits": known.bits[top:bottom, left:right],
                "steps": tables.expand(classes, known.mode),
                "means": expected[top:bottom, left:right],
                "mode": np.array(known.mode),
                "level": np.array(self.threshold(known)),
            }
            return self.run("reconstructor", inputs)[0]

        height, width = known.classes.shape[:2]
        return self.tiled(height, width, (bitplanes.SIDE, tables.channels), run)

    def threshold(self, known: bitplanes.Known) -> int:
        """The threshold that the reconstructor is told."""
        return int(np.clip(known.threshold, *TRAINED_THRESHOLDS))

    def describe(self, colors: Bytes, mode: int) -> tuple[Bytes, NDArray[np.uint16]]:
        """Classes uint8 (h, w, 4) and indices uint16 (h, w, C * 1024) of a picture of whole superblocks."""
        side = bitplanes.SIDE
        height, width = colors.shape[0] // side, colors.shape[1] // side
        classes = np.empty((height, width, 4), np.uint8)
        indices = np.empty((height, width, colors.shape[2] * side**2), np.int16)
        places = list(itertools.product(tiles(height), tiles(width)))
        for done, ((top, bottom), (left, right)) in enumerate(places, 1):
            part = colors[top * side : bottom * side, left * side : right * side]
            results = self.run("sampler", {"image": part, "mode": np.array(mode)})
            classes[top:bottom, left:right], indices[top:bottom, left:right] = results[0], results[1].view(np.uint16)
            progress.report(done, len(places))
        return classes, indices.view(np.uint16)


def _fill(dc: Floats, known: Mask, mode: int) -> Floats:
    """DC coefficients (h, w, C, 4), each as the blocks around it have them where they are known."""
    from imgcrypt.opencv import cv2

    height, width, channels = dc.shape[:3]
    side = 2 if mode else 1
    filled = np.zeros_like(dc)
    for channel in range(channels):
        values, weights = (
            each[:, :, channel, : side**2].reshape(height, width, side, side).swapaxes(1, 2).reshape(height * side, -1)
            for each in (np.where(known, dc, 0), known.astype(np.float32))
        )
        # The nearer, the heavier; what is far counts where nothing is near.
        value, weight = (
            cv2.GaussianBlur(each, (0, 0), 0.7) + 1e-3 * cv2.GaussianBlur(each, (0, 0), 5.0)
            for each in (values.astype(np.float32), weights)
        )
        around = (value / np.maximum(weight, 1e-9)).reshape(height, side, width, side)
        filled[:, :, channel, : side**2] = around.swapaxes(1, 2).reshape(height, width, -1)
    return filled
