"""The command that mends files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imgcrypt import exitcodes, files, keychoice, naming
from imgcrypt.commands import wording
from imgcrypt.commands.options import ForceOption, KeyOption, PassphraseOption
from imgcrypt.errors import ImgcryptError
from imgcrypt.shell import say

if TYPE_CHECKING:
    from imgcrypt.keys import Key


def repair(
    names: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="damaged files, of a folder all .imgc in and below it; or - alone"),
    ],
    key: KeyOption = None,
    passphrase: PassphraseOption = False,
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="FILE", help="- is standard output [default: in FILE's place]"),
    ] = None,
    force: ForceOption = False,
) -> None:
    """Write FILEs as they were, byte for byte, where their parity mends the damage. It takes a key that opens them."""
    several = len(names) > 1 or Path(names[0]).is_dir()
    if several and (output is not None or files.STANDARD in names):
        raise typer.BadParameter("several files are repaired in their places: leave out -o and -", param_hint="-o")
    file = names[0]
    key_files = keychoice.key_files(key, passphrase, file)
    found = [str(path) for name in names for path in files.below(name, naming.SUFFIX)] if several else [file]
    target = file if output is None else output
    in_place = output is None and file != files.STANDARD
    if not several:
        files.check_output(target, force or in_place, [] if in_place else [file, *key_files])
    keys = keychoice.openers(key_files, passphrase)
    if not several:
        if not _repair(file, target, keys, force or in_place):
            say(f"{file}: nothing is damaged")
        return
    repaired = failed = 0
    for each in found:
        try:
            repaired += _repair(each, each, keys, force=True)
        except ImgcryptError as error:
            say(f"imgcrypt: {error}")
            failed += 1
    say(f"{len(found)} files: {repaired} repaired, {len(found) - repaired - failed} whole, {failed} failed")
    if failed:
        raise typer.Exit(exitcodes.ERROR)


def _repair(file: str, target: str, keys: list[Key], force: bool) -> bool:
    """Whether there was anything to repair."""
    import imgcrypt

    data = files.read(file)
    with wording.named(file, recover=False):
        mended = imgcrypt.repair(data, keys)
    if mended != data or target != file or file == files.STANDARD:
        files.write(target, mended, force)
    if mended != data:
        say(f"{file} -> {target}: repaired, {wording.amount(len(mended))}")
    return mended != data
