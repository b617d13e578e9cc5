"""Pictures as JPEG XL codestreams (ISO/IEC 18181-1) that keep every sample, and back."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from imgcrypt import loading, threads
from imgcrypt.arrays import Image
from imgcrypt.errors import DamagedError

EFFORT = 3
"""Of 1 to 9: above it, some percent fewer bytes take five times as long."""


def encode(image: Image) -> bytes:
    """A picture (H, W), (H, W, 3) or (H, W, 4), uint8 or uint16, as a codestream."""
    data: bytes = _imagecodecs().jpegxl_encode(
        np.ascontiguousarray(image, image.dtype.newbyteorder("=")),
        lossless=True,
        effort=EFFORT,
        usecontainer=False,
        numthreads=threads.count(),
    )
    return data


def decode(data: bytes, shape: tuple[int, ...], dtype: str) -> Image:
    """The picture of a codestream, which zeros may follow.

    Raises:
        DamagedError: it holds no picture of this shape and type.
    """
    imagecodecs = _imagecodecs()
    try:
        image = np.empty(shape, dtype)
        imagecodecs.jpegxl_decode(data, out=image, numthreads=threads.count())
    except (ValueError, RuntimeError):  # its JpegxlError is a RuntimeError
        raise DamagedError("the file's payload does not fit its picture; it was not made by imgcrypt") from None
    return image


def _imagecodecs() -> Any:
    return loading.whole(lambda: importlib.import_module("imagecodecs"))
