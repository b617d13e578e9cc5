"""Keys: 32 random bytes in a one-line text file, or a passphrase."""

from __future__ import annotations

import abc
import base64
import datetime
import hashlib
import hmac
import os
import secrets
import unicodedata
from pathlib import Path
from typing import NamedTuple

from imgcrypt.errors import KeyFileError
from imgcrypt.locks import ForkSafeLock

SECRET_BYTES = 32
CHECK_BYTES = 4
PREFIX = "imgcrypt-key-1-"

_deriving = ForkSafeLock()


class Argon2id(NamedTuple):
    """What a run of Argon2id (RFC 9106) takes beside the passphrase; its output has 32 bytes."""

    salt: bytes
    memory_kib: int
    passes: int
    lanes: int


class Key(abc.ABC):
    """A secret that opens files: a :class:`RawKey` of 32 bytes, or a :class:`PassphraseKey`.

    Make one by :meth:`generate`, :meth:`load`, :meth:`parse` or :meth:`from_passphrase`. It never prints
    its secret.
    """

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
            KeyFileError: it cannot be read or holds no key.
        """
        try:
            text = Path(path).read_text("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise KeyFileError(f"cannot read the key file {path}: {reason}") from None
        return Key.parse(text)

    @staticmethod
    def parse(text: str) -> RawKey:
        """The key in the text of a key file: one line, beside empty lines and comments (#).

        Raises:
            KeyFileError: there is no key, more than one, or one with a typing error.
        """
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
        """Write a new key file that only its owner can read (mode 0600).

        Raises:
            KeyFileError: the file exists or cannot be written, or the key is a passphrase.
        """
        day = datetime.datetime.now(datetime.UTC).date().isoformat()
        content = (
            "# imgcrypt key: whoever has this file can open every picture encrypted with it. Keep a copy.\n"
            f"# made {day}, fingerprint {self.fingerprint()}\n{self.text()}\n"
        )
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise KeyFileError(f"{path} exists and is left alone; choose another name for the new key") from None
        except OSError as error:
            raise KeyFileError(f"cannot write the key file {path}: {error.strerror}") from None
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(content)
        except OSError as error:
            Path(path).unlink()
            raise KeyFileError(f"cannot write the key file {path}: {error.strerror}") from None


class RawKey(Key):
    """A key of 32 random bytes, as a key file holds it."""

    def __init__(self, secret: bytes) -> None:
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
            last = self._last = parameters, argon2id(self.secret, parameters)
        return last[1]

    def text(self) -> str:
        raise KeyFileError("a passphrase has no key file; use Key.generate() for a key to save")

    def fingerprint(self) -> str:
        raise KeyFileError("a passphrase has no fingerprint: it would help to guess the passphrase")

    def __repr__(self) -> str:
        return "Key(passphrase)"


def argon2id(passphrase: bytes, parameters: Argon2id) -> bytes:
    """Argon2id (RFC 9106): 32 bytes."""
    from cryptography.hazmat.primitives.kdf import argon2

    derivation = argon2.Argon2id(
        salt=parameters.salt,
        length=32,
        iterations=parameters.passes,
        lanes=parameters.lanes,
        memory_cost=parameters.memory_kib,
    )
    # OpenSSL gives each lane a thread from one pool; derivations that run at once wait for each other's for good.
    with _deriving:
        return derivation.derive(passphrase)


def _check(secret: bytes) -> bytes:
    return hashlib.sha256(b"imgcrypt-1 key check" + secret).digest()[:CHECK_BYTES]
