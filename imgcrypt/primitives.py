"""What key slots need of the library cryptography, which loads with this module."""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

# Each wrapping key serves one file, as the file's salt is random: so the nonce may be constant.
NONCE = bytes(12)


def hkdf(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    """HKDF-SHA256 (RFC 5869)."""
    return HKDF(SHA256(), length, salt, info).derive(secret)


def wrap(wrapping_key: bytes, file_key: bytes) -> bytes:
    """The file key under AES-256-GCM, 16 bytes longer."""
    return AESGCM(wrapping_key).encrypt(NONCE, file_key, None)


def unwrap(wrapping_key: bytes, wrapped: bytes) -> bytes | None:
    """The inverse of :func:`wrap`, or None if the tag is wrong."""
    try:
        return AESGCM(wrapping_key).decrypt(NONCE, wrapped, None)
    except InvalidTag:
        return None
