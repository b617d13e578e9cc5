"""The cipher's constants, shared by the kernels and the reference. docs/format.md, section 4, names each."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SEGMENT = 65536
"""Bytes of picture or ciphertext that one keystream segment serves."""
MOST_ROWS = 64
"""Rows, at most, of the matrix that the fine round of scrambling makes of a segment."""
CELL = 64
"""Bytes that move together in the coarse round of scrambling."""
BLOCK = 1024
"""Bytes that decomposition makes vectors of, each from one byte of either half."""

LANES = 256
"""Pairs of Logistic maps that run side by side in a segment; a row is one word of each."""
ROW_BYTES = 8 * LANES
SEED_WORDS = 2 * LANES
"""64-bit words of the seed stream for one segment."""
BATCH = 2 * ROW_BYTES
"""Bytes of a message that share a row of p and one of q, a value of either for each vector."""
SEGMENT_ROWS = 1 + BATCH // ROW_BYTES + SEGMENT // ROW_BYTES
"""Rows of one segment: slides, basis, mask."""

MU = 4.0 * (1.0 - 2.0**-24)
"""Control parameter of the Logistic maps: so close to 4 that they are fully chaotic, and below it so that
no state reaches 1, from which the map falls to 0 for good."""
OFFSET = 96.0
"""Added to a drop so that the last bit of its float64 is worth 2**-46 whatever its size below 32."""

FEEDBACK = 2**36 - 1
"""Which bits of either Logistic state a drop changes: the lowest ones, so by 2**-16 of the state at most."""
FEEDBACK_TURN = 20
"""Bits by which a drop is shifted up before it changes the other map: so its last bit is felt two rows later."""

# The cubic Chebyshev projection, in sin(U)**2, of the Rayleigh quantile sqrt(-2 ln u) at u = 2U/pi,
# rounded to multiples of 1/64: the radius of Box and Muller (1958) without a logarithm.
RADIUS_0 = 157 / 64
RADIUS_1 = -407 / 64
RADIUS_2 = 689 / 64
RADIUS_3 = -421 / 64


def pairs(size: int) -> NDArray[np.int64]:
    """The two places of each vector in a ciphertext of ``size`` bytes: int64 (m, 2), the first byte's ascending."""
    import numpy as np

    places = np.arange(size)
    half = np.minimum(BLOCK, size - places // BLOCK * BLOCK) // 2
    first = places % BLOCK < half
    return np.stack([places[first], places[first] + half[first]], 1)
