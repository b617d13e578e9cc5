"""The types of the arrays that the modules hand each other."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Floats = NDArray[np.float32]
Image = NDArray[np.uint8] | NDArray[np.uint16]
"""Samples of a picture: (H, W) gray, (H, W, 3) RGB or (H, W, 4) RGBA."""


class ArrayInterface(Protocol):
    """What NumPy makes an array of: one itself, a Pillow picture, and whatever else offers the interface."""

    @property
    def __array_interface__(self) -> Any:
        """As NumPy's documentation specifies it."""


ImageLike = Image | ArrayInterface
"""What is taken for a picture."""
