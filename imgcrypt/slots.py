"""Key slots: the file key, wrapped for whoever may open the file. docs/format.md, section 3.2."""

from __future__ import annotations

import os
import struct

from imgcrypt.container import RecordType
from imgcrypt.errors import DamagedError
from imgcrypt.keys import Key
from imgcrypt.locks import ForkSafeLock

FILE_KEY_BYTES = 32
WRAPPED_BYTES = FILE_KEY_BYTES + 16
PASSPHRASE = struct.Struct("<16sIII")

# Argon2id with 64 MiB, 3 passes, 4 lanes: the second recommended option of RFC 9106, section 4.
MEMORY_KIB, PASSES, LANES = 64 * 1024, 3, 4
# What a file may ask for at most, so that a hostile one cannot stall its reader or fill its memory.
MOST_MEMORY_KIB, MOST_PASSES, MOST_LANES = 1024 * 1024, 16, 16

_deriving = ForkSafeLock()


def make(key: Key, file_key: bytes, salt: bytes) -> tuple[int, bytes]:
    """The record that lets ``key`` open a file with this file key and header salt."""
    if not key.is_passphrase:
        return RecordType.RAW_KEY_SLOT, _wrap(hkdf(key.secret, salt, b"slot raw key"), file_key)
    parameters = PASSPHRASE.pack(os.urandom(16), MEMORY_KIB, PASSES, LANES)
    return RecordType.PASSPHRASE_SLOT, parameters + _wrap(_passphrase_key(key, parameters, salt), file_key)


def open_slot(key: Key, kind: int, body: bytes, salt: bytes) -> bytes | None:
    """The file key from a record, or None if the record is not this key's.

    Raises:
        DamagedError: the record asks for Argon2id parameters that no honest file has.
    """
    if kind == RecordType.RAW_KEY_SLOT and not key.is_passphrase and len(body) == WRAPPED_BYTES:
        return _unwrap(hkdf(key.secret, salt, b"slot raw key"), body)
    if kind == RecordType.PASSPHRASE_SLOT and key.is_passphrase and len(body) == PASSPHRASE.size + WRAPPED_BYTES:
        parameters = body[: PASSPHRASE.size]
        return _unwrap(_passphrase_key(key, parameters, salt), body[PASSPHRASE.size :])
    return None


def hkdf(secret: bytes, salt: bytes, purpose: bytes, length: int = 32) -> bytes:
    """HKDF-SHA256 (RFC 5869) with the info ``imgcrypt-1 <purpose>``."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), length, salt, b"imgcrypt-1 " + purpose).derive(secret)


def _passphrase_key(key: Key, parameters: bytes, salt: bytes) -> bytes:
    _, memory, passes, lanes = PASSPHRASE.unpack(parameters)
    if not (8 * lanes <= memory <= MOST_MEMORY_KIB and 1 <= passes <= MOST_PASSES and 1 <= lanes <= MOST_LANES):
        raise DamagedError(
            f"the file asks for Argon2id with {memory} KiB, {passes} passes and {lanes} lanes, as no honest file does; "
            "it is damaged or hostile"
        )
    derived = key.derived  # read once: other threads may replace it
    if derived is None or derived[0] != parameters:
        derived = key.derived = parameters, _argon2id(key.secret, parameters)
    return hkdf(derived[1], salt, b"slot passphrase")


def _argon2id(passphrase: bytes, parameters: bytes) -> bytes:
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    salt, memory, passes, lanes = PASSPHRASE.unpack(parameters)
    derivation = Argon2id(salt=salt, length=32, iterations=passes, lanes=lanes, memory_cost=memory)
    # OpenSSL gives each lane a thread from one pool; derivations that run at once wait for each other's for good.
    with _deriving:
        return derivation.derive(passphrase)


def _wrap(wrapping_key: bytes, file_key: bytes) -> bytes:
    # The wrapping key serves one file (its salt is random), so the nonce may be constant.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(wrapping_key).encrypt(bytes(12), file_key, None)


def _unwrap(wrapping_key: bytes, wrapped: bytes) -> bytes | None:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        return AESGCM(wrapping_key).decrypt(bytes(12), wrapped, None)
    except InvalidTag:
        return None
