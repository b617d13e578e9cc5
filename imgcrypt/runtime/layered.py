"""The picture code as what a payload holds: docs/format.md, section 5. A net only makes the decoded picture better."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from imgcrypt import padding
from imgcrypt.arrays import Bytes
from imgcrypt.codec import picture, search, tables
from imgcrypt.errors import DamagedError, NetError
from imgcrypt.runtime.net import Net

if TYPE_CHECKING:
    from imgcrypt.runtime.zoo import Entry

LEAST = 64
"""Bytes that every picture gets, however low its rate: the smallest need some for the layers' heads."""
TRAINED = (2.5, 250.0)
"""Steps in gray levels between which the net gains something."""
PLANES = 3
"""Of the net, whose second and third are 0 in a gray picture."""


class LayeredNet(Net):
    """Any rate or PSNR can be chosen for each picture."""

    def __init__(self, entry: Entry, provider: str) -> None:
        super().__init__(entry, provider)
        if tables.sha256() != entry.tables_sha256:
            raise NetError("the picture code's tables are not those that the manifest names; install imgcrypt again")

    def measure(self, colors: Bytes, rate: float | None) -> Bytes:
        rate = rate or self.entry.rate(colors.shape[2])
        assert rate is not None  # zoo.choose saw to it
        return self.fill(colors, max(int(rate * colors.size), LEAST), [])

    def fill(self, colors: Bytes, length: int, ends: Sequence[int]) -> Bytes:
        """The payload of a picture (H, W, C) of a length, or a longer one if its least layers do not fit: uint8 (n,).

        ``ends`` are places, in rising order, before which a layer ends if one can.
        """
        head = _head(len(ends) + 1)
        return pack(search.fitting(colors, length - head, [end - head for end in ends]), length)

    def measure_for_psnr(self, colors: Bytes, target: float, ends: Callable[[int], Sequence[int]]) -> Bytes:
        """The payload of the largest step at which a picture (H, W, C) comes back with this PSNR in dB, the net aside.

        Its length, which follows from the picture, is padded; ``ends`` gives those of :meth:`fill` for a length.

        Raises:
            NetError: no step is small enough.
        """

        def limits(size: int) -> list[int]:
            found = ends(padding.padded(size))
            return [end - _head(len(found) + 1) for end in found]

        layers = search.reaching(colors, target, limits)
        return pack(layers, padding.padded(_head(len(layers)) + sum(map(len, layers))))

    def rebuild(
        self, payload: Bytes, valid: Bytes | None, height: int, width: int, channels: int, quality: str = "best"
    ) -> Bytes:
        known = picture.decode(unpack(payload, valid), height, width, channels)
        planes = picture.inverse(known)
        if quality == "best" and known.open == 0 and TRAINED[0] <= picture.size(known.step) <= TRAINED[1]:
            return self.restore(planes, known)
        return picture.colors(planes)

    def restore(self, planes: Any, known: picture.Coefficients) -> Bytes:
        """Decoded planes float32 (C, H, W) as the net makes them better: uint8 (H, W, C)."""
        side, (channels, height, width) = picture.SIDE, planes.shape
        rows, columns = -(-height // side), -(-width // side)
        cells = side // picture.CELL

        def whole(each: Any, scale: int) -> Any:
            missing = [rows * scale - each.shape[-2], columns * scale - each.shape[-1]]
            return np.pad(each, [(0, 0)] * (each.ndim - 2) + [(0, length) for length in missing], "edge")

        seen = np.zeros((PLANES, rows * side, columns * side), np.float32)
        seen[:channels] = whole(planes, side)
        error = np.zeros((PLANES, rows * cells, columns * cells), np.float32)
        error[:channels] = whole(picture.doubt(known), cells)
        borders = picture.borders(whole(known.sides, cells))

        def run(top: int, bottom: int, left: int, right: int) -> Any:
            def part(each: Any, scale: int) -> Any:
                return each[:, top * scale : bottom * scale, left * scale : right * scale]

            inputs = {"planes": part(seen, side), "error": part(error, cells), "borders": part(borders, 2 * cells)}
            return picture.colors(self.run("reconstructor", inputs)[0][:channels])

        return self.tiled(rows, columns, (side, channels), run)[:height, :width]


def pack(layers: Sequence[bytes], length: int) -> Bytes:
    """Layers as a payload of a length, or longer if they do not fit: uint8 (n,)."""
    head = struct.pack(f"<B{len(layers)}I", len(layers), *map(len, layers))
    return np.frombuffer(b"".join([head, *layers]).ljust(length, b"\0"), np.uint8)


def unpack(payload: Bytes, valid: Bytes | None = None) -> list[bytes]:
    """The layers of a payload, as far as they are whole: each is of use only with those before it.

    Args:
        payload: uint8 (n,).
        valid: uint8 (n,), 1 where a byte is known, else 0; or ``None`` if all are.

    Raises:
        DamagedError: it holds no layers, or the first is not whole.
    """
    data = payload.tobytes()
    if valid is not None and not valid.all():
        return beginning(data[: int(np.argmin(valid))])
    head = _head(data[0] if data else 0)
    lengths = struct.unpack_from(f"<{head // 4}I", data, 1) if head <= len(data) else ()
    if not lengths or any(data[head + sum(lengths) :]) or head + sum(lengths) > len(data):
        raise DamagedError("the file's payload does not fit its picture; it was not made by imgcrypt")
    return beginning(data)


def beginning(data: bytes) -> list[bytes]:
    """The layers that are whole in the first bytes of a payload.

    Raises:
        DamagedError: there is none.
    """
    head, layers = _head(data[0] if data else 0), []
    if head <= len(data):
        at = head
        for length in struct.unpack_from(f"<{head // 4}I", data, 1):
            if at + length > len(data):
                break
            layers.append(data[at : at + length])
            at += length
    if not layers:
        raise DamagedError("too little is left of the file: not even a rough picture is whole; get another copy of it")
    return layers


def show(layers: Sequence[bytes], height: int, width: int, channels: int) -> Bytes:
    """The picture of its first layers without the net: uint8 (H, W, C)."""
    known = picture.decode(layers, height, width, channels)
    return picture.colors(picture.inverse(known))


def _head(count: int) -> int:
    return 1 + 4 * count
