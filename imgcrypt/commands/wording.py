"""What commands say of files and of what they did, in words and as JSON."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer

from imgcrypt import files
from imgcrypt.errors import ContainerError, DamagedError, ImageError, TruncatedError, WrongKeyError
from imgcrypt.pictures import FORMATS
from imgcrypt.printable import printable

if TYPE_CHECKING:
    from imgcrypt.api import Recovered
    from imgcrypt.info import Info

FIELDS = {
    "profile": "color profile",
    "exif": "EXIF",
    "xmp": "XMP",
    "resolution": "resolution",
    "gamma": "gamma",
    "chromaticities": "chromaticities",
    "intent": "rendering intent",
    "coding": "coding of colors",
}
"""Fields of imgcrypt.pictures.metadata.Metadata, as people call them."""


def nothing(_: str) -> None:
    """Said by ``--quiet``."""


def check_json(as_json: bool, target: str) -> None:
    """Refuse ``--json`` where the file goes to standard output."""
    if as_json and target == files.STANDARD:
        raise typer.BadParameter("standard output is the file's already: give -o FILE", param_hint="--json")


def check_suffix(suffix: str, otherwise: str = "") -> None:
    """Refuse a suffix in which pictures are not written; ``otherwise`` is what helps beside another one."""
    if suffix not in FORMATS:
        name = printable(suffix) or "a name without suffix"
        known = ", ".join(FORMATS)
        raise typer.BadParameter(f"cannot write pictures as {name}; use {known}{otherwise}", param_hint="-o")


def print_json(as_json: bool, source: str, target: str, info: Info | None, more: dict[str, Any]) -> None:
    """What was done, for ``--json``."""
    if as_json:
        header = dataclasses.asdict(info) if info else {}
        print(json.dumps({"input": source, "output": target} | header | more, indent=1))


@contextlib.contextmanager
def named(file: str, recover: bool) -> Iterator[None]:
    """Errors about the bytes of a file name it, and the option that helps."""
    try:
        yield
    except (DamagedError, TruncatedError) as error:
        remedy = "" if recover else "; or --recover opens what is left of it"
        raise type(error)(f"{file}: {error}{remedy}") from None
    except (ContainerError, WrongKeyError, ImageError) as error:
        raise type(error)(f"{file}: {error}") from None


def shape(info: Info | None, size: int) -> str:
    """What a file of this header holds; ``size`` in bytes, if it is another file."""
    if info is None or info.mode == "exact":
        return f"a file of {amount(size)}, as it was"
    kind = {1: "gray", 3: "color", 4: "color with alpha"}[info.channels]
    return f"{info.width} x {info.height} {kind}" + (", 16 bits" if info.bits == 16 else "")


def amount(count: int) -> str:
    """Of bytes."""
    return f"{count} bytes" if count < 10_000 else f"{count / 1024:,.1f} KiB"


def opens_with(keys: tuple[str, ...]) -> str:
    """The kinds of keys that open a file."""
    numbers = {kind: keys.count(kind) for kind in keys}
    shown = [kind if number == 1 else f"{kind} ({number})" for kind, number in numbers.items()]
    return " or ".join(shown) or "nothing that this release knows"


def loss(recovered: Recovered) -> str:
    """What of a picture is lost, and what is proven of the rest."""
    if recovered.complete:
        return "nothing was lost, and the picture is authentic"
    if recovered.authentic:
        coarser = f"coarser ({recovered.whole} of {recovered.parts} parts), but what it shows is "
        return (
            f"warning: {recovered.failed_packets} of {recovered.info.packets} packets were damaged; the picture is "
            f"{'' if recovered.whole == recovered.parts else coarser}authentic"
        )
    return (
        f"warning: the picture is NOT authenticated: {recovered.failed_packets} of {recovered.info.packets} packets "
        f"failed; "
        f"{recovered.lost_bytes} of {recovered.info.payload_bytes} bytes were lost and are filled in, "
        f"{recovered.doubtful_bytes} more may be anybody's"
    )


def net_and_provider(info: Info, provider: str) -> str:
    """What rebuilds a picture, and on what it runs."""
    if info.net is None or info.net_weights is None:
        return "no net"
    from imgcrypt import runtime
    from imgcrypt.runtime import zoo

    entry = zoo.find(bytes.fromhex(info.net_weights), info.net)
    return f"net {info.net} on {runtime.load(entry, provider).provider}"
