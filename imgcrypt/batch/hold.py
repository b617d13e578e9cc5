"""Where a worker takes the key from. What is sent with a task names a place; the key itself is never in it."""

from __future__ import annotations

import os
from typing import NamedTuple

from imgcrypt.errors import ImgcryptError
from imgcrypt.keys import Key, PassphraseKey

KEY_VARIABLE, PASSPHRASE_VARIABLE = "IMGCRYPT_KEY_FILE", "IMGCRYPT_PASSPHRASE"


class KeyPlace(NamedTuple):
    """A place of a key, as a worker sees it."""

    kind: str
    """``file``: on the worker's machine; ``environment``: the worker's variables name a key file or hold a passphrase;
    ``pipe``: the process that started the worker hands it over; ``none``: no key is needed."""
    path: str = ""

    def load(self, handed: Key | None) -> Key | None:
        """The key.

        Args:
            handed: what came through the pipe.

        Raises:
            ImgcryptError: there is none.
        """
        match self.kind:
            case "none":
                return None
            case "file":
                return Key.load(self.path)
            case "pipe" if handed is not None:
                return handed
            case "environment":
                if path := os.environ.get(KEY_VARIABLE):
                    return Key.load(path)
                if text := os.environ.get(PASSPHRASE_VARIABLE):
                    return Key.from_passphrase(text)
        raise ImgcryptError(
            f"a worker has no key: set {KEY_VARIABLE} or {PASSPHRASE_VARIABLE} in its environment, or name a key file "
            "that lies on its machine"
        )


def place_of(key: Key | str | os.PathLike[str] | None) -> tuple[KeyPlace, Key | None]:
    """The place that workers are told, and the key to hand over by a pipe, if it is one."""
    if key is None:
        return KeyPlace("environment"), None
    if isinstance(key, Key):
        return KeyPlace("pipe"), key
    if isinstance(key, (str, os.PathLike)):
        return KeyPlace("file", os.path.abspath(key)), None  # noqa: PTH100, a worker may run elsewhere
    raise TypeError(f"a key is an imgcrypt.Key, the name of a key file or None, not {type(key).__name__}")


def to_bytes(key: Key | None) -> bytes:
    """For a pipe between two processes, which keys refuse to be pickled for."""
    if key is None:
        return b""
    return b"p" + key.secret if isinstance(key, PassphraseKey) else b"k" + key.text().encode()


def from_bytes(data: bytes) -> Key | None:
    """What :func:`to_bytes` made bytes of."""
    if not data:
        return None
    text = data[1:].decode()
    return Key.from_passphrase(text) if data[:1] == b"p" else Key.parse(text)
