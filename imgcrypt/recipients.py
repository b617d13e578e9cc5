"""Recipients: public keys, for which anybody can encrypt and only the private key opens."""

from __future__ import annotations

import dataclasses
import os

from imgcrypt import bech32, files
from imgcrypt.errors import KeyFileError
from imgcrypt.wrapping import primitives

PUBLIC_BYTES = 32
PREFIX = "age"
MOST_FILE_BYTES = 2**20
"""Of a file of recipients; each takes 62."""
FIELD = 2**255 - 19


@dataclasses.dataclass(frozen=True)
class Recipient:
    """A public key (X25519), made for those who encrypt. It is no secret.

    Attributes:
        public: 32 bytes.

    Raises:
        TypeError: it is not bytes.
        KeyFileError: it is no public key that a private key belongs to.
    """

    public: bytes

    def __post_init__(self) -> None:
        if not isinstance(self.public, bytes):
            raise TypeError(
                f"a public key is made of bytes, not {type(self.public).__name__}; for its text there is "
                "Recipient.parse"
            )
        if (
            len(self.public) != PUBLIC_BYTES
            or int.from_bytes(self.public, "little") >= FIELD
            or primitives().is_low_order(self.public)
        ):
            raise KeyFileError("this is no public key of X25519; ask for the line that imgcrypt keygen --pair printed")

    @staticmethod
    def parse(text: str) -> Recipient:
        """The recipient in a text ``age1...``, as imgcrypt and age write it.

        Raises:
            KeyFileError: it is none, or has a typing error.
        """
        if not isinstance(text, str):
            raise TypeError(f"a recipient's text is a str, not {type(text).__name__}")
        line = text.strip()
        if line.upper().startswith(("AGE-SECRET-KEY-", "IMGCRYPT-")):
            raise KeyFileError("this is a secret key, and a recipient is public; give the public one, age1...")
        if not line.lower().startswith(f"{PREFIX}1"):
            raise KeyFileError(f"this is no recipient: it needs a line that begins with {PREFIX}1")
        public = bech32.decode(PREFIX, line)
        if public is None:
            raise KeyFileError(
                "the recipient has a typing error, or is none of X25519 (age has other kinds, which imgcrypt does not "
                "serve); copy it again"
            )
        return Recipient(public)

    @staticmethod
    def load(path: str | os.PathLike[str]) -> list[Recipient]:
        """The recipients in a file: one a line, beside empty lines and comments (#).

        Raises:
            KeyFileError: it cannot be read, holds none, or a line is none.
        """
        try:
            text = files.read_file(path, MOST_FILE_BYTES, "file of recipients").decode("utf-8-sig")
        except files.FileError as error:
            raise KeyFileError(str(error)) from None
        except UnicodeDecodeError:
            raise KeyFileError(f"{path} is not a file of recipients: it is not text") from None
        found = []
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip() and not line.strip().startswith("#"):
                try:
                    found.append(Recipient.parse(line))
                except KeyFileError as error:
                    raise KeyFileError(f"{path}, line {number}: {error}") from None
        if not found:
            raise KeyFileError(f"{path} holds no recipient: it needs lines that begin with {PREFIX}1")
        return found

    def text(self) -> str:
        """The recipient as a line, which may be shown to everybody."""
        return bech32.encode(PREFIX, self.public)

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"Recipient({self.text()})"
