"""The command that changes who may open files."""

from __future__ import annotations

import dataclasses
import json
from typing import Annotated, Any

import typer

from imgcrypt import exitcodes, files, keychoice, naming
from imgcrypt.commands import wording
from imgcrypt.commands.options import JsonOption, KeyOption, PassphraseOption, QuietOption
from imgcrypt.errors import ImgcryptError
from imgcrypt.shell import say


def rewrap(
    names: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="encrypted files; of a folder, all .imgc in and below it"),
    ],
    key: KeyOption = None,
    passphrase: PassphraseOption = False,
    add_recipient: Annotated[
        list[str] | None,
        typer.Option("-r", "--add-recipient", metavar="PUBLIC", help="a line age1..., or a file of such lines"),
    ] = None,
    add_key: Annotated[list[str] | None, typer.Option("--add-key", metavar="FILE", help="a key file")] = None,
    add_passphrase: Annotated[
        bool, typer.Option("--add-passphrase", help=f"ask for a new one, or read ${keychoice.NEW_VARIABLE}")
    ] = False,
    remove: Annotated[
        list[str] | None, typer.Option("--remove", metavar="WHO", help="a line age1..., a file of such, or a key file")
    ] = None,
    remove_passphrases: Annotated[bool, typer.Option("--remove-passphrases", help="whichever they are")] = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Change who may open FILEs, with a key that opens them. The pictures are not touched, nor decrypted.

    Nothing can be taken back from those who were removed: whoever kept an old copy of a file, or the key of the file
    itself, still opens the picture.

    \b
    imgcrypt rewrap photos/ -k me.key -r age1...                       who opens them, too
    imgcrypt rewrap photos/ -k me.key --remove age1...                 who no longer does
    imgcrypt rewrap a.imgc -k old.txt --add-key new.txt --remove old.txt
    """
    from imgcrypt import inputs, rewrapping

    if not (add_recipient or add_key or add_passphrase or remove or remove_passphrases):
        raise typer.BadParameter("say who is to be added or removed", param_hint="--add-recipient/--remove")
    key_files = keychoice.key_files(key, passphrase, "")
    keychoice.check(key_files, passphrase)
    found = [path for name in names for path in files.below(name, naming.SUFFIX)]
    add = [*keychoice.recipients(add_recipient), *map(keychoice.load, add_key or ())]
    gone = keychoice.anyone(remove)
    keys = [*map(keychoice.load, key_files)]
    keys += [keychoice.passphrase(confirm=False)] if passphrase else []
    if add_passphrase:
        from imgcrypt.keys import Key

        add.append(Key.from_passphrase(keychoice.ask("New passphrase", keychoice.NEW_VARIABLE, confirm=True)))
    change = rewrapping.Change(inputs.key_list(add), inputs.key_list(gone), remove_passphrases)
    tell = wording.nothing if quiet or as_json else say
    told: list[dict[str, Any]] = []
    for path in found:
        try:
            with wording.named(str(path), recover=True):
                done = rewrapping.rewrap_file(path, keys, change)
        except ImgcryptError as error:
            say(f"imgcrypt: {error}")
            told.append({"file": str(path), "error": str(error)})
            continue
        told.append({"file": str(path)} | dataclasses.asdict(done))
        tell(f"{path}: {done.added} added, {done.removed} removed; opens with {wording.opens_with(done.keys)}")
    removed = sum(each.get("removed", 0) for each in told)
    if as_json:
        print(json.dumps(told, indent=1))
    if removed:
        tell("whoever was removed and kept an old copy of a file, or the file's own key, still opens that picture")
    elif gone or remove_passphrases:
        say("warning: none of those to be removed was found in these files")
    if any("error" in each for each in told):
        raise typer.Exit(exitcodes.ERROR)
