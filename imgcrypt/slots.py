"""Key slots: the file key, wrapped for whoever may open the file. docs/format.md, section 3.2."""

from __future__ import annotations

import abc
import os
import struct
from typing import ClassVar

from imgcrypt.container import RecordType
from imgcrypt.errors import DamagedError
from imgcrypt.keys import Argon2id, Key, PassphraseKey, RawKey

FILE_KEY_BYTES = 32
WRAPPED_BYTES = FILE_KEY_BYTES + 16
PASSPHRASE = struct.Struct("<16sIII")

# Argon2id with 64 MiB, 3 passes, 4 lanes: the second recommended option of RFC 9106, section 4.
MEMORY_KIB, PASSES, LANES = 64 * 1024, 3, 4
# What a file may ask for at most, so that a hostile one cannot stall its reader or fill its memory.
MOST_MEMORY_KIB, MOST_PASSES, MOST_LANES = 1024 * 1024, 16, 16


class Slot(abc.ABC):
    """One kind of slot: the record that wraps a file key for one kind of key."""

    number: ClassVar[RecordType]
    label: ClassVar[str]
    """What people call the key that it opens with."""
    serves: ClassVar[type[Key]]

    @classmethod
    @abc.abstractmethod
    def wrap(cls, file_key: bytes, key: Key, salt: bytes) -> bytes:
        """The record's body, for a key that the kind serves and the header's salt."""

    @classmethod
    @abc.abstractmethod
    def unwrap(cls, body: bytes, key: Key, salt: bytes) -> bytes | None:
        """The file key, or None if the record is not this key's.

        Raises:
            DamagedError: the record asks for what no honest file does.
        """


class RawKeySlot(Slot):
    """Wraps under a key of 32 bytes."""

    number, label, serves = RecordType.RAW_KEY_SLOT, "key file", RawKey

    @classmethod
    def wrap(cls, file_key: bytes, key: Key, salt: bytes) -> bytes:
        assert isinstance(key, RawKey)
        return _encrypt(hkdf(key.secret, salt, b"slot raw key"), file_key)

    @classmethod
    def unwrap(cls, body: bytes, key: Key, salt: bytes) -> bytes | None:
        if not isinstance(key, RawKey) or len(body) != WRAPPED_BYTES:
            return None
        return _decrypt(hkdf(key.secret, salt, b"slot raw key"), body)


class PassphraseSlot(Slot):
    """Wraps under what Argon2id makes of a passphrase; its parameters come first."""

    number, label, serves = RecordType.PASSPHRASE_SLOT, "passphrase", PassphraseKey

    @classmethod
    def wrap(cls, file_key: bytes, key: Key, salt: bytes) -> bytes:
        assert isinstance(key, PassphraseKey)
        parameters = Argon2id(os.urandom(16), MEMORY_KIB, PASSES, LANES)
        return PASSPHRASE.pack(*parameters) + _encrypt(cls._wrapping_key(key, parameters, salt), file_key)

    @classmethod
    def unwrap(cls, body: bytes, key: Key, salt: bytes) -> bytes | None:
        if not isinstance(key, PassphraseKey) or len(body) != PASSPHRASE.size + WRAPPED_BYTES:
            return None
        parameters = Argon2id(*PASSPHRASE.unpack_from(body))
        _, memory, passes, lanes = parameters
        if not (8 * lanes <= memory <= MOST_MEMORY_KIB and 1 <= passes <= MOST_PASSES and 1 <= lanes <= MOST_LANES):
            raise DamagedError(
                f"the file asks for Argon2id with {memory} KiB, {passes} passes and {lanes} lanes, "
                "as no honest file does; it is damaged or hostile"
            )
        return _decrypt(cls._wrapping_key(key, parameters, salt), body[PASSPHRASE.size :])

    @staticmethod
    def _wrapping_key(key: PassphraseKey, parameters: Argon2id, salt: bytes) -> bytes:
        return hkdf(key.derive(parameters), salt, b"slot passphrase")


SLOTS: tuple[type[Slot], ...] = (RawKeySlot, PassphraseSlot)
"""Every kind. A new one is a class here and a number in container.RecordType."""


def make(key: Key, file_key: bytes, salt: bytes) -> tuple[int, bytes]:
    """The record that lets ``key`` open a file with this file key and header salt."""
    slot = kind_of(key)
    return slot.number, slot.wrap(file_key, key, salt)


def open_slot(key: Key, number: int, body: bytes, salt: bytes) -> bytes | None:
    """The file key from a record, or None if the record is not this key's.

    Raises:
        DamagedError: the record asks for what no honest file does.
    """
    return next((slot.unwrap(body, key, salt) for slot in SLOTS if slot.number == number), None)


def kind_of(key: Key) -> type[Slot]:
    """The kind of slot that serves this key."""
    return next(slot for slot in SLOTS if isinstance(key, slot.serves))


def labels(records: tuple[tuple[int, bytes], ...]) -> tuple[str, ...]:
    """What a file with these records opens with, slot by slot."""
    known = {int(slot.number): slot.label for slot in SLOTS}
    return tuple(known[number] for number, _ in records if number in known)


def hkdf(secret: bytes, salt: bytes, purpose: bytes, length: int = 32) -> bytes:
    """HKDF-SHA256 (RFC 5869) with the info ``imgcrypt-1 <purpose>``."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), length, salt, b"imgcrypt-1 " + purpose).derive(secret)


def _encrypt(wrapping_key: bytes, file_key: bytes) -> bytes:
    # The wrapping key serves one file (its salt is random), so the nonce may be constant.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(wrapping_key).encrypt(bytes(12), file_key, None)


def _decrypt(wrapping_key: bytes, wrapped: bytes) -> bytes | None:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        return AESGCM(wrapping_key).decrypt(bytes(12), wrapped, None)
    except InvalidTag:
        return None
