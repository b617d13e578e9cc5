"""JPEG files: TurboJPEG for the pixels, which tells of damage; Pillow for CMYK and for several pictures in one file."""

from __future__ import annotations

import dataclasses
from typing import Any

from imgcrypt.errors import ImageError
from imgcrypt.pictures import pillow
from imgcrypt.pictures.picture import Decoded, Request

ODDITIES = ("extraneous bytes", "Adobe color transform", "progression sequence", "SOS parameters", "ICC")
"""Warnings of libjpeg after which all pixels are there."""


def decode(data: bytes, request: Request) -> Decoded:
    """Read a JPEG file, or a multi-picture file of JPEGs.

    Raises:
        ImageError: the request's, or the file is damaged.
        Exception: whatever the decoders raise for files that are damaged.
    """
    image = pillow.open_(data, "JPEG")
    request.check_size(*image.size)
    frames = getattr(image, "n_frames", 1)
    frame = request.choose(frames)
    start = 0
    if frame:
        image.seek(frame)
        request.check_size(*image.size)
        start = image.offset
    notes: list[str] = []
    colorspace = {"L": "GRAY", "RGB": "RGB"}.get(image.mode, "CMYK")
    pixels = _decode(memoryview(data)[start:], colorspace, notes)
    if pixels.shape[:2] != (image.height, image.width):
        raise ImageError("the decoder and the header disagree about the size; the file is damaged")
    if colorspace == "CMYK":
        image.load()
        decoded = pillow.from_image(image)
    else:
        decoded = Decoded(pixels[:, :, 0] if image.mode == "L" else pixels, 8, 255, pillow.metadata(image, notes))
        decoded.orientation = pillow.orientation(image)
    if any(b"hdrgm:Version" in body for _, body in getattr(image, "applist", ())):
        notes.append("the gain map for HDR displays is left out")
    return dataclasses.replace(decoded, frames=frames, notes=notes + decoded.notes)


def _decode(data: memoryview, colorspace: str, notes: list[str]) -> Any:
    import simplejpeg

    try:
        return simplejpeg.decode_jpeg(data, colorspace)
    except ValueError as error:
        # One warning alone is told: one of the end might hide behind it.
        cut = bytes(data).rfind(b"\xff\xd9") < bytes(data).rfind(b"\xff\xda")
        if cut or not any(oddity in str(error) for oddity in ODDITIES):
            raise ImageError(f"the JPEG file is damaged ({error}); get another copy") from None
        notes.append(f"the JPEG file is not as it should be and may be damaged ({error})")
        return simplejpeg.decode_jpeg(data, colorspace, strict=False)
