"""Keys: 32 random bytes in a one-line text file, or a passphrase."""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
import os
import secrets
import unicodedata
from pathlib import Path

from imgcrypt.errors import KeyFileError

SECRET_BYTES = 32
CHECK_BYTES = 4
PREFIX = "imgcrypt-key-1-"


class Key:
    """A secret that opens files: 32 random bytes, or a passphrase.

    Make one by :meth:`generate`, :meth:`load`, :meth:`parse` or :meth:`from_passphrase`. It never prints
    its secret.
    """

    def __init__(self, secret: bytes, *, passphrase: bool = False) -> None:
        if not passphrase and len(secret) != SECRET_BYTES:
            raise KeyFileError(f"a key is {SECRET_BYTES} bytes, not {len(secret)}; make one with Key.generate()")
        self.secret = secret
        self.is_passphrase = passphrase
        # The last Argon2id parameters and output: to open at once what was just sealed costs no second run.
        self.derived: tuple[bytes, bytes] | None = None

    @classmethod
    def generate(cls) -> Key:
        """A new random key from the operating system."""
        return cls(secrets.token_bytes(SECRET_BYTES))

    @classmethod
    def from_passphrase(cls, passphrase: str) -> Key:
        """A key that is derived from a passphrase by Argon2id for each file anew.

        The text is normalized (Unicode NFC) first, so that every keyboard's accents open the file.

        Raises:
            KeyFileError: the passphrase is empty or not valid text.
        """
        if not passphrase:
            raise KeyFileError("the passphrase is empty; give one of several words")
        try:
            return cls(unicodedata.normalize("NFC", passphrase).encode(), passphrase=True)
        except UnicodeEncodeError:
            raise KeyFileError("the passphrase is not valid UTF-8 text; type it anew") from None

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Key:
        """Read a key file.

        Raises:
            KeyFileError: it cannot be read or holds no key.
        """
        try:
            text = Path(path).read_text("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise KeyFileError(f"cannot read the key file {path}: {reason}") from None
        return cls.parse(text)

    @classmethod
    def parse(cls, text: str) -> Key:
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
        return cls(secret)

    def text(self) -> str:
        """The key as the one line of a key file.

        Raises:
            KeyFileError: it is a passphrase.
        """
        if self.is_passphrase:
            raise KeyFileError("a passphrase has no key file; use Key.generate() for a key to save")
        return PREFIX + base64.b32encode(self.secret + _check(self.secret)).decode().rstrip("=")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a new key file that only its owner can read (mode 0600).

        Raises:
            KeyFileError: the file exists or cannot be written.
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

    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that tell keys apart and give nothing of the key away.

        Raises:
            KeyFileError: it is a passphrase, which a fingerprint would help to guess.
        """
        if self.is_passphrase:
            raise KeyFileError("a passphrase has no fingerprint: it would help to guess the passphrase")
        digits = hashlib.sha256(b"imgcrypt-1 fingerprint" + self.secret).hexdigest()[:16]
        return "-".join(digits[i : i + 4] for i in range(0, 16, 4))

    def __repr__(self) -> str:
        return "Key(passphrase)" if self.is_passphrase else f"Key({self.fingerprint()})"


def _check(secret: bytes) -> bytes:
    return hashlib.sha256(b"imgcrypt-1 key check" + secret).digest()[:CHECK_BYTES]
