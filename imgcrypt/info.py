"""What a file says of itself without a key. Nothing here loads NumPy: it has to be quick."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from imgcrypt import container, inputs, profiles, slots
from imgcrypt.container import Header

if TYPE_CHECKING:
    from typing_extensions import Buffer


@dataclasses.dataclass(frozen=True)
class Info:
    """What a file's header says, none of it authenticated: that needs the key.

    ``rate`` is bytes of measurements per sample (a gray pixel is one sample, a color pixel three), alpha
    not counted but all that protects them; ``None`` where no net samples. ``survives`` is the share of the packets
    without which everything still comes back. ``file_bytes`` is the length the whole file should have.
    """

    version: int
    suite: str
    mode: str
    height: int
    width: int
    channels: int
    bits: int
    net: str | None
    net_weights: str | None
    rate: float | None
    keys: tuple[str, ...]
    payload_bytes: int
    packets: int
    packet_bytes: int
    survives: float
    file_bytes: int


def inspect(blob: Buffer) -> Info:
    """What the header of a file says. No key is needed, and nothing is proven.

    Raises:
        ContainerError: not an imgcrypt file, of a newer version, or its header is truncated or damaged.
    """
    return describe(container.parse(inputs.blob(blob), whole=False))


def describe(header: Header) -> Info:
    """What a header says."""
    net = header.net
    pixels = header.height * header.width
    alpha = pixels if header.channels == 4 else 0
    colors = min(header.channels, 3)
    return Info(
        version=container.VERSION,
        suite=header.suite.name.lower(),
        mode=header.mode.name.lower(),
        height=header.height,
        width=header.width,
        channels=header.channels,
        bits=8 * header.sample_bytes,
        net=net.name if net else None,
        net_weights=net.weights.hex() if net else None,
        rate=round((profiles.stored_bytes(header.layout) - alpha) / (pixels * colors), 4) if net else None,
        keys=slots.labels(header.records),
        payload_bytes=header.payload_bytes,
        packets=header.packets,
        packet_bytes=header.packet_bytes,
        survives=round(1 - max(part.needed for part in header.parts) / header.packets, 4),
        file_bytes=header.file_bytes,
    )
