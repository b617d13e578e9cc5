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


def through(picture: NDArray[np.uint8], name: str, rate: float) -> NDArray[np.uint8]:
    """The picture after the format at the best quality whose whole file fits in ``rate`` bytes for each sample.

    Where none is so small, after the worst quality: at 0.01 that is usual.

    Args:
        picture: uint8 (H, W) or (H, W, 3) RGB.
        name: one of FORMATS.
        rate: bytes for each sample.
    """
    suffix, options = FORMATS[name]
    stored = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR) if picture.ndim == 3 else picture

    def encode(quality: int) -> NDArray[np.uint8]:
        return np.asarray(cv2.imencode(suffix, stored, [*options, quality])[1], np.uint8)

    low, high = 0, 100
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if len(encode(middle)) <= rate * picture.size else (low, middle - 1)
    back = cv2.imdecode(encode(low), cv2.IMREAD_COLOR if picture.ndim == 3 else cv2.IMREAD_GRAYSCALE)
    return np.asarray(cv2.cvtColor(back, cv2.COLOR_BGR2RGB) if picture.ndim == 3 else back, np.uint8)
