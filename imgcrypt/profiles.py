"""How much loss a file stands: its payload's parts and packets. docs/format.md, section 2.3, says what is allowed.

A profile cuts a payload whose first bytes are of use alone (the layers of the picture code) into parts, and says how
many of the packets each part may lose. Nothing else of the picture decides, so that lengths tell nothing of it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from imgcrypt.container import TAG_BYTES, Layout, Part
from imgcrypt.errors import ImgcryptError

MOST_PACKETS = 255
"""Of a code over GF(256)."""
LEAST_CUT = 20
"""From so many packets on, a cut of a share of the file is stood, wherever it begins."""
BESIDE = 2
"""Packets that headers and front are as long as, about: what a cut takes is a share of these too."""
PREVIEW_BYTES = 32 * 1024
"""The first of several parts has no more."""
LEAST_FRONT = 160
"""Bytes that a preview takes at least: fewer show nothing."""
LEAST_PAYLOAD = 64
"""Bytes that a payload gets, however little room there is."""


class Profile(NamedTuple):
    """``ends``: where parts but the last end, as shares of the payload. ``losses``: the share of the packets that each
    part may lose, None for what stands in front alone. ``packet_bytes``: about how long packets are, if there are
    between ``least_packets`` and 255."""

    ends: tuple[float, ...]
    losses: tuple[float | None, ...]
    packet_bytes: int
    least_packets: int


NONE = Profile((1 / 24,), (None, 0), 64 * 1024, 1)
LIGHT = Profile((1 / 128,), (3 / 4, 1 / 20), 1024, 1)
STRONG = Profile((1 / 40, 0.13, 0.66), (3 / 4, 1 / 2, 1 / 4, 1 / 20), 1024, LEAST_CUT)
NAMES = {"none": NONE, "light": LIGHT, "strong": STRONG}
DEFAULT = "light"


def surviving(loss: float) -> Profile:
    """The profile of which everything comes back though this share of the packets is lost.

    Raises:
        ImgcryptError: no share that can be survived.
    """
    if not 0 < loss <= 0.9:
        raise ImgcryptError("the share of a file to survive is above 0 and at most 0.9; give one, 0.25 for example")
    return Profile((1 / 128,), (max(loss, 3 / 4), loss), 1024, max(LEAST_CUT, math.ceil(2 / (1 - loss))))


def lay_out(profile: Profile, payload_bytes: int, layered: bool) -> Layout:
    """The parts and packets of a payload.

    Args:
        profile: what it is to stand.
        payload_bytes: its length; 0 only for another file's bytes.
        layered: whether its first bytes are of use alone; else it is one part.
    """
    ends = [int(share * payload_bytes) for share in profile.ends] if layered else []
    if ends and ends[0] < LEAST_FRONT and (profile.losses[0] is None or payload_bytes < 16 * LEAST_FRONT):
        ends = ends[1:]  # what so few bytes show is not worth what they cost
    elif ends:
        ends[0] = min(max(ends[0], LEAST_FRONT), PREVIEW_BYTES)
    ends = [*dict.fromkeys(end for end in ends if end), payload_bytes]
    losses = profile.losses[len(profile.losses) - len(ends) :]
    lengths = [end - start for start, end in zip([0, *ends], ends, strict=False)]
    stored = sum(length / (1 - loss) for length, loss in zip(lengths, losses, strict=True) if loss is not None)
    packets = min(max(round(stored / profile.packet_bytes), profile.least_packets), MOST_PACKETS)
    if packets >= 2 * LEAST_CUT and layered:
        # A twentieth is whole packets then, and none of them is rounded up for nothing.
        packets -= (packets + BESIDE) % LEAST_CUT
    needed = [0 if loss is None else _needed(packets, loss) for loss in losses]
    parts = tuple(Part(*each) for each in zip(lengths, needed, strict=True))
    return Layout(packets, parts, front=len(parts) > 1, metadata_needed=_needed(packets, profile.losses[1]))


def fitting(profile: Profile, room: int, layered: bool) -> int:
    """The length of the longest payload, about, that takes no more than ``room`` bytes with all that protects it.

    LEAST_PAYLOAD, if that is more.
    """
    low, high = LEAST_PAYLOAD, max(room, LEAST_PAYLOAD)
    while low < high:
        middle = (low + high + 1) // 2
        if stored_bytes(lay_out(profile, middle, layered)) <= room:
            low = middle
        else:
            high = middle - 1
    return low


def stored_bytes(layout: Layout) -> int:
    """What a payload takes in a file with all that protects it."""
    packet_bytes = sum(part.share_bytes for part in layout.parts) + TAG_BYTES
    return layout.packets * packet_bytes + (layout.parts[0].length + TAG_BYTES if layout.front else 0)


def _needed(packets: int, loss: float | None) -> int:
    """How many packets give back what may lose this share of them."""
    if not loss:
        return packets
    # A cut that begins within a packet takes no more bytes of any word than one that does not: recovery takes what is
    # there of both packets at its ends.
    lost = round(loss * packets) if packets < LEAST_CUT else math.ceil(loss * (packets + BESIDE))
    return max(packets - lost, 1)
