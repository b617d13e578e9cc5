"""The static tables of the picture code: what is expected before anything of a picture is known.

``python -m imgcrypt.nets.tables`` fits them to pictures; they are integers, so that every machine decodes the same.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib.resources
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from imgcrypt.errors import NetError

if TYPE_CHECKING:
    from numpy.typing import NDArray

FILE = importlib.resources.files("imgcrypt.codec") / "tables.npz"


@dataclasses.dataclass(frozen=True, eq=False)
class Tables:
    """What the kernels of the picture code look up.

    Attributes:
        states: uint32 (STATES,), what each state begins with: 22 bits of probability, 10 of a count.
        weights: int64 (WEIGHTS,), what mixing begins with, in 1/65536.
        stretch: int16 (4096,), the logit of a probability in 1/256, by its 12 highest bits.
        squash: uint16 (4096,), the probability in 1/32768 of a logit from -2048/256 on.
        rates: int64 (1024,), how fast a state learns by its count, in 1/65536.
        zones: uint8 (63,), the band of frequencies i + j, of 32 each way.
        levels: uint8 (1024,), the class of a sum of magnitudes in sixteenths.
        variances: float32, of a coefficient's error in squares of the step, by what is around it; for the net alone,
            they decide nothing of what a file says.
    """

    states: NDArray[np.uint32]
    weights: NDArray[np.int64]
    stretch: NDArray[np.int16]
    squash: NDArray[np.uint16]
    rates: NDArray[np.int64]
    zones: NDArray[np.uint8]
    levels: NDArray[np.uint8]
    variances: NDArray[np.float32]

    @property
    def maps(self) -> tuple[Any, ...]:
        """What never changes while coding, in the order in which the kernels take it."""
        return self.stretch, self.squash, self.rates, self.zones, self.levels

    @functools.cached_property
    def logits(self) -> NDArray[np.int16]:
        """What the states of a coefficient's decisions say at first, for the encoder's choices: int16."""
        logits: NDArray[np.int16] = (self.stretch[self.states >> 20].astype(np.int64) * 5 // 8).astype(np.int16)
        return logits


@functools.cache
def sha256() -> str:
    """Of the file, in hexadecimal: what files say to name their tables."""
    return hashlib.sha256(_read()).hexdigest()


@functools.cache
def load() -> Tables:
    """The tables that are part of the package."""
    with np.load(io.BytesIO(_read())) as held:
        return Tables(**{field.name: held[field.name] for field in dataclasses.fields(Tables)})


def _read() -> bytes:
    try:
        return FILE.read_bytes()
    except OSError as error:
        raise NetError(f"cannot read the picture code's tables: {error.strerror}; install imgcrypt again") from None
