"""Key slots: the file key, wrapped for whoever may open the file. docs/format.md, section 3.2."""

from __future__ import annotations

import abc
import hmac
from collections.abc import Sequence
from typing import ClassVar

from imgcrypt import derivation
from imgcrypt.container import RecordType
from imgcrypt.derivation import Argon2id
from imgcrypt.errors import DamagedError
from imgcrypt.keys import Identity, Key, PassphraseKey, RawKey
from imgcrypt.recipients import PUBLIC_BYTES, Recipient
from imgcrypt.wrapping import COMMITMENT_BYTES, KEY_BYTES, WRAPPED_BYTES, primitives, unwrap, wrap
from imgcrypt.wrapping import hkdf as hkdf  # for all that is derived from a file key

FILE_KEY_BYTES = KEY_BYTES


class Slot(abc.ABC):
    """One kind of slot: the record that wraps a file key for one kind of key.

    Its body is parameters, if the kind has any, then a commitment to the key, then the wrapped file key.
    """

    number: ClassVar[RecordType]
    label: ClassVar[str]
    """What people call the key that it opens with."""
    serves: ClassVar[tuple[type[Key] | type[Recipient], ...]]
    """Those that it is made for; the last one opens it."""
    parameters_bytes: ClassVar[int]

    @classmethod
    @abc.abstractmethod
    def check(cls, parameters: Sequence[bytes]) -> None:
        """Refuse the parameters of all slots of this kind in a file, before any work is done for one.

        Raises:
            DamagedError: they are as no honest file's.
        """

    @classmethod
    @abc.abstractmethod
    def wrap(cls, file_key: bytes, key: Key | Recipient, salt: bytes) -> bytes:
        """The body of a new slot, for a key that the kind serves and the header's salt."""

    @classmethod
    @abc.abstractmethod
    def unwrap(cls, body: bytes, key: Key, salt: bytes) -> bytes | None:
        """The file key, or None if the slot was made for another key.

        Raises:
            DamagedError: the slot is this key's, but the wrapped file key was changed.
        """

    @classmethod
    def is_of(cls, body: bytes, key: Key | Recipient, file_key: bytes, salt: bytes) -> bool:
        """Whether the slot, in a file that opened to this file key, was made for a key that the kind serves."""
        assert isinstance(key, Key)
        return cls.unwrap(body, key, salt) == file_key

    @classmethod
    def body_bytes(cls) -> int:
        """Length of the record's body."""
        return cls.parameters_bytes + COMMITMENT_BYTES + WRAPPED_BYTES


class RawKeySlot(Slot):
    """Wraps under a key of 32 bytes."""

    number, label, serves = RecordType.RAW_KEY_SLOT, "key file", (RawKey,)
    parameters_bytes = 0
    _purpose = b"slot raw key"

    @classmethod
    def check(cls, parameters: Sequence[bytes]) -> None:
        pass

    @classmethod
    def wrap(cls, file_key: bytes, key: Key | Recipient, salt: bytes) -> bytes:
        assert isinstance(key, RawKey)
        return wrap(key.secret, salt, cls._purpose, file_key)

    @classmethod
    def unwrap(cls, body: bytes, key: Key, salt: bytes) -> bytes | None:
        return unwrap(key.secret, salt, cls._purpose, body)


class PassphraseSlot(Slot):
    """Wraps under what Argon2id makes of a passphrase; its parameters come first."""

    number, label, serves = RecordType.PASSPHRASE_SLOT, "passphrase", (PassphraseKey,)
    parameters_bytes = derivation.PARAMETERS.size
    _purpose = b"slot passphrase"

    @classmethod
    def check(cls, parameters: Sequence[bytes]) -> None:
        derivation.check([Argon2id.unpack(each) for each in parameters])

    @classmethod
    def wrap(cls, file_key: bytes, key: Key | Recipient, salt: bytes) -> bytes:
        assert isinstance(key, PassphraseKey)
        parameters = derivation.fresh()
        return parameters.pack() + wrap(key.derive(parameters), salt, cls._purpose, file_key)

    @classmethod
    def unwrap(cls, body: bytes, key: Key, salt: bytes) -> bytes | None:
        assert isinstance(key, PassphraseKey)
        secret = key.derive(Argon2id.unpack(body[: cls.parameters_bytes]))
        return unwrap(secret, salt, cls._purpose, body[cls.parameters_bytes :])


