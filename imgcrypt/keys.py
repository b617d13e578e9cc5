"""Keys: 32 random bytes or a private key in a one-line text file, or a passphrase. docs/format.md, section 3.1."""

from __future__ import annotations

import abc
import base64
import codecs
import datetime
import functools
import hashlib
import hmac
import os
import secrets
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn, Self, TypeVar

from imgcrypt import bech32, derivation, files, wrapping
from imgcrypt.derivation import Argon2id
from imgcrypt.errors import DamagedError, KeyFileError, KeyLockedError
from imgcrypt.recipients import Recipient

KEY_VARIABLE, PASSPHRASE_VARIABLE = "IMGCRYPT_KEY_FILE", "IMGCRYPT_PASSPHRASE"
"""Of the environment: name a key file, hold a passphrase."""
LOCK_VARIABLE = "IMGCRYPT_KEY_PASSPHRASE"
"""For the passphrase that protects key files."""
SECRET_BYTES = 32
CHECK_BYTES = 4
PREFIX = "imgcrypt-key-1-"
LOCKED_PREFIX = "imgcrypt-locked-key-1-"
IDENTITY_PREFIX = "age-secret-key-"
PREFIXES = (PREFIX, LOCKED_PREFIX, f"{IDENTITY_PREFIX}1")
"""What a key's text begins with, in lower case."""
MOST_FILE_BYTES = 2**16
"""Of a key file. It has some two hundred; beyond this lie other files and devices without end."""
LOCKED_BYTES = 1 + derivation.PARAMETERS.size + wrapping.COMMITMENT_BYTES + wrapping.WRAPPED_BYTES
TYPING_ERROR = "the key has a typing error: its checksum does not match; copy it again"

T = TypeVar("T")


