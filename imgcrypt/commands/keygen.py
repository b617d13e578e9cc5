"""The command that makes keys."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from imgcrypt import files, keychoice
from imgcrypt.printable import printable
from imgcrypt.shell import say


def keygen(
    output: Annotated[str, typer.Option("-o", "--output", metavar="FILE", help="the new key file")],
    pair: Annotated[
        bool, typer.Option("--pair", help="a private key, and the public one that belongs to it, FILE.pub")
    ] = False,
    passphrase: Annotated[
        bool,
        typer.Option(
            "-p", "--passphrase", help=f"protect the file: ask for a passphrase, or read ${keychoice.LOCK_VARIABLE}"
        ),
    ] = False,
) -> None:
    """Make a key file that only you can read, and print the key's fingerprint.

    \b
    imgcrypt keygen -o key.txt            who encrypts and who opens have the same key
    imgcrypt keygen --pair -o me.key      me.pub encrypts (enc -r me.pub), me.key opens

    Of a pair, it prints the public key, which is for everybody.
    """
    from imgcrypt.keys import Identity, Key

    standard = output == files.STANDARD
    public = Path(output).with_suffix(".pub") if pair and not standard and Path(output).name else None
    if public is not None:
        if public == Path(output):
            raise typer.BadParameter("public keys are named .pub; name the private one .key", param_hint="-o")
        files.check_output(str(public), force=False)
    files.check_output(output, force=True)
    key = Identity.generate() if pair else Key.generate()
    lock = keychoice.ask("Passphrase of the key", keychoice.LOCK_VARIABLE, confirm=True) if passphrase else None
    if standard:
        print(key.text(lock))
        say(str(key.recipient) if isinstance(key, Identity) else f"key {key.fingerprint()}")
        return
    key.save(output, lock)
    if public is None or not isinstance(key, Identity):
        print(f"{printable(output)}: key {key.fingerprint()}")
        return
    files.write(str(public), f"{key.recipient}\n".encode(), force=False)
    print(key.recipient)
    say(f"{output}: private key {key.fingerprint()}, yours alone; {public}: the public key, for those who encrypt")
