"""The command that says what a file's header says."""

from __future__ import annotations

import dataclasses
import json
from typing import Annotated

import typer

from imgcrypt import files
from imgcrypt.commands import wording


def inspect(
    file: Annotated[str, typer.Argument(metavar="FILE", help="the encrypted file; - is standard input")],
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Say what FILE's header says. Needs no key, and proves nothing."""
    import imgcrypt

    data = files.read(file)
    with wording.named(file, recover=True):
        info = imgcrypt.inspect(data)
    if as_json:
        print(json.dumps(dataclasses.asdict(info) | {"complete": len(data) == info.file_bytes}, indent=1))
        return
    sampled = f"sampled by {info.net} at rate {info.rate}"
    rows = {
        "format": f"imgcrypt version {info.version}, suite {info.suite}",
        "picture": wording.shape(info, info.payload_bytes),
        "mode": info.mode if info.net is None else sampled,
        "opens with": wording.opens_with(info.keys),
        "stands": f"the loss of {info.survives:.0%} of {info.packets} packets"
        if info.survives
        else "no loss of any packet",
        "size": f"{info.file_bytes} bytes" + ("" if len(data) == info.file_bytes else f", but {len(data)} are there"),
    }
    for name, value in rows.items():
        print(f"{name:<11} {value}")
