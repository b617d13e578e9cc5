"""Keys: 32 random bytes in a one-line text file, or a passphrase."""

from __future__ import annotations

import abc
import base64
import codecs
import datetime
import hashlib
import hmac
import os
import secrets
import unicodedata
from pathlib import Path
from typing import NoReturn, Self

from imgcrypt import derivation, files
from imgcrypt.derivation import Argon2id
from imgcrypt.errors import KeyFileError

SECRET_BYTES = 32
CHECK_BYTES = 4
PREFIX = "imgcrypt-key-1-"
MOST_FILE_BYTES = 2**16
"""Of a key file. It has some two hundred; beyond this lie other files and devices without end."""


class Key(abc.ABC):
    """A secret that opens files: a :class:`RawKey` of 32 bytes, or a :class:`PassphraseKey`.

    Make one by :meth:`generate`, :meth:`load`, :meth:`parse` or :meth:`from_passphrase`. It never prints
    its secret, and is not pickled: a pickle ends in files and logs. Keys of one kind and secret are equal.
    """

    secret: bytes

    @staticmethod
    def generate() -> RawKey:
        """A new random key from the operating system."""
        return RawKey(secrets.token_bytes(SECRET_BYTES))

    @staticmethod
    def from_passphrase(passphrase: str) -> PassphraseKey:
        """A key that is derived from a passphrase by Argon2id for each file anew.

        The text is normalized (Unicode NFC) first, so that every keyboard's accents open the file.

        Raises:
            KeyFileError: the passphrase is empty or not valid text.
        """
        return PassphraseKey(passphrase)

    @staticmethod
    def load(path: str | os.PathLike[str]) -> RawKey:
        """Read a key file.

        Raises:
            KeyFileError: it cannot be read, is longer than 64 KiB or holds no key.
        """
        try:
            data = files.read_file(path, MOST_FILE_BYTES, "key file")
        except files.FileError as error:
            raise KeyFileError(str(error)) from None
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise KeyFileError(f"{path} is UTF-16 text, as some editors and PowerShell write it; save it as UTF-8")
        try:
            return Key.parse(data.decode("utf-8-sig"))
        except UnicodeDecodeError:
            raise KeyFileError(f"{path} is not a key file: it is not text") from None
        except KeyFileError as error:
            raise KeyFileError(f"{path}: {error}") from None

    @staticmethod
    def parse(text: str) -> RawKey:
        """The key in the text of a key file: one line, beside empty lines and comments (#).

        Raises:
            KeyFileError: there is no key, more than one, or one with a typing error.
        """
        if not isinstance(text, str):
            raise TypeError(f"a key's text is a str, not {type(text).__name__}")
        lines = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
        if len(lines) != 1 or not lines[0].lower().startswith(PREFIX):
            raise KeyFileError(f"this is not a key file: it needs one line that begins with {PREFIX}")
        body = lines[0][len(PREFIX) :].upper()
        try:
            data = base64.b32decode(body + "=" * (-len(body) % 8))
        except ValueError:
            data = b""
        secret, check = data[:SECRET_BYTES], data[SECRET_BYTES:]
        if len(data) != SECRET_BYTES + CHECK_BYTES or not hmac.compare_digest(check, _check(secret)):
            raise KeyFileError("the key has a typing error: its checksum does not match; copy it again")
        return RawKey(secret)

    @abc.abstractmethod
    def text(self) -> str:
        """The key as the one line of a key file.

        Raises:
            KeyFileError: it is a passphrase.
        """

    @abc.abstractmethod
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that tell keys apart and give nothing of the key away.

        Raises:
            KeyFileError: it is a passphrase, which a fingerprint would help to guess.
        """

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a new key file that only its owner can read (mode 0600), and see to it that it is on the disk.

        Raises:
            KeyFileError: the file exists or cannot be written, or the key is a passphrase.
        """
        day = datetime.datetime.now(datetime.UTC).date().isoformat()
        content = (
            "# imgcrypt key: whoever has this file can open every picture encrypted with it. Keep a copy.\n"
            f"# made {day}, fingerprint {self.fingerprint()}\n{self.text()}\n"
        )
        try:
            files.write_file(Path(path), content.encode(), force=False, private=True)
        except FileExistsError:
            raise KeyFileError(f"{path} exists and is left alone; choose another name for the new key") from None
        except OSError as error:
            raise KeyFileError(f"cannot write the key file {path}: {error.strerror}") from None
        except ValueError:
            raise KeyFileError(f"cannot write the key file {os.fspath(path)!r}: no file has such a name") from None

    def __eq__(self, other: object) -> bool:
        """Whether it opens the same files, found in a time that tells nothing of the secrets."""
        return type(self) is type(other) and isinstance(other, Key) and hmac.compare_digest(self.secret, other.secret)

    def __hash__(self) -> int:
        return hash((type(self), self.secret))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: object) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a key is not pickled, as pickles end in files and logs; hand on its text() or the passphrase, and make "
            "the key anew from that"
        )


class RawKey(Key):
    """A key of 32 random bytes, as a key file holds it."""

    def __init__(self, secret: bytes) -> None:
        if not isinstance(secret, bytes):
            raise TypeError(f"a key is made of bytes, not {type(secret).__name__}; for its text there is Key.parse")
        if len(secret) != SECRET_BYTES:
            raise KeyFileError(f"a key is {SECRET_BYTES} bytes, not {len(secret)}; make one with Key.generate()")
        self.secret = secret

    def text(self) -> str:
        return PREFIX + base64.b32encode(self.secret + _check(self.secret)).decode().rstrip("=")

    def fingerprint(self) -> str:
        digits = hashlib.sha256(b"imgcrypt-1 fingerprint" + self.secret).hexdigest()[:16]
        return "-".join(digits[i : i + 4] for i in range(0, 16, 4))

    def __repr__(self) -> str:
        return f"Key({self.fingerprint()})"


class PassphraseKey(Key):
    """A key that is derived from a passphrase."""

    def __init__(self, passphrase: str) -> None:
        if not isinstance(passphrase, str):
            raise TypeError(f"a passphrase is a str, not {type(passphrase).__name__}")
        if not passphrase:
            raise KeyFileError("the passphrase is empty; give one of several words")
        try:
            self.secret = unicodedata.normalize("NFC", passphrase).encode()
        except UnicodeEncodeError:
            raise KeyFileError("the passphrase is not valid UTF-8 text; type it anew") from None
        # To open at once what was just sealed costs no second run.
        self._last: tuple[Argon2id, bytes] | None = None

    def derive(self, parameters: Argon2id) -> bytes:
        """The 32 bytes that Argon2id makes of the passphrase."""
        last = self._last  # read once: other threads may replace it
        if last is None or last[0] != parameters:
            last = self._last = parameters, derivation.argon2id(self.secret, parameters)
        return last[1]

    def text(self) -> str:
        raise KeyFileError("a passphrase has no key file; use Key.generate() for a key to save")

    def fingerprint(self) -> str:
        raise KeyFileError("a passphrase has no fingerprint: it would help to guess the passphrase")

    def __repr__(self) -> str:
        return "Key(passphrase)"


def _check(secret: bytes) -> bytes:
    return hashlib.sha256(b"imgcrypt-1 key check" + secret).digest()[:CHECK_BYTES]