class Key(abc.ABC):
    """A secret that opens files: a :class:`RawKey` of 32 bytes, an :class:`Identity` or a :class:`PassphraseKey`.

    Make one by :meth:`generate`, :meth:`load`, :meth:`parse` or :meth:`from_passphrase`. It never prints
    its secret, and is not pickled: a pickle ends in files and logs. Keys of one kind and secret are equal.
    """

    secret: bytes

    @staticmethod
    def generate() -> Key:
        """A new random key from the operating system. One for a pair of keys is made by :meth:`Identity.generate`."""
        return RawKey(secrets.token_bytes(SECRET_BYTES))

    @staticmethod
    def from_passphrase(passphrase: str) -> PassphraseKey:
        """A key that is derived from a passphrase by Argon2id for each file anew.

        The text is normalized (Unicode NFC) first, so that every keyboard's accents open the file.

        Raises:
            KeyFileError: the passphrase is empty or not valid text.
        """
        return PassphraseKey(passphrase)

    @classmethod
    def load(cls, path: str | os.PathLike[str], passphrase: str | None = None) -> Self:
        """Read a key file, of a key or a private key.

        Args:
            path: the file's.
            passphrase: what protects the key, if something does.

        Raises:
            KeyFileError: it cannot be read, is longer than 64 KiB or holds no key.
            KeyLockedError: it is protected by a passphrase, and none was given.
        """
        text = read_text(path)
        try:
            return cls.parse(text, passphrase)
        except KeyFileError as error:
            raise type(error)(f"{path}: {error}") from None

    @classmethod
    def parse(cls, text: str, passphrase: str | None = None) -> Self:
        """The key in the text of a key file: one line, beside empty lines and comments (#).

        Raises:
            KeyFileError: there is no key, more than one, one with a typing error or of another class than this one; or
                the passphrase is wrong.
            KeyLockedError: it is protected by a passphrase, and none was given.
        """
        if not isinstance(text, str):
            raise TypeError(f"a key's text is a str, not {type(text).__name__}")
        lines = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
        if len(lines) != 1 or not lines[0].lower().startswith(PREFIXES):
            known = f"{PREFIX}, {LOCKED_PREFIX} or {IDENTITY_PREFIX.upper()}1"
            raise KeyFileError(f"this is not a key file: it needs one line that begins with {known}")
        key = _parse(lines[0], passphrase)
        if not isinstance(key, cls):
            raise KeyFileError(f"this is a key, but no imgcrypt.{cls.__name__}; read it by imgcrypt.Key")
        return key

    @abc.abstractmethod
    def text(self, passphrase: str | None = None) -> str:
        """The key as the one line of a key file; with a passphrase, one that opens with that alone.

        Raises:
            KeyFileError: it is a passphrase itself.
        """

    @abc.abstractmethod
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that tell keys apart and give nothing of the key away.

        Raises:
            KeyFileError: it is a passphrase, which a fingerprint would help to guess.
        """

    def save(self, path: str | os.PathLike[str], passphrase: str | None = None) -> None:
        """Write a new key file that only its owner can read (mode 0600), and see to it that it is on the disk.

        Args:
            path: the file's.
            passphrase: what the key is to be protected by, by Argon2id and AES-256-GCM.

        Raises:
            KeyFileError: the file exists or cannot be written, or the key is a passphrase.
        """
        line = self.text(passphrase)
        day = datetime.datetime.now(datetime.UTC).date().isoformat()
        what = f"has this file{'' if passphrase is None else ' and its passphrase'} can open every picture encrypted"
        if isinstance(self, Identity):
            about = f"# imgcrypt private key: whoever {what} for it.\n# public key: {self.recipient}\n"
        else:
            about = f"# imgcrypt key: whoever {what} with it. Keep a copy.\n"
        content = f"{about}# made {day}, fingerprint {self.fingerprint()}\n{line}\n"
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

    def text(self, passphrase: str | None = None) -> str:
        if passphrase is not None:
            return _lock(1, self.secret, passphrase)
        return _with_check(PREFIX, self.secret)

    def fingerprint(self) -> str:
        return _fingerprint(self.secret)

    def __repr__(self) -> str:
        return f"Key({self.fingerprint()})"


class Identity(Key):
    """The private key (X25519) that opens what was encrypted for its :attr:`recipient`."""

    def __init__(self, secret: bytes) -> None:
        if not isinstance(secret, bytes):
            raise TypeError(f"a key is made of bytes, not {type(secret).__name__}; for its text there is Key.parse")
        if len(secret) != SECRET_BYTES:
            raise KeyFileError(
                f"a private key is {SECRET_BYTES} bytes, not {len(secret)}; make one with Identity.generate()"
            )
        self.secret = secret

    @staticmethod
    def generate() -> Identity:
        """A new random private key from the operating system."""
        return Identity(secrets.token_bytes(SECRET_BYTES))

    @functools.cached_property
    def recipient(self) -> Recipient:
        """The public key, for those who encrypt."""
        return Recipient(wrapping.primitives().public_of(self.secret))

    def text(self, passphrase: str | None = None) -> str:
        if passphrase is not None:
            return _lock(2, self.secret, passphrase)
        return bech32.encode(IDENTITY_PREFIX, self.secret).upper()

    def fingerprint(self) -> str:
        return _fingerprint(self.recipient.public)

    def __repr__(self) -> str:
        return f"Identity({self.recipient})"


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

    def text(self, passphrase: str | None = None) -> str:
        raise KeyFileError("a passphrase has no key file; use Key.generate() for a key to save")

    def fingerprint(self) -> str:
        raise KeyFileError("a passphrase has no fingerprint: it would help to guess the passphrase")

    def __repr__(self) -> str:
        return "Key(passphrase)"


Keys = Key | Recipient | Sequence[Key | Recipient]
"""Who may open a file."""
Openers = Key | Sequence[Key]
"""What is tried on a file."""
KINDS: dict[int, type[RawKey | Identity]] = {1: RawKey, 2: Identity}
"""Of the keys that a passphrase protects. Numbers are in files: never change or reuse one."""
_LOCKED = b"locked key"


def several(given: T | Sequence[T]) -> tuple[T, ...]:
    """One or several as several."""
    return tuple(given) if isinstance(given, Sequence) else (given,)


def read_text(path: str | os.PathLike[str]) -> str:
    """The text of a key file.

    Raises:
        KeyFileError: it cannot be read, is longer than 64 KiB or is no text.
    """
    try:
        data = files.read_file(path, MOST_FILE_BYTES, "key file")
    except files.FileError as error:
        raise KeyFileError(str(error)) from None
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise KeyFileError(f"{path} is UTF-16 text, as some editors and PowerShell write it; save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise KeyFileError(f"{path} is not a key file: it is not text") from None


def _parse(line: str, passphrase: str | None) -> RawKey | Identity:
    if line.lower().startswith(IDENTITY_PREFIX):
        secret = bech32.decode(IDENTITY_PREFIX, line)
        if secret is None or len(secret) != SECRET_BYTES:
            raise KeyFileError(TYPING_ERROR)
        return Identity(secret)
    if line.lower().startswith(LOCKED_PREFIX):
        return _unlock(_checked(line[len(LOCKED_PREFIX) :], LOCKED_BYTES), passphrase)
    return RawKey(_checked(line[len(PREFIX) :], SECRET_BYTES))


def _lock(kind: int, secret: bytes, passphrase: str) -> str:
    parameters = derivation.fresh()
    before = bytes([kind]) + parameters.pack()
    sealed = wrapping.wrap(PassphraseKey(passphrase).derive(parameters), before, _LOCKED, secret)
    return _with_check(LOCKED_PREFIX, before + sealed)


def _unlock(body: bytes, passphrase: str | None) -> RawKey | Identity:
    before, sealed = body[: 1 + derivation.PARAMETERS.size], body[1 + derivation.PARAMETERS.size :]
    if before[0] not in KINDS:
        raise KeyFileError("the key is of a kind that a newer release of imgcrypt made; upgrade it")
    if passphrase is None:
        raise KeyLockedError("the key is protected by a passphrase; give that, too")
    parameters = Argon2id.unpack(before[1:])
    try:
        derivation.check([parameters])
        secret = wrapping.unwrap(PassphraseKey(passphrase).derive(parameters), before, _LOCKED, sealed)
    except DamagedError:
        raise KeyFileError("the protected key was changed by somebody; take another copy of it") from None
    if secret is None:
        raise KeyFileError("this is not the passphrase that protects the key; give the right one")
    return KINDS[before[0]](secret)


def _with_check(prefix: str, body: bytes) -> str:
    return prefix + base64.b32encode(body + _check(body)).decode().rstrip("=")


def _checked(text: str, length: int) -> bytes:
    try:
        data = base64.b32decode(text.upper() + "=" * (-len(text) % 8))
    except ValueError:
        data = b""
    body, check = data[:length], data[length:]
    if len(data) != length + CHECK_BYTES or not hmac.compare_digest(check, _check(body)):
        raise KeyFileError(TYPING_ERROR)
    return body


def _check(body: bytes) -> bytes:
    return hashlib.sha256(b"imgcrypt-1 key check" + body).digest()[:CHECK_BYTES]


def _fingerprint(data: bytes) -> str:
    digits = hashlib.sha256(b"imgcrypt-1 fingerprint" + data).hexdigest()[:16]
    return "-".join(digits[i : i + 4] for i in range(0, 16, 4))
