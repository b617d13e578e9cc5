"""Keys made of secrets, and keys wrapped under keys: docs/format.md, sections 1 and 3.2.

What does it is the library cryptography, which loads at first use: to tell what a header says takes none.
"""

from __future__ import annotations

import functools
import hmac
from typing import Any

from imgcrypt import loading
from imgcrypt.errors import DamagedError

KEY_BYTES = 32
"""Of what is wrapped."""
COMMITMENT_BYTES = 32
WRAPPED_BYTES = KEY_BYTES + 16


def hkdf(secret: bytes, salt: bytes, purpose: bytes, length: int = 32) -> bytes:
    """HKDF-SHA256 (RFC 5869) with the info ``imgcrypt-1 <purpose>``."""
    derived: bytes = primitives().hkdf(secret, salt, b"imgcrypt-1 " + purpose, length)
    return derived


def wrap(secret: bytes, salt: bytes, purpose: bytes, content: bytes) -> bytes:
    """A commitment to the secret, then 32 bytes wrapped under it."""
    both = hkdf(secret, salt, purpose, 32 + COMMITMENT_BYTES)
    wrapped: bytes = primitives().wrap(both[:32], content)
    return both[32:] + wrapped


def unwrap(secret: bytes, salt: bytes, purpose: bytes, sealed: bytes) -> bytes | None:
    """The inverse of :func:`wrap`, or None if the commitment is to another secret.

    Raises:
        DamagedError: the commitment is to this one, but what was wrapped was changed.
    """
    both = hkdf(secret, salt, purpose, 32 + COMMITMENT_BYTES)
    # AES-GCM alone would not tell: a ciphertext can be made that has a right tag under several keys.
    if not hmac.compare_digest(both[32:], sealed[:COMMITMENT_BYTES]):
        return None
    content: bytes | None = primitives().unwrap(both[:32], sealed[COMMITMENT_BYTES:])
    if content is None:
        raise DamagedError
    return content


@functools.cache
def primitives() -> Any:
    """The module imgcrypt.primitives."""
    return loading.whole(_import)


def _import() -> Any:
    from imgcrypt import primitives

    return primitives
