"""JPEG, WebP and AVIF at a net's bytes: no encryption, no fixed places, nothing that stands damage."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

FORMATS: dict[str, tuple[str, list[int]]] = {
    "jpeg": (".jpg", [cv2.IMWRITE_JPEG_OPTIMIZE, 1, cv2.IMWRITE_JPEG_QUALITY]),
    "webp": (".webp", [cv2.IMWRITE_WEBP_QUALITY]),
    "avif": (".avif", [cv2.IMWRITE_AVIF_QUALITY]),
}
"""File suffix, and OpenCV's options up to the quality, by name."""


def through(picture: NDArray[np.uint8], name: str, rate: float) -> NDArray[np.uint8] | None:
    """The picture after the format at the best quality whose whole file fits in ``rate`` bytes for each sample.

    Args:
        picture: uint8 (H, W) or (H, W, 3) RGB.
        name: one of FORMATS.
        rate: bytes for each sample.

    Returns:
        The picture, or ``None`` if not even the worst quality makes so small a file.
    """
    suffix, options = FORMATS[name]
    stored = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR) if picture.ndim == 3 else picture
    low, high, best = 1, 100, None
    while low <= high:
        middle = (low + high) // 2
        encoded = cv2.imencode(suffix, stored, [*options, middle])[1]
        if len(encoded) <= rate * picture.size:
            low, best = middle + 1, encoded
        else:
            high = middle - 1
    if best is None:
        return None
    back = cv2.imdecode(best, cv2.IMREAD_COLOR if picture.ndim == 3 else cv2.IMREAD_GRAYSCALE)
    return np.asarray(cv2.cvtColor(back, cv2.COLOR_BGR2RGB) if picture.ndim == 3 else back, np.uint8)
