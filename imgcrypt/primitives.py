"""What keys and slots need of the library cryptography, which loads with this module; see imgcrypt.wrapping."""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

# Each wrapping key serves one slot, as its salt is random: so the nonce may be constant.
NONCE = bytes(12)
HPKE = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
"""Of RFC 9180: numbers 0x0020, 0x0001 and 0x0002."""


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


def public_of(private: bytes) -> bytes:
    """The public key, 32 bytes, of an X25519 private key (RFC 7748) of 32 bytes."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def is_low_order(public: bytes) -> bool:
    """Whether a public key leads to the same secret, all zeros, with every private key."""
    try:
        X25519PrivateKey.from_private_bytes(bytes(32)).exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:
        return True
    return False


def seal_to(public: bytes, content: bytes, info: bytes) -> bytes:
    """HPKE in base mode (RFC 9180), one message: 32 bytes of encapsulated key, then the ciphertext, 16 bytes longer."""
    return HPKE.encrypt(content, X25519PublicKey.from_public_bytes(public), info)


def open_with(private: bytes, sealed: bytes, info: bytes) -> bytes | None:
    """The inverse of :func:`seal_to`, or None if it was sealed for another key, or changed."""
    try:
        return HPKE.decrypt(sealed, X25519PrivateKey.from_private_bytes(private), info)
    except InvalidTag:
        return None
