"""The nets that ship with the package: their manifest and files. Old files stay, for the pictures made with them."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from pathlib import Path
from typing import Any

from imgcrypt.errors import NetError

FOLDER = Path(__file__).parent / "zoo"
RATE_TOLERANCE = 0.005


@dataclasses.dataclass(frozen=True)
class Entry:
    """One net: what the manifest says of it.

    Rates are bytes of measurements per sample, as the paper rounds them: a color pixel has three
    samples, a gray pixel one.
    """

    name: str
    color_rate: float
    gray_rate: float
    block: int
    block_bytes: int
    halo: int
    sampler: Path
    sampler_sha256: str
    reconstructor: Path
    reconstructor_sha256: str

    @classmethod
    def from_json(cls, entry: dict[str, Any], folder: Path) -> Entry:
        """From an element of the manifest in ``folder``."""
        return cls(
            name=entry["name"],
            color_rate=entry["color_rate"],
            gray_rate=entry["gray_rate"],
            block=entry["block"],
            block_bytes=entry["block_bytes"],
            halo=entry["halo"],
            sampler=folder / entry["sampler"]["file"],
            sampler_sha256=entry["sampler"]["sha256"],
            reconstructor=folder / entry["reconstructor"]["file"],
            reconstructor_sha256=entry["reconstructor"]["sha256"],
        )

    def rate(self, channels: int) -> float:
        """The rate of a picture of 1 or 3 channels."""
        return self.gray_rate if channels == 1 else self.color_rate

    def read(self, part: str) -> bytes:
        """The ONNX bytes of ``sampler`` or ``reconstructor``.

        Raises:
            NetError: the file is missing, or is not the one that the manifest names.
        """
        path: Path = getattr(self, part)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise NetError(f"cannot read the net {self.name}: {error.strerror}; install imgcrypt again") from None
        if hashlib.sha256(data).hexdigest() != getattr(self, f"{part}_sha256"):
            raise NetError(f"the net {self.name} is not the file that its manifest names; install imgcrypt again")
        return data


@functools.cache
def entries() -> tuple[Entry, ...]:
    """Every net of the package, in the order in which they were made."""
    return tuple(Entry.from_json(entry, FOLDER) for entry in json.loads((FOLDER / "manifest.json").read_text()))


def choose(net: str | None, rate: float | None, channels: int) -> Entry:
    """The net for new pictures of 1 or 3 channels: of this family or name, and this rate, the newest first.

    Raises:
        NetError: there is none.
    """
    named = [entry for entry in entries() if net in (None, entry.name, entry.name.rpartition("-")[0])]
    if not named:
        raise NetError(f"no net is called {net!r}; choose from {', '.join(sorted({e.name for e in entries()}))}")
    fitting = [entry for entry in named if rate is None or abs(entry.rate(channels) - rate) < RATE_TOLERANCE]
    if not fitting:
        kind = "gray" if channels == 1 else "color"
        rates = ", ".join(f"{served:.2f}" for served in sorted({entry.rate(channels) for entry in named}))
        raise NetError(f"no net samples {kind} pictures at rate {rate}; the rates served are {rates}")
    return fitting[-1]


def find(weights: bytes, name: str) -> Entry:
    """The net whose reconstructor has this SHA-256.

    Raises:
        NetError: it is not installed.
    """
    for entry in entries():
        if entry.reconstructor_sha256 == weights.hex():
            return entry
    raise NetError(
        f"the file needs the net {name} with weights {weights.hex()[:16]}, which this installation lacks; "
        "install the release of imgcrypt that the file was made with"
    )
