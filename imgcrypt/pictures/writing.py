"""Pixels to the bytes of a picture file, by OpenCV. Color is RGB here, BGR nowhere but in these lines."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from imgcrypt.errors import ImageError

if TYPE_CHECKING:
    from imgcrypt.pictures.picture import Pixels

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
"""Suffix -> format, for writing."""


def encode(image: Pixels, suffix: str) -> bytes:
    """A picture file's bytes.

    Args:
        image: uint8 or uint16, (H, W), (H, W, 3) RGB or (H, W, 4) RGBA.
        suffix: of the file's name, with its dot; a key of FORMATS in any case.

    Raises:
        ImageError: the format is not one of FORMATS or cannot hold the picture.
    """
    import cv2

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


def _swap_red_and_blue(image: Any) -> Pixels:
    import numpy as np

    if image.ndim == 2:
        return image  # type: ignore[no-any-return]
    swapped: Pixels = np.ascontiguousarray(image[:, :, [2, 1, 0, 3][: image.shape[2]]])
    return swapped
