"""Key slots: the file key, wrapped for whoever may open the file. docs/format.md, section 3.2."""

from __future__ import annotations

import abc
import functools
import hmac
import os
import struct
from collections.abc import Sequence
from typing import Any, ClassVar

from imgcrypt import loading
from imgcrypt.container import RecordType
from imgcrypt.derivation import Argon2id
from imgcrypt.errors import DamagedError
from imgcrypt.keys import Key, PassphraseKey, RawKey

FILE_KEY_BYTES = 32
COMMITMENT_BYTES = 32
WRAPPED_BYTES = FILE_KEY_BYTES + 16
PASSPHRASE = struct.Struct("<16sII")
"""Salt, memory in KiB and passes of Argon2id."""

# Memory and passes of the second recommended option of RFC 9106, section 4.
MEMORY_KIB, PASSES = 64 * 1024, 3
# The least that the OWASP Password Storage Cheat Sheet recommends: below it, guesses are cheap.
LEAST_MEMORY_KIB, LEAST_PASSES = 19 * 1024, 2
# What a file may ask for at most, so that a hostile one cannot fill its reader's memory or stall it for long.
MOST_MEMORY_KIB = 4 * MEMORY_KIB
MOST_COST = 4 * MEMORY_KIB * PASSES
"""KiB times passes, all passphrase slots of a file together."""


class Slot(abc.ABC):
    """One kind of slot: the record that wraps a file key for one kind of key.

    Its body is parameters, if the kind has any, then a commitment to the key, then the wrapped file key.
    """

    number: ClassVar[RecordType]
    label: ClassVar[str]
    """What people call the key that it opens with."""
    serves: ClassVar[type[Key]]
    purpose: ClassVar[bytes]
    parameters_bytes: ClassVar[int]

    @classmethod
    @abc.abstractmethod
    def fresh_parameters(cls) -> bytes:
        """The parameters of a new slot."""

    @classmethod
    @abc.abstractmethod
    def check(cls, parameters: Sequence[bytes]) -> None:
        """Refuse the parameters of all slots of this kind in a file, before any work is done for one.

        Raises:
            DamagedError: they ask for what no honest file does.
        """

    @classmethod
    @abc.abstractmethod
    def secret(cls, key: Key, parameters: bytes) -> bytes:
        """What the key, which the kind serves, and a slot's parameters give."""

    @classmethod
    def wrap(cls, file_key: bytes, key: Key, salt: bytes) -> bytes:
        """The body of a new slot, for a key that the kind serves and the header's salt."""
        parameters = cls.fresh_parameters()
        wrapping_key, commitment = cls._derive(key, parameters, salt)
        wrapped: bytes = _primitives().wrap(wrapping_key, file_key)
        return parameters + commitment + wrapped

    @classmethod
    def unwrap(cls, body: bytes, key: Key, salt: bytes) -> bytes | None:
        """The file key, or None if the slot was made for another key.

        Raises:
            DamagedError: the slot is this key's, but the wrapped file key was changed.
        """
        wrapped = body[cls.parameters_bytes + COMMITMENT_BYTES :]
        wrapping_key, commitment = cls._derive(key, body[: cls.parameters_bytes], salt)
        # AES-GCM alone would not tell: a ciphertext can be made that has a right tag under several keys.
        if not hmac.compare_digest(commitment, body[cls.parameters_bytes : -WRAPPED_BYTES]):
            return None
        file_key: bytes | None = _primitives().unwrap(wrapping_key, wrapped)
        if file_key is None:
            raise DamagedError
        return file_key

    @classmethod
    def body_bytes(cls) -> int:
        """Length of the record's body."""
        return cls.parameters_bytes + COMMITMENT_BYTES + WRAPPED_BYTES

    @classmethod
    def _derive(cls, key: Key, parameters: bytes, salt: bytes) -> tuple[bytes, bytes]:
        both = hkdf(cls.secret(key, parameters), salt, cls.purpose, 32 + COMMITMENT_BYTES)
        return both[:32], both[32:]


