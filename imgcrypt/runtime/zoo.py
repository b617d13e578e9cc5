"""The nets: those that ship with the package, and those of a zoo of one's own.

A zoo is a folder with a manifest and the files that it names, each with its SHA-256. Nothing is ever downloaded. Old
files stay, for the pictures made with them. ``IMGCRYPT_ZOO`` or :func:`using` names a zoo of one's own, whose nets
come before the package's.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import functools
import hashlib
import importlib.resources
import json
import os
import re
from collections.abc import Iterator
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from imgcrypt.errors import NetError

VARIABLE = "IMGCRYPT_ZOO"
AGAIN = "install imgcrypt again, or export the net again if it is your own"
FOLDER = importlib.resources.files("imgcrypt.runtime") / "zoo"
RATE_TOLERANCE = 0.005
DEFAULT = "picture"
"""The kind of net for those who name none."""
RATES = (0.005, 0.75)
"""The lowest and the highest rate of a net that serves any."""
_own: contextvars.ContextVar[str | None] = contextvars.ContextVar("zoo", default=None)


@dataclasses.dataclass(frozen=True)
class Entry:
    """One net: what the manifest says of it.

    Rates are bytes of measurements per sample, as the paper rounds them: a color pixel has three
    samples, a gray pixel one. ``layout`` says how a payload is laid out, and with that what runs the net: a key of
    imgcrypt.runtime.NETS. ``block_bytes`` is 0 where the bytes of a block vary. Where the picture code samples,
    there is no sampler, and ``tables_sha256`` is that of the code's tables.
    """

    name: str
    color_rate: float | None
    gray_rate: float | None
    layout: str
    block: int
    block_bytes: int
    halo: int
    reconstructor: Traversable
    reconstructor_sha256: str
    sampler: Traversable | None = None
    sampler_sha256: str | None = None
    tables_sha256: str | None = None

    @classmethod
    def from_json(cls, entry: dict[str, Any], folder: Traversable) -> Entry:
        """From an element of the manifest in ``folder``.

        Raises:
            KeyError, TypeError, ValueError: a field is missing, of another type, or of an impossible value.
        """
        _check(entry)
        return cls(
            name=entry["name"],
            color_rate=entry["color_rate"],
            gray_rate=entry["gray_rate"],
            layout=entry["layout"],
            block=entry["block"],
            block_bytes=entry["block_bytes"],
            halo=entry["halo"],
            reconstructor=folder / entry["reconstructor"]["file"],
            reconstructor_sha256=entry["reconstructor"]["sha256"],
            sampler=folder / entry["sampler"]["file"] if "sampler" in entry else None,
            sampler_sha256=entry["sampler"]["sha256"] if "sampler" in entry else None,
            tables_sha256=entry.get("tables_sha256"),
        )

    @property
    def kind(self) -> str:
        """What nets of several rates or channels have in common: the name up to its first hyphen."""
        return self.name.partition("-")[0]

    @property
    def weights(self) -> str:
        """What files name: the SHA-256, in hexadecimal, of what opening them cannot do without."""
        return self.tables_sha256 or self.reconstructor_sha256

    @property
    def any_rate(self) -> bool:
        """Whether a rate can be chosen for each picture."""
        return self.layout == "layers"

    def rate(self, channels: int) -> float | None:
        """The rate of a picture of 1, 3 or 4 channels if none is asked for; ``None`` if the net does not serve it."""
        return self.gray_rate if channels == 1 else self.color_rate

    def serves(self, rate: float, channels: int) -> bool:
        """Whether pictures of so many channels can have this rate."""
        served = self.rate(channels)
        if self.any_rate:
            return served is not None and RATES[0] <= rate <= RATES[1]
        return served is not None and abs(served - rate) < RATE_TOLERANCE

    def read(self, part: str) -> bytes:
        """The bytes of ``sampler`` or ``reconstructor``, ONNX both.

        Raises:
            NetError: the file is missing, or is not the one that the manifest names.
        """
        path: Traversable = getattr(self, part)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise NetError(f"cannot read the net {self.name}: {error.strerror}; {AGAIN}") from None
        if hashlib.sha256(data).hexdigest() != getattr(self, f"{part}_sha256"):
            raise NetError(f"the net {self.name} is not the file that its manifest names; {AGAIN}")
        return data


def entries() -> tuple[Entry, ...]:
    """Every net of the package, then those of one's own zoo if there is one, each in the order in which it was made.

    Raises:
        NetError: a manifest is missing or damaged.
    """
    own = _own.get() or os.environ.get(VARIABLE)
    return _shipped() + (read(Path(own)) if own else ())


@contextlib.contextmanager
def using(folder: str | os.PathLike[str] | None) -> Iterator[None]:
    """With the zoo in ``folder``, whatever ``IMGCRYPT_ZOO`` says, for what is called here meanwhile.

    ``None`` changes nothing.

    Raises:
        NetError: the folder holds no zoo.
    """
    if folder is not None:
        read(Path(folder))
    token = _own.set(_own.get() if folder is None else os.fspath(folder))
    try:
        yield
    finally:
        _own.reset(token)


def read(folder: Traversable) -> tuple[Entry, ...]:
    """The nets of a zoo.

    Raises:
        NetError: its manifest is missing or damaged.
    """
    try:
        manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
        if not isinstance(manifest, list):
            raise TypeError("a list")
        return tuple(Entry.from_json(entry, folder) for entry in manifest)
    except OSError as error:
        raise NetError(f"cannot read the nets' manifest in {folder}: {error.strerror}; {AGAIN}") from None
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise NetError(f"the nets' manifest in {folder} is damaged ({error!r}); {AGAIN}") from None


@functools.cache
def _shipped() -> tuple[Entry, ...]:
    return read(FOLDER)


def _check(entry: dict[str, Any]) -> None:
    kinds: dict[str, Any] = {"name": str, "layout": str, "block": int, "block_bytes": int, "halo": int}
    kinds |= dict.fromkeys(("color_rate", "gray_rate"), int | float | None)
    for field, kind in kinds.items():
        if not isinstance(entry[field], kind) or isinstance(entry[field], bool):
            raise TypeError(field)
    layered = entry["layout"] == "layers"
    for part in ("reconstructor",) if layered else ("sampler", "reconstructor"):
        if not re.fullmatch(r"[\w.-]+", entry[part]["file"]) or not re.fullmatch("[0-9a-f]{64}", entry[part]["sha256"]):
            raise ValueError(part)
    if layered and not re.fullmatch("[0-9a-f]{64}", entry["tables_sha256"]):
        raise ValueError("tables_sha256")


def choose(net: str | None, rate: float | None, channels: int) -> Entry:
    """The net for a new picture of 1, 3 or 4 channels.

    Args:
        net: a net's name or kind, or ``None`` for the default, which serves any rate.
        rate: bytes of measurements per sample, or ``None`` for any.
        channels: of the picture.

    Returns:
        Of those that fit, the newest at the highest rate; one's own are newer than the package's.

    Raises:
        NetError: there is none.
    """
    named = [entry for entry in entries() if (DEFAULT if net is None else net) in (entry.name, entry.kind)]
    if not named:
        names = dict.fromkeys([entry.kind for entry in entries()] + [entry.name for entry in entries()])
        raise NetError(f"no net is called {net!r}; choose from {', '.join(names)}")
    rates = {entry: served for entry in named if (served := entry.rate(channels)) is not None}
    fitting = [entry for entry in rates if rate is None or entry.serves(rate, channels)]
    if not fitting:
        kind = "gray" if channels == 1 else "color"
        known = ", ".join(_rates(entry, channels) for entry in sorted(rates, key=lambda each: rates[each])) or "none"
        wanted = "" if rate is None else f" at rate {rate}"
        raise NetError(f"no such net samples {kind} pictures{wanted}; the rates served are: {known}")
    return max(reversed(fitting), key=lambda entry: rates[entry])


def _rates(entry: Entry, channels: int) -> str:
    return f"any from {RATES[0]} to {RATES[1]}" if entry.any_rate else f"{entry.rate(channels):.2f}"


def find(weights: bytes, name: str) -> Entry:
    """The net that a file names by this SHA-256.

    Raises:
        NetError: it is not installed.
    """
    for entry in reversed(entries()):
        if entry.weights == weights.hex():
            return entry
    raise NetError(
        f"the file needs the net {name} with weights {weights.hex()[:16]}, which this installation lacks; "
        f"install the release of imgcrypt that the file was made with, or name the zoo that holds it by {VARIABLE}"
    )
