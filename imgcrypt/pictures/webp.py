"""WebP files: stills by libwebp through imagecodecs, animations and what a file says beside its pixels by Pillow.

Pillow opens every WebP file as an animation, with two canvases of full size before it reads a single pixel.
"""

from __future__ import annotations

import struct

from imgcrypt.errors import ImageError
from imgcrypt.pictures import pillow
from imgcrypt.pictures.picture import Decoded, Request

ANIMATION = 0x02
"""Bit of the extended header's flags (RFC 9649, section 2.7)."""


def decode(data: bytes, request: Request) -> Decoded:
    """Read a WebP file.

    Raises:
        ImageError: the request's, or the file is damaged.
        Exception: whatever the decoders raise for files that are damaged.
    """
    import imagecodecs

    width, height = _size(data)
    request.check_size(width, height)
    if data[12:16] == b"VP8X" and data[20] & ANIMATION:
        return pillow.decode(data, "WEBP", request)
    request.choose(1)
    if 8 + int.from_bytes(data[4:8], "little") > len(data):
        raise ImageError("the WebP file ends early: it is damaged; get another copy")
    pixels = imagecodecs.webp_decode(data)
    if pixels.shape[:2] != (height, width):
        raise ImageError("the decoder and the header disagree about the size; the file is damaged")
    notes: list[str] = []
    header = pillow.open_(data, "WEBP")
    return Decoded(pixels, 8, 255, pillow.metadata(header, notes), pillow.orientation(header), notes=notes)


def _size(data: bytes) -> tuple[int, int]:
    """Width and height, by each of the three headers (RFC 9649, sections 2.5 to 2.7; RFC 6386, section 9.1)."""
    match data[12:16]:
        case b"VP8 ":
            width, height = struct.unpack_from("<HH", data, 26)
            return width & 0x3FFF, height & 0x3FFF
        case b"VP8L":
            (bits,) = struct.unpack_from("<I", data, 21)
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case _:
            return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
