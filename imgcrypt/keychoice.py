"""Which key a command uses: one in a file, on standard input, or a passphrase."""

from __future__ import annotations

import getpass
import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from imgcrypt import files
from imgcrypt.errors import ImgcryptError, KeyFileError, WrongKeyError
from imgcrypt.shell import say
from imgcrypt.slots import PassphraseSlot, RawKeySlot

if TYPE_CHECKING:
    from imgcrypt.keys import Key

KEY_VARIABLE, PASSPHRASE_VARIABLE = "IMGCRYPT_KEY_FILE", "IMGCRYPT_PASSPHRASE"
HINT = "-k/-p"
KEY_FILE, PASSPHRASE = RawKeySlot.label, PassphraseSlot.label


def key_file(names: list[str] | None, passphrase: bool, other_input: str) -> str | None:
    """The name of the key file, or None if a passphrase is to be taken or none is given.

    Raises:
        typer.BadParameter: several keys, or standard input is to be both the key and the input.
    """
    names = names or []
    if len(names) > 1:
        raise typer.BadParameter("give one key: a file is encrypted for one, and opened with one", param_hint="-k")
    if names and passphrase:
        raise typer.BadParameter("give a key file or a passphrase, not both", param_hint=HINT)
    if names == [files.STANDARD] and other_input == files.STANDARD:
        raise typer.BadParameter("standard input cannot be both the key and the input", param_hint="-k")
    if names:
        return names[0]
    return None if passphrase else os.environ.get(KEY_VARIABLE) or None


def load(name: str) -> Key:
    """The key in a file, or on standard input; a warning if others can read the file.

    Raises:
        ImgcryptError: there is no key; the sentence names the file.
    """
    from imgcrypt.keys import MOST_FILE_BYTES, Key

    if name == files.STANDARD:
        try:
            return Key.parse(files.read(name, MOST_FILE_BYTES).decode("utf-8-sig"))
        except (UnicodeDecodeError, KeyFileError) as error:
            reason = "it is not text" if isinstance(error, UnicodeDecodeError) else str(error)
            raise KeyFileError(f"cannot take the key from standard input: {reason}") from None
    key = Key.load(name)
    if os.name == "posix" and Path(name).stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        say(f"warning: others can read {name}; mend that with: chmod 600 {name}")
    return key


def passphrase(confirm: bool) -> Key:
    """The passphrase in the environment, or typed at the terminal, twice where it is to be confirmed.

    Raises:
        ImgcryptError: none was given.
    """
    from imgcrypt.keys import Key

    text = os.environ.get(PASSPHRASE_VARIABLE)
    if text is not None:
        return Key.from_passphrase(text)
    none = ImgcryptError(f"no passphrase was given; type one, or set {PASSPHRASE_VARIABLE} where there is no terminal")
    if not _has_terminal():
        raise none
    try:
        text = getpass.getpass("Passphrase: ")
        while confirm and getpass.getpass("The same again: ") != text:
            say("The two differ; once more.")
            text = getpass.getpass("Passphrase: ")
    except (EOFError, KeyboardInterrupt) as error:
        # The cursor is still behind the question.
        say("")
        raise (none if isinstance(error, EOFError) else error) from None
    return Key.from_passphrase(text)


def check(key_file: str | None, passphrase: bool, file: str = "", kinds: tuple[str, ...] = ()) -> None:
    """Refuse no key, and one that a file does not open with, before anything is asked.

    Args:
        key_file: the name of a key file.
        passphrase: one is to be taken.
        file: the file that is to be opened.
        kinds: the kinds of key that it opens with, as imgcrypt.info.Info has them; none if that is not known.

    Raises:
        typer.BadParameter: there is no key.
        WrongKeyError: it is of another kind.
    """
    if kinds == (PASSPHRASE,) and not passphrase:
        wrong = f"{file} opens with a passphrase: give -p, which asks for it or reads ${PASSPHRASE_VARIABLE}"
    elif kinds == (KEY_FILE,) and passphrase:
        wrong = f"{file} opens with a key file: give -k FILE instead of -p"
    else:
        wrong = ""
    if key_file is None and not passphrase:
        ways = f"give a key: -k FILE (imgcrypt keygen -o FILE makes one), ${KEY_VARIABLE}, or -p for a passphrase"
        raise typer.BadParameter(wrong or ways, param_hint=HINT)
    if wrong:
        raise WrongKeyError(wrong)


def _has_terminal() -> bool:
    # Without one, the passphrase would be taken from standard input, and shown.
    if os.name != "posix":
        return sys.stdin is not None and sys.stdin.isatty()
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