class RawKeySlot(Slot):
    """Wraps under a key of 32 bytes."""

    number, label, serves = RecordType.RAW_KEY_SLOT, "key file", RawKey
    purpose, parameters_bytes = b"slot raw key", 0

    @classmethod
    def fresh_parameters(cls) -> bytes:
        return b""

    @classmethod
    def check(cls, parameters: Sequence[bytes]) -> None:
        pass

    @classmethod
    def secret(cls, key: Key, parameters: bytes) -> bytes:
        assert isinstance(key, RawKey)
        return key.secret


class PassphraseSlot(Slot):
    """Wraps under what Argon2id makes of a passphrase; its parameters come first."""

    number, label, serves = RecordType.PASSPHRASE_SLOT, "passphrase", PassphraseKey
    purpose, parameters_bytes = b"slot passphrase", PASSPHRASE.size

    @classmethod
    def fresh_parameters(cls) -> bytes:
        return PASSPHRASE.pack(os.urandom(16), MEMORY_KIB, PASSES)

    @classmethod
    def check(cls, parameters: Sequence[bytes]) -> None:
        asked = [PASSPHRASE.unpack(each)[1:] for each in parameters]
        if any(
            not LEAST_MEMORY_KIB <= memory <= MOST_MEMORY_KIB or passes < LEAST_PASSES for memory, passes in asked
        ) or (sum(memory * passes for memory, passes in asked) > MOST_COST):
            wanted = ", ".join(f"{memory} KiB and {passes} passes" for memory, passes in asked)
            raise DamagedError(
                f"the file asks for Argon2id with {wanted}, as no honest file does; it is damaged or hostile"
            )

    @classmethod
    def secret(cls, key: Key, parameters: bytes) -> bytes:
        assert isinstance(key, PassphraseKey)
        return key.derive(Argon2id(*PASSPHRASE.unpack(parameters)))


SLOTS: tuple[type[Slot], ...] = (RawKeySlot, PassphraseSlot)
"""Every kind. A new one is a class here and a number in container.RecordType."""


def make(key: Key, file_key: bytes, salt: bytes) -> tuple[int, bytes]:
    """The record that lets ``key`` open a file with this file key and header salt."""
    slot = kind_of(key)
    return slot.number, slot.wrap(file_key, key, salt)


def unlock(key: Key, records: Sequence[tuple[int, bytes]], salt: bytes) -> bytes | None:
    """The file key from the first of a file's records that is this key's, or None if none is.

    Raises:
        DamagedError: the records ask for what no honest file does, or the file key in one was changed.
    """
    slot = kind_of(key)
    bodies = [body for number, body in records if number == slot.number and len(body) == slot.body_bytes()]
    slot.check([body[: slot.parameters_bytes] for body in bodies])
    return next((found for body in bodies if (found := slot.unwrap(body, key, salt)) is not None), None)


def kind_of(key: Key) -> type[Slot]:
    """The kind of slot that serves this key.

    Raises:
        TypeError: it is no key.
    """
    for slot in SLOTS:
        if isinstance(key, slot.serves):
            return slot
    raise TypeError(f"a key is an imgcrypt.Key, not {type(key).__name__}; make one with Key.load or Key.generate")


def labels(records: tuple[tuple[int, bytes], ...]) -> tuple[str, ...]:
    """What a file with these records opens with, slot by slot."""
    known = {int(slot.number): slot.label for slot in SLOTS}
    return tuple(known[number] for number, _ in records if number in known)


def hkdf(secret: bytes, salt: bytes, purpose: bytes, length: int = 32) -> bytes:
    """HKDF-SHA256 (RFC 5869) with the info ``imgcrypt-1 <purpose>``."""
    derived: bytes = _primitives().hkdf(secret, salt, b"imgcrypt-1 " + purpose, length)
    return derived


@functools.cache
def _primitives() -> Any:
    """The module of that name, loaded at first use: to tell what a header says takes none."""
    return loading.whole(_import)


def _import() -> Any:
    from imgcrypt import primitives

    return primitives
