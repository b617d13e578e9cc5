"""The plainest sampling to compare nets with: the low frequencies of a 32 x 32 DCT, a byte each. Nothing is trained."""

from __future__ import annotations

import functools

import cv2
import numpy as np
from numpy.typing import NDArray

BLOCK = 32
"""Side of a block in pixels."""
LARGEST = 8500.0
DECAY = 1.4
"""A coefficient of frequency f = sqrt(u^2 + v^2) >= 1 fills its byte at LARGEST / f^DECAY.

Fitted to the size that one in ten thousand exceeds, over the luma of BSDS500 train; one larger is cut to it.
"""


def zonal_dct(picture: NDArray[np.uint8], rate: float) -> NDArray[np.uint8]:
    """The picture after sampling to bytes and linear reconstruction.

    Args:
        picture: gray, uint8 (H, W), any size.
        rate: bytes per pixel of whole blocks, above 0 and up to 1: the nearest number of coefficients is kept, but
            at least one.
    """
    height, width = picture.shape
    padded = np.pad(picture, [(0, -length % BLOCK) for length in picture.shape], "edge")
    pixels = rebuild(sample(padded, max(1, round(rate * BLOCK**2))))
    return pixels[:height, :width]


def sample(picture: NDArray[np.uint8], count: int) -> NDArray[np.uint8]:
    """The first ``count`` coefficients of each block: uint8 (32 h, 32 w) -> uint8 (h, w, count)."""
    height, width = (length // BLOCK for length in picture.shape)
    at, largest = _zone(count)
    coefficients = np.empty((height, width, count), np.float32)
    for row, column in np.ndindex(height, width):
        block = picture[row * BLOCK : (row + 1) * BLOCK, column * BLOCK : (column + 1) * BLOCK]
        coefficients[row, column] = cv2.dct(block.astype(np.float32) - 128).reshape(-1)[at]
    return np.asarray((coefficients / largest * 127).round().clip(-127, 127) + 128, np.uint8)


def rebuild(coefficients: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What :func:`sample` took: uint8 (h, w, count) -> uint8 (32 h, 32 w)."""
    height, width, count = coefficients.shape
    at, largest = _zone(count)
    pixels = np.empty((height * BLOCK, width * BLOCK), np.float32)
    for row, column in np.ndindex(height, width):
        block = np.zeros(BLOCK**2, np.float32)
        block[at] = (coefficients[row, column] - np.float32(128)) / 127 * largest
        pixels[row * BLOCK : (row + 1) * BLOCK, column * BLOCK : (column + 1) * BLOCK] = cv2.idct(
            block.reshape(BLOCK, BLOCK)
        )
    return np.asarray((pixels + 128).round().clip(0, 255), np.uint8)


@functools.cache
def _zone(count: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Where the ``count`` lowest frequencies are in a block, by u + v as JPEG orders them, and the size of each."""
    u, v = np.mgrid[:BLOCK, :BLOCK].reshape(2, -1)
    at = np.lexsort((np.hypot(u, v), u + v))[:count]
    sizes = LARGEST / np.hypot(u, v).clip(1) ** DECAY
    sizes[0] = 128 * BLOCK
    return at, sizes[at].astype(np.float32)
