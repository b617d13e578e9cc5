"""Which keys a command uses: in files, on standard input, or passphrases; and for whom it encrypts."""

from __future__ import annotations

import getpass
import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from imgcrypt import files
from imgcrypt.errors import ImgcryptError, KeyFileError, KeyLockedError, WrongKeyError
from imgcrypt.keys import KEY_VARIABLE as KEY_VARIABLE  # what the options' help names
from imgcrypt.keys import LOCK_VARIABLE as LOCK_VARIABLE
from imgcrypt.keys import PASSPHRASE_VARIABLE as PASSPHRASE_VARIABLE
from imgcrypt.shell import say
from imgcrypt.slots import PassphraseSlot

if TYPE_CHECKING:
    from imgcrypt.keys import Key
    from imgcrypt.recipients import Recipient

NEW_VARIABLE = "IMGCRYPT_NEW_PASSPHRASE"
"""For one that is to be added to a file."""
HINT = "-k/-p"
PASSPHRASE = PassphraseSlot.label


def key_files(names: Sequence[str] | None, other_keys: bool, other_input: str) -> list[str]:
    """The names of the key files: those given; or, if no other key is, the one in the environment; or none.

    Raises:
        typer.BadParameter: standard input is to be two things.
    """
    names = list(names or ())
    if names.count(files.STANDARD) + (other_input == files.STANDARD and files.STANDARD in names) > 1:
        raise typer.BadParameter("standard input cannot be both the key and the input", param_hint="-k")
    default = os.environ.get(KEY_VARIABLE)
    return [default] if default and not names and not other_keys else names


def load(name: str) -> Key:
    """The key in a file, or on standard input; a warning if others can read the file.

    If a passphrase protects it, that is taken from the environment or asked for.

    Raises:
        ImgcryptError: there is no key; the sentence names the file.
    """
    from imgcrypt.keys import MOST_FILE_BYTES, Key, read_text

    standard = name == files.STANDARD
    try:
        text = files.read(name, MOST_FILE_BYTES).decode("utf-8-sig") if standard else read_text(name)
    except UnicodeDecodeError:
        raise KeyFileError("cannot take the key from standard input: it is not text") from None
    try:
        try:
            key = Key.parse(text)
        except KeyLockedError:
            which = "the key on standard input" if standard else name
            key = Key.parse(text, ask(f"Passphrase of {which}", LOCK_VARIABLE, confirm=False))
    except KeyFileError as error:
        raise KeyFileError(
            f"cannot take the key from standard input: {error}" if standard else f"{name}: {error}"
        ) from None
    if not standard and os.name == "posix" and Path(name).stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        say(f"warning: others can read {name}; mend that with: chmod 600 {name}")
    return key


def recipients(texts: Sequence[str] | None) -> list[Recipient]:
    """Those whose public keys are given, each by itself or a file of them.

    Raises:
        ImgcryptError: one is none; the sentence names the file.
    """
    from imgcrypt.recipients import Recipient

    found = []
    for text in texts or ():
        found += [Recipient.parse(text)] if _is_recipient(text) else Recipient.load(text)
    return found


def anyone(texts: Sequence[str] | None) -> list[Key | Recipient]:
    """Whoever is meant: by a public key, a file of them, or a key file.

    Raises:
        ImgcryptError: nobody is.
    """
    found: list[Key | Recipient] = []
    for text in texts or ():
        try:
            found += recipients([text])
        except KeyFileError:
            if _is_recipient(text):
                raise
            found.append(load(text))
    return found


def _is_recipient(text: str) -> bool:
    """Whether it is meant as a public key, and not as a file's name."""
    from imgcrypt.recipients import PREFIX

    return text.lower().startswith(f"{PREFIX}1")


def passphrase(confirm: bool) -> Key:
    """The passphrase in the environment, or typed at the terminal, twice where it is to be confirmed.

    Raises:
        ImgcryptError: none was given.
    """
    from imgcrypt.keys import Key

    return Key.from_passphrase(ask("Passphrase", PASSPHRASE_VARIABLE, confirm))


def ask(prompt: str, variable: str, confirm: bool) -> str:
    """A passphrase, as it was typed or is in an environment variable.

    Raises:
        ImgcryptError: none was given.
    """
    text = os.environ.get(variable)
    if text is not None:
        return text
    none = ImgcryptError(f"no passphrase was given; type one, or set {variable} where there is no terminal")
    if not _has_terminal():
        raise none
    try:
        text = getpass.getpass(f"{prompt}: ")
        while confirm and getpass.getpass("The same again: ") != text:
            say("The two differ; once more.")
            text = getpass.getpass(f"{prompt}: ")
    except (EOFError, KeyboardInterrupt) as error:
        # The cursor is still behind the question.
        say("")
        raise (none if isinstance(error, EOFError) else error) from None
    return text


def check(key_files: Sequence[str], passphrase: bool, file: str = "", kinds: tuple[str, ...] = ()) -> None:
    """Refuse no key, and one that a file does not open with, before anything is asked.

    Args:
        key_files: the names of the key files.
        passphrase: one is to be taken.
        file: the file that is to be opened.
        kinds: the kinds of key that it opens with, as imgcrypt.info.Info has them; none if that is not known.

    Raises:
        typer.BadParameter: there is no key.
        WrongKeyError: it is of another kind.
    """
    if set(kinds) == {PASSPHRASE} and not passphrase:
        wrong = f"{file} opens with a passphrase: give -p, which asks for it or reads ${PASSPHRASE_VARIABLE}"
    elif kinds and PASSPHRASE not in kinds and passphrase and not key_files:
        wrong = f"{file} opens with a {' or '.join(dict.fromkeys(kinds))}: give -k FILE instead of -p"
    else:
        wrong = ""
    if not key_files and not passphrase:
        ways = f"give a key: -k FILE (imgcrypt keygen -o FILE makes one), ${KEY_VARIABLE}, or -p for a passphrase"
        raise typer.BadParameter(wrong or ways, param_hint=HINT)
    if wrong:
        raise WrongKeyError(wrong)


def openers(key_files: Sequence[str], with_passphrase: bool) -> list[Key]:
    """The keys to open a file with, whatever it opens with."""
    check(key_files, with_passphrase)
    keys = [load(name) for name in key_files]
    return [*keys, passphrase(confirm=False)] if with_passphrase else keys


def _has_terminal() -> bool:
    # Without one, the passphrase would be taken from standard input, and shown.
    if os.name != "posix":
        return sys.stdin is not None and sys.stdin.isatty()
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
