"""Picture files: bytes to arrays and back, by OpenCV. Color is RGB here, BGR nowhere but in these lines."""

from __future__ import annotations

import dataclasses
import struct
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from imgcrypt.errors import ImageError

if TYPE_CHECKING:
    from imgcrypt.api import Image

LOSSY_SUFFIXES = {".avif", ".gif", ".heic", ".jp2", ".jpeg", ".jpg", ".jxl", ".webp"}
"""Formats that change or may change samples."""


@dataclasses.dataclass(frozen=True)
class Format:
    """What a file format can hold."""

    channels: tuple[int, ...]
    bits: tuple[int, ...]
    lossless: bool = True


FORMATS = {
    ".png": Format((1, 3, 4), (8, 16)),
    ".tif": Format((1, 3, 4), (8, 16)),
    ".tiff": Format((1, 3, 4), (8, 16)),
    ".bmp": Format((1, 3), (8,)),
    ".jpg": Format((1, 3), (8,), lossless=False),
    ".jpeg": Format((1, 3), (8,), lossless=False),
}
"""Suffix -> format, for writing. Reading takes whatever OpenCV decodes."""


def decode(data: bytes) -> Image:
    """The picture in a file's bytes, upright as its EXIF orientation says.

    Returns:
        uint8 or uint16, (H, W), (H, W, 3) RGB or (H, W, 4) RGBA.

    Raises:
        ImageError: OpenCV cannot decode it, or it decodes to something else than that.
    """
    refusal = "cannot read the picture: it is damaged or in a format that OpenCV does not decode"
    try:
        image, kinds, blobs = cv2.imdecodeWithMetadata(np.frombuffer(data, np.uint8), flags=cv2.IMREAD_UNCHANGED)
    except cv2.error:
        raise ImageError(refusal) from None
    if image is None:
        raise ImageError(refusal)
    if image.dtype not in (np.dtype("u1"), np.dtype("u2")):
        raise ImageError(f"the picture's samples are {image.dtype}; convert it to 8 or 16 bits first")
    exif = [bytes(blob) for kind, blob in zip(kinds, blobs, strict=True) if kind == cv2.IMAGE_METADATA_EXIF]
    return _upright(_swap_red_and_blue(image), _orientation(exif[0]) if exif else 1)


def encode(image: Image, suffix: str) -> bytes:
    """A picture file's bytes.

    Args:
        image: as :func:`decode` returns it.
        suffix: of the file's name, with its dot; a key of FORMATS in any case.

    Raises:
        ImageError: the format is not one of FORMATS or cannot hold the picture.
    """
    form = FORMATS.get(suffix.lower())
    if form is None:
        raise ImageError(f"cannot write pictures as {suffix or 'a name without suffix'}; use {', '.join(FORMATS)}")
    channels, bits = 1 if image.ndim == 2 else image.shape[2], 8 * image.dtype.itemsize
    if channels not in form.channels or bits not in form.bits:
        raise ImageError(f"{suffix} cannot hold {channels} channels of {bits} bits; write a .png or .tif")
    try:
        done, data = cv2.imencode(suffix.lower(), _swap_red_and_blue(image))
    except cv2.error:
        done = False
    if not done:
        raise ImageError(f"cannot write a {image.shape[1]} x {image.shape[0]} picture as {suffix}; try .tif or .png")
    return bytes(data)


def _swap_red_and_blue(image: Any) -> Image:
    if image.ndim == 2:
        return image  # type: ignore[no-any-return]
    swapped: Image = np.ascontiguousarray(image[:, :, [2, 1, 0, 3][: image.shape[2]]])
    return swapped


def _orientation(exif: bytes) -> int:
    """The orientation (1 to 8) in an EXIF block, 1 where it says none (EXIF 2.32, section 4.6.4)."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    try:
        if order is None:
            return 1
        (at,) = struct.unpack_from(order + "I", exif, 4)
        (entries,) = struct.unpack_from(order + "H", exif, at)
        for i in range(entries):
            tag, kind, _, value = struct.unpack_from(order + "HHIH", exif, at + 2 + 12 * i)
            if (tag, kind) == (0x0112, 3):
                return value if 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1


def _upright(image: Image, orientation: int) -> Image:
    # The stored picture is mirrored in 2, 4, 5 and 7, then turned clockwise by these quarters.
    quarters = {3: 2, 4: 2, 5: 3, 6: 1, 7: 1, 8: 3}.get(orientation, 0)
    if orientation in (2, 4, 5, 7):
        image = image[:, ::-1]
    upright: Any = np.ascontiguousarray(np.rot90(image, -quarters))
    return upright  # type: ignore[no-any-return]
