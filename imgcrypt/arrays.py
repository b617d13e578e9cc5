"""The types of the arrays that the modules hand each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Floats = NDArray[np.float32]
Image = NDArray[np.uint8] | NDArray[np.uint16]
"""Samples of a picture: (H, W) gray, (H, W, 3) RGB or (H, W, 4) RGBA."""
