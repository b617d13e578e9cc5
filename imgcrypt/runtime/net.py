"""What every net is: pictures of any size in, payloads out, and back; in tiles of bounded memory."""

from __future__ import annotations

import abc
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from imgcrypt import progress
from imgcrypt.arrays import Bytes
from imgcrypt.errors import ImgcryptError, NetError
from imgcrypt.locks import ForkSafeLock
from imgcrypt.runtime import sessions, turns
from imgcrypt.runtime.zoo import Entry

TILE_BLOCKS = 32
"""Blocks along a tile's side: about 1,000 pixels, 150 MB of activations."""


class Net(abc.ABC):
    """A sampler and a reconstructor, each a session made at first use. Safe to call from many threads."""

    def __init__(self, entry: Entry, provider: str) -> None:
        self.entry = entry
        self.sessions: dict[str, Any] = {}
        """By ``sampler`` and ``reconstructor``, those made so far."""
        self._wanted = provider
        self._loading = ForkSafeLock()

    @abc.abstractmethod
    def measure(self, colors: Bytes, rate: float | None) -> Bytes:
        """The payload of a picture: uint8 (n,).

        Args:
            colors: uint8 (H, W, 3) or (H, W, 1), any size.
            rate: bytes for each sample, one that zoo.Entry.serves; ``None`` takes the net's own.
        """

    @abc.abstractmethod
    def rebuild(
        self, payload: Bytes, valid: Bytes | None, height: int, width: int, channels: int, quality: str = "best"
    ) -> Bytes:
        """The picture of a payload: uint8 (height, width, 1) or (height, width, 3).

        Args:
            payload: uint8 (n,).
            valid: uint8 (n,), 1 where a byte is known, else 0; or ``None`` if all are.
            height, width, channels: of the picture, 1 or 3 channels.
            quality: ``best``; or ``fast``, which a net that has a faster way then takes.

        Raises:
            DamagedError: the payload is none of such a picture.
        """

    @property
    def provider(self) -> str:
        """The provider that really runs the sessions made so far: ``cpu`` or ``cuda``."""
        active = {session.get_providers()[0] for session in self.sessions.values()}
        return "cuda" if active == {"CUDAExecutionProvider"} else "cpu"

    def session(self, part: str) -> Any:
        """The session of ``sampler`` or ``reconstructor``."""
        with self._loading:
            if part not in self.sessions:
                self.sessions[part] = sessions.session(self.entry.read(part), self._wanted)
            return self.sessions[part]

    def run(self, part: str, inputs: dict[str, Any], outputs: list[str] | None = None) -> list[Any]:
        """What the ``sampler`` or the ``reconstructor`` makes of inputs: the named outputs, or all.

        Raises:
            MemoryError: it does not fit.
            NetError: onnxruntime fails at it.
            CancelledError: the caller gave up.
        """
        session = self.session(part)
        try:
            with turns.turn():
                results: list[Any] = session.run(outputs, inputs)
        except ImgcryptError:
            raise
        except MemoryError:
            raise
        except Exception as error:  # onnxruntime has classes of its own, and bare RuntimeErrors
            reason = str(error).strip().splitlines()[0]
            if "alloc" in reason:
                raise MemoryError from None
            raise NetError(f"the net {self.entry.name} does not run here ({reason}); try the provider cpu") from None
        return results

    def tiled(self, height: int, width: int, scale: tuple[int, int], run: Callable[[int, int, int, int], Any]) -> Bytes:
        """Run on tiles of blocks that overlap by the net's reach, and keep the inner part of each.

        Args:
            height, width: of the whole in blocks.
            scale: pixels a side and channels of what a block becomes.
            run: is given the first and last row, and the first and last column, of a tile's blocks; makes
                uint8 (rows * side, columns * side, channels) of them.

        Returns:
            uint8 (height * side, width * side, channels).
        """
        side, channels = scale
        out = np.empty((height * side, width * side, channels), np.uint8)
        halo = self.entry.halo
        places = list(itertools.product(tiles(height), tiles(width)))
        for done, ((top, bottom), (left, right)) in enumerate(places, 1):
            outer_top, outer_left = max(top - halo, 0), max(left - halo, 0)
            part = run(outer_top, min(bottom + halo, height), outer_left, min(right + halo, width))
            out[top * side : bottom * side, left * side : right * side] = part[
                (top - outer_top) * side : (bottom - outer_top) * side,
                (left - outer_left) * side : (right - outer_left) * side,
            ]
            progress.report(done, len(places))
        return out


def tiles(length: int) -> list[tuple[int, int]]:
    """Split a length into parts of nearly equal size, none above TILE_BLOCKS."""
    count = -(-length // TILE_BLOCKS)
    return [(i * length // count, (i + 1) * length // count) for i in range(count)]
