"""The command that shows what is in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from imgcrypt import files, keychoice
from imgcrypt.commands import wording
from imgcrypt.commands.options import ForceOption, KeyOption, PassphraseOption


def preview(
    file: Annotated[str, typer.Argument(metavar="FILE", help="the encrypted file; - is standard input")],
    output: Annotated[str, typer.Option("-o", "--output", metavar="FILE", help="the picture; - is standard output")],
    key: KeyOption = None,
    passphrase: PassphraseOption = False,
    full_size: Annotated[bool, typer.Option("--full-size", help="not an eighth of it each way")] = False,
    force: ForceOption = False,
) -> None:
    """Write a small, coarse picture of what is in FILE; of it only the first kilobytes are read."""
    import imgcrypt
    from imgcrypt import pictures

    key_files = keychoice.key_files(key, passphrase, file)
    files.check_output(output, force, [file, *key_files])
    suffix = ".png" if output == files.STANDARD else Path(output).suffix.lower()
    wording.check_suffix(suffix)
    keys = keychoice.openers(key_files, passphrase)
    with wording.named(file, recover=True):
        if file == files.STANDARD:
            small = imgcrypt.preview(files.read(file), keys, full_size=full_size)
        else:
            with files.opened(file) as stream:
                small = imgcrypt.preview(stream, keys, full_size=full_size)
    files.write(output, pictures.encode(small, suffix), force, private=True)
