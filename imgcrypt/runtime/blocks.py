"""Nets of one rate, which sample block by block: the paper's, and those that it is compared with.

A payload is the measurements of one block after the other, a byte each.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from imgcrypt.arrays import Bytes
from imgcrypt.errors import DamagedError
from imgcrypt.runtime.net import Net


class BlockNet(Net):
    """Takes RGB; a gray picture goes in, and comes out, as three equal channels."""

    def measure(self, colors: Bytes, rate: float | None) -> Bytes:
        missing = [(0, -length % self.entry.block) for length in colors.shape[:2]]
        padded = np.pad(np.broadcast_to(colors, (*colors.shape[:2], 3)), [*missing, (0, 0)], "edge")
        return self.sample(np.asarray(padded, np.uint8)).reshape(-1)

    def rebuild(
        self, payload: Bytes, valid: Bytes | None, height: int, width: int, channels: int, quality: str = "best"
    ) -> Bytes:
        shape = (-(-height // self.entry.block), -(-width // self.entry.block), self.entry.block_bytes)
        if len(payload) != shape[0] * shape[1] * shape[2]:
            raise DamagedError("the file's payload does not fit its picture; it was not made by imgcrypt")
        measurements = payload.reshape(shape)
        known = np.ones_like(measurements) if valid is None else valid.reshape(shape)
        return self.reconstruct(measurements, known)[:height, :width]

    def sample(self, picture: Bytes) -> Bytes:
        """RGB uint8 (block h, block w, 3) -> measurements uint8 (h, w, block_bytes)."""
        block = self.entry.block
        height, width = picture.shape[0] // block, picture.shape[1] // block

        def run(top: int, bottom: int, left: int, right: int) -> Any:
            part = picture[top * block : bottom * block, left * block : right * block]
            return self.run("sampler", {"image": part})[0]

        return self.tiled(height, width, (1, self.entry.block_bytes), run)

    def reconstruct(self, measurements: Bytes, valid: Bytes) -> Bytes:
        """Measurements uint8 (h, w, block_bytes), and 1 where they are valid, else 0 -> uint8 (block h, block w, 3)."""
        height, width = measurements.shape[:2]

        def run(top: int, bottom: int, left: int, right: int) -> Any:
            inputs = {"measurements": measurements[top:bottom, left:right], "valid": valid[top:bottom, left:right]}
            return self.run("reconstructor", inputs, ["image"])[0]

        return self.tiled(height, width, (self.entry.block, 3), run)