class RecipientSlot(Slot):
    """Wraps for a public key, by HPKE, whose encapsulated key comes first.

    The commitment is to the file key and the public key, so that whoever can open a file can tell whose slots are in
    it, and nobody else can.
    """

    number, label, serves = RecordType.RECIPIENT_SLOT, "private key", (Recipient, Identity)
    parameters_bytes = PUBLIC_BYTES
    _purpose = b"slot recipient"

    @classmethod
    def check(cls, parameters: Sequence[bytes]) -> None:
        if len(set(parameters)) < len(parameters):
            raise DamagedError("two of the file's recipients share an ephemeral key, as in no honest file; refuse it")
        if any(primitives().is_low_order(each) for each in parameters):
            raise DamagedError("a slot of the file opens with any private key, as in no honest file; refuse it")

    @classmethod
    def wrap(cls, file_key: bytes, key: Key | Recipient, salt: bytes) -> bytes:
        recipient = key.recipient if isinstance(key, Identity) else key
        assert isinstance(recipient, Recipient)
        sealed: bytes = primitives().seal_to(recipient.public, file_key, cls._info(salt))
        encapsulated, wrapped = sealed[:PUBLIC_BYTES], sealed[PUBLIC_BYTES:]
        return encapsulated + cls._commitment(file_key, recipient, salt) + wrapped

    @classmethod
    def unwrap(cls, body: bytes, key: Key, salt: bytes) -> bytes | None:
        sealed = body[:PUBLIC_BYTES] + body[-WRAPPED_BYTES:]
        file_key: bytes | None = primitives().open_with(key.secret, sealed, cls._info(salt))
        return file_key if file_key is not None and cls.is_of(body, key, file_key, salt) else None

    @classmethod
    def is_of(cls, body: bytes, key: Key | Recipient, file_key: bytes, salt: bytes) -> bool:
        recipient = key.recipient if isinstance(key, Identity) else key
        assert isinstance(recipient, Recipient)
        return hmac.compare_digest(cls._commitment(file_key, recipient, salt), body[PUBLIC_BYTES:-WRAPPED_BYTES])

    @classmethod
    def _commitment(cls, file_key: bytes, recipient: Recipient, salt: bytes) -> bytes:
        return hkdf(file_key, salt + recipient.public, cls._purpose, COMMITMENT_BYTES)

    @classmethod
    def _info(cls, salt: bytes) -> bytes:
        return b"imgcrypt-1 " + cls._purpose + salt


SLOTS: tuple[type[Slot], ...] = (RawKeySlot, RecipientSlot, PassphraseSlot)
"""Every kind, those first that open quickly. A new one is a class here and a number in container.RecordType."""
MOST = 256
"""Slots of a new file: they must fit into its header."""


def make(key: Key | Recipient, file_key: bytes, salt: bytes) -> tuple[int, bytes]:
    """The record that lets ``key`` open a file with this file key and header salt."""
    slot = kind_of(key)
    return slot.number, slot.wrap(file_key, key, salt)


def unlock(key: Key, records: Sequence[tuple[int, bytes]], salt: bytes) -> bytes | None:
    """The file key from the first of a file's records that is this key's, or None if none is.

    Raises:
        DamagedError: the records are as no honest file's, or the file key in one was changed.
    """
    slot, bodies = _checked(key, records)
    return next((found for body in bodies if (found := slot.unwrap(body, key, salt)) is not None), None)


def owned(
    key: Key | Recipient, records: Sequence[tuple[int, bytes]], file_key: bytes, salt: bytes
) -> list[tuple[int, bytes]]:
    """The slots of ``key`` among the records of a file that opened to this file key.

    Raises:
        DamagedError: the records are as no honest file's.
    """
    slot, bodies = _checked(key, records)
    return [(slot.number, body) for body in bodies if slot.is_of(body, key, file_key, salt)]


def _checked(key: Key | Recipient, records: Sequence[tuple[int, bytes]]) -> tuple[type[Slot], list[bytes]]:
    slot = kind_of(key)
    bodies = [body for number, body in records if number == slot.number and len(body) == slot.body_bytes()]
    slot.check([body[: slot.parameters_bytes] for body in bodies])
    return slot, bodies


def kind_of(key: Key | Recipient) -> type[Slot]:
    """The kind of slot that serves this key.

    Raises:
        TypeError: it is no key.
    """
    for slot in SLOTS:
        if isinstance(key, slot.serves):
            return slot
    raise TypeError(f"a key is an imgcrypt.Key, not {type(key).__name__}; make one with Key.load or Key.generate")


def labels(records: Sequence[tuple[int, bytes]]) -> tuple[str, ...]:
    """What a file with these records opens with, slot by slot."""
    known = {int(slot.number): slot.label for slot in SLOTS}
    return tuple(known[number] for number, _ in records if number in known)
