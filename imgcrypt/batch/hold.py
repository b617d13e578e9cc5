"""Where a worker takes the keys from. What is sent with a task names places, and recipients; keys are never in it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from imgcrypt.errors import ImgcryptError, KeyLockedError
from imgcrypt.keys import KEY_VARIABLE, LOCK_VARIABLE, PASSPHRASE_VARIABLE, Key, PassphraseKey, several
from imgcrypt.recipients import Recipient

One = Key | Recipient | str | os.PathLike[str]
KeysOrPlaces = One | Sequence[One] | None


class Whom(NamedTuple):
    """Whose the files are, as a worker is told it."""

    files: tuple[str, ...] = ()
    """Of keys, on the worker's machine."""
    environment: bool = False
    """Whether the worker's variables name a key file or hold a passphrase."""
    recipients: tuple[Recipient, ...] = ()

    def load(self, handed: Sequence[Key]) -> tuple[Key | Recipient, ...]:
        """Keys and recipients.

        Args:
            handed: keys that the process which started the worker hands over.

        Raises:
            ImgcryptError: a key is not there.
        """
        keys = [*handed, *map(_load, self.files)]
        if self.environment:
            if path := os.environ.get(KEY_VARIABLE):
                keys.append(_load(path))
            elif text := os.environ.get(PASSPHRASE_VARIABLE):
                keys.append(Key.from_passphrase(text))
            else:
                raise ImgcryptError(
                    f"a worker has no key: set {KEY_VARIABLE} or {PASSPHRASE_VARIABLE} in its environment, or name a "
                    "key file that lies on its machine"
                )
        return (*keys, *self.recipients)


def told(given: KeysOrPlaces, opening: bool) -> tuple[Whom, tuple[Key, ...]]:
    """What workers are told, and the keys to hand over by a pipe.

    Args:
        given: one or several keys, recipients and names of key files; None for each worker's own environment.
        opening: files are to be opened; recipients count for nothing then.

    Raises:
        TypeError: one is none of these, or nothing opens a file.
        ImgcryptError: there are none.
    """
    if given is None:
        return Whom(environment=True), ()
    names, keys, recipients = [], [], []
    for each in (given,) if isinstance(given, str | bytes | os.PathLike) else several(given):
        if isinstance(each, Key):
            keys.append(each)
        elif isinstance(each, Recipient):
            recipients.append(each)
        elif isinstance(each, str | os.PathLike):
            names.append(os.path.abspath(each))  # noqa: PTH100, a worker may run elsewhere
        else:
            raise TypeError(
                "a key is an imgcrypt.Key, a Recipient, the name of a key file, several of these, or None, not "
                f"{type(each).__name__}"
            )
    if not (names or keys or recipients):
        raise ImgcryptError("there is no key in this sequence: give at least one, or None for the environment's")
    if opening and not (names or keys):
        raise TypeError(
            "nothing here opens a file: give an imgcrypt.Key; of a Recipient, the Identity that belongs to it"
        )
    return Whom(tuple(names), recipients=() if opening else tuple(recipients)), tuple(keys)


def to_bytes(keys: Iterable[Key]) -> bytes:
    """For a pipe between two processes, which keys refuse to be pickled for."""
    texts = [("p", each.secret.decode()) if isinstance(each, PassphraseKey) else ("k", each.text()) for each in keys]
    return json.dumps(texts).encode()


def from_bytes(data: bytes) -> tuple[Key, ...]:
    """What :func:`to_bytes` made bytes of."""
    return tuple(Key.from_passphrase(text) if kind == "p" else Key.parse(text) for kind, text in json.loads(data))


def _load(path: str) -> Key:
    try:
        return Key.load(path, os.environ.get(LOCK_VARIABLE) or None)
    except KeyLockedError:
        raise KeyLockedError(
            f"{path}: the key is protected by a passphrase; set {LOCK_VARIABLE} in the workers' environment"
        ) from None
