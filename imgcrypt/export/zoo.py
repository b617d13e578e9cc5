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
DEFAULT = "fclbcnn-0.18"
"""The net for those who name none."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """One net: what the manifest says of it.

    Rates are bytes of measurements per sample, as the paper rounds them: a color pixel has three
    samples, a gray pixel one.
    """

    name: str
    color_rate: float | None
    gray_rate: float
    block: int
    block_bytes: int
    halo: int
    sampler: Path
    sampler_sha256: str
    reconstructor: Path
    reconstructor_sha256: str
    baseline: bool = False
    """A net of others, for comparison: it is taken only by its name."""

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
            baseline=entry.get("baseline", False),
        )

    def rate(self, channels: int) -> float | None:
        """The rate of a picture of 1, 3 or 4 channels; ``None`` if the net does not serve it."""
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
    """Every net of the package, in the order in which they were made.

    Raises:
        NetError: the manifest is missing.
    """
    try:
        manifest = json.loads((FOLDER / "manifest.json").read_text())
    except OSError as error:
        raise NetError(f"cannot read the nets' manifest: {error.strerror}; install imgcrypt again") from None
    return tuple(Entry.from_json(entry, FOLDER) for entry in manifest)


def choose(net: str | None, rate: float | None, channels: int) -> Entry:
    """The net for a new picture of 1, 3 or 4 channels.

    Args:
        net: a net's name, or ``None`` for any that is no baseline.
        rate: bytes of measurements per sample, or ``None`` for any.
        channels: of the picture.

    Returns:
        DEFAULT if neither name nor rate is given, else the newest that fits.

    Raises:
        NetError: there is none.
    """
    if net is None and rate is None:
        net = DEFAULT
    named = [entry for entry in entries() if (not entry.baseline if net is None else entry.name == net)]
    if not named:
        raise NetError(f"no net is called {net!r}; choose from {', '.join(sorted({e.name for e in entries()}))}")
    rates = {entry: served for entry in named if (served := entry.rate(channels)) is not None}
    fitting = [entry for entry, served in rates.items() if rate is None or abs(served - rate) < RATE_TOLERANCE]
    if not fitting:
        kind = "gray" if channels == 1 else "color"
        known = ", ".join(f"{served:.2f}" for served in sorted(set(rates.values()))) or "none"
        wanted = "" if rate is None else f" at rate {rate}"
        raise NetError(f"no such net samples {kind} pictures{wanted}; the rates served are: {known}")
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
