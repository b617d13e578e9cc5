"""Arithmetic on samples: depth, alpha, orientation. NDArray[Any] in, pixels out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def scale(samples: NDArray[Any], peak: int) -> NDArray[Any]:
    """Samples of 0 to ``peak`` as uint8 (peak up to 255) or uint16, 0 and white kept, others rounded.

    As the PNG specification has it, section 13.12: floor((sample * new peak) / peak + 0.5). Different samples stay
    different.
    """
    target = 255 if peak <= 255 else 65535
    dtype = np.uint8 if target == 255 else np.uint16
    if peak == target:
        return np.ascontiguousarray(samples, dtype)
    table = ((np.arange(peak + 1, dtype=np.uint64) * target * 2 + peak) // (2 * peak)).astype(dtype)
    scaled: NDArray[Any] = table[samples]
    return scaled


def straight(pixels: NDArray[Any]) -> NDArray[Any]:
    """Undo a multiplication by alpha, the last channel. Colors under alpha 0 are lost in it, and stay black."""
    peak = np.iinfo(pixels.dtype).max
    alpha = pixels[..., -1:].astype(np.uint32)
    divided = (pixels[..., :-1].astype(np.uint32) * peak + alpha // 2) // np.maximum(alpha, 1)
    return np.concatenate([np.minimum(divided, peak).astype(pixels.dtype), pixels[..., -1:]], -1)


def without_gray_alpha(pixels: NDArray[Any]) -> NDArray[Any]:
    """(H, W, 1) as (H, W), and gray with alpha, (H, W, 2), as RGBA."""
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        return pixels[:, :, 0]
    if pixels.ndim == 3 and pixels.shape[2] == 2:
        return np.ascontiguousarray(pixels[:, :, [0, 0, 0, 1]])
    return pixels


def turn_upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """The picture as it is to be seen, of one stored with this EXIF orientation (EXIF 2.32, section 4.6.4)."""
    # The stored picture is mirrored in 2, 4, 5 and 7, then turned clockwise by these quarters.
    quarters = {3: 2, 4: 2, 5: 3, 6: 1, 7: 1, 8: 3}.get(orientation, 0)
    if orientation in (2, 4, 5, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(np.rot90(pixels, -quarters))
