"""Seals a payload into the bytes of an ``.imgc`` file and opens it again. docs/format.md, section 3."""

from __future__ import annotations

import dataclasses
import hmac
import os
from typing import TYPE_CHECKING

from imgcrypt import cipher, container, scratch, slots
from imgcrypt.container import MAC_BYTES, TAG_BYTES, Header, Suite
from imgcrypt.errors import DamagedError, WrongKeyError
from imgcrypt.keys import Key

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DAMAGED = "the file was damaged or changed after encryption; get another copy of it"


@dataclasses.dataclass(frozen=True)
class Secrets:
    """The random values of one file. Tests and the security bench fix them; nobody else may."""

    file_key: bytes
    salt: bytes

    @classmethod
    def fresh(cls) -> Secrets:
        """From the operating system."""
        return cls(os.urandom(slots.FILE_KEY_BYTES), os.urandom(container.SALT_BYTES))


def seal(payload: NDArray[np.uint8], header: Header, key: Key, secrets: Secrets) -> bytes:
    """Encrypt a payload.

    Args:
        payload: uint8 (n,), n >= 1.
        header: what to say of it; salt, digest and the key's slot are filled in here.
        key: who may open the file.
        secrets: fresh for every file.
    """
    header = dataclasses.replace(
        header,
        salt=secrets.salt,
        payload_bytes=len(payload),
        records=(slots.make(key, secrets.file_key, secrets.salt), *header.records),
    )
    header = dataclasses.replace(header, digest=_digest(header, payload, secrets.file_key))
    packed = header.pack()
    packed += _mac(packed, header, secrets.file_key)

    image_key, seal_key = _image_keys(header, secrets.file_key)
    chunk_cipher = _ChunkCipher(header.suite, seal_key)
    # Made in memory that is there already, then copied once: that costs less than memory new from the system.
    with scratch.borrow(len(payload)) as enciphered, scratch.borrow(header.metadata_at + header.header_bytes) as space:
        cipher.encipher(payload, image_key, out=enciphered)
        file = space.data
        for number in range(header.chunks):
            at, length = header.chunk_at(number)
            start = number * header.chunk_bytes
            chunk_cipher.seal(number, enciphered.data[start : start + length], file[at : at + length + TAG_BYTES])
        file[: header.header_bytes] = file[header.metadata_at :] = packed
        return bytes(file)


def open_(data: bytes | memoryview, key: Key) -> tuple[Header, NDArray[np.uint8]]:
    """Decrypt a file: its header and payload, every byte of both authenticated.

    Raises:
        ContainerError: what container.parse raises, or DamagedError.
        WrongKeyError: no slot of the file opens with ``key``.
    """
    data = memoryview(data)
    header = container.parse(data)
    file_key = _unlock(header, data[: header.header_bytes], key)
    image_key, seal_key = _image_keys(header, file_key)
    chunk_cipher = _ChunkCipher(header.suite, seal_key)
    if header.metadata_bytes:
        # Kept for later releases: this one writes none, and checks what others wrote.
        _open_metadata(data[header.metadata_at : header.trailer_at], file_key, header)
    with scratch.borrow(header.payload_bytes) as enciphered:
        view = enciphered.data
        for number in range(header.chunks):
            at, length = header.chunk_at(number)
            start = number * header.chunk_bytes
            chunk_cipher.open(number, data[at : at + length + TAG_BYTES], view[start : start + length])
        payload = cipher.decipher(enciphered, image_key, overwrite=True)
    if not hmac.compare_digest(header.digest, _digest(header, payload, file_key)):
        raise DamagedError(DAMAGED)
    return header, payload


def _unlock(header: Header, packed: memoryview, key: Key) -> bytes:
    """The file key, once it has proven the header's bytes ``packed``, MAC and all."""
    file_key = _file_key(header, key)
    if not hmac.compare_digest(packed[-MAC_BYTES:], _mac(packed[:-MAC_BYTES], header, file_key)):
        raise DamagedError(DAMAGED)
    return file_key


class _ChunkCipher:
    """AES-256-GCM over the chunks: sealing them (hybrid), or only tagging them (chaos)."""

    def __init__(self, suite: Suite, key: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self.suite = suite
        self.key = key
        self.gcm = AESGCM(key)

    def seal(self, number: int, chunk: memoryview, out: memoryview) -> None:
        """Write the sealed chunk and its tag to ``out``, 16 bytes longer than ``chunk``."""
        nonce = number.to_bytes(12, "big")
        if self.suite is Suite.HYBRID:
            self.gcm.encrypt_into(nonce, chunk, None, out)
        else:
            out[:-TAG_BYTES] = chunk
            out[-TAG_BYTES:] = self.gcm.encrypt(nonce, b"", chunk)

    def open(self, number: int, sealed: memoryview, out: memoryview) -> None:
        """Write the chunk to ``out``, 16 bytes shorter than ``sealed``, or raise DamagedError."""
        from cryptography.exceptions import InvalidTag

        nonce = number.to_bytes(12, "big")
        try:
            if self.suite is Suite.HYBRID:
                self.gcm.decrypt_into(nonce, sealed, None, out)
            else:
                self.gcm.decrypt(nonce, sealed[-TAG_BYTES:], sealed[:-TAG_BYTES])
                out[:] = sealed[:-TAG_BYTES]
        except InvalidTag:
            raise DamagedError(DAMAGED) from None

    def open_unverified(self, number: int, chunk: bytes) -> bytes:
        """A chunk that has no right tag, opened all the same. For recovery alone: anyone may have written it."""
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

        if self.suite is Suite.CHAOS:
            return chunk
        # GCM is AES in counter mode; block 1 goes to the tag, the text begins with block 2 (SP 800-38D, section 7.1).
        counter = number.to_bytes(12, "big") + (2).to_bytes(4, "big")
        return Cipher(algorithms.AES(self.key), modes.CTR(counter)).decryptor().update(chunk)


def _open_metadata(sealed: memoryview, file_key: bytes, header: Header) -> bytes:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        return AESGCM(slots.hkdf(file_key, header.salt + header.digest, b"metadata")).decrypt(bytes(12), sealed, None)
    except InvalidTag:
        raise DamagedError(DAMAGED) from None


def _file_key(header: Header, key: Key) -> bytes:
    for kind, body in header.records:
        file_key = slots.open_slot(key, kind, body, header.salt)
        if file_key is not None:
            return file_key
    kinds = {kind for kind, _ in header.records}
    raw, passphrase = container.RecordType.RAW_KEY_SLOT in kinds, container.RecordType.PASSPHRASE_SLOT in kinds
    if key.is_passphrase and raw and not passphrase:
        raise WrongKeyError("this file was encrypted with a key file; give that instead of a passphrase")
    if not key.is_passphrase and passphrase and not raw:
        raise WrongKeyError("this file was encrypted with a passphrase; give that instead of a key file")
    raise WrongKeyError("the key or passphrase is not the one this file was encrypted with; give the right one")


def _mac(packed: bytes | memoryview, header: Header, file_key: bytes) -> bytes:
    return hmac.digest(slots.hkdf(file_key, header.salt, b"header"), packed, "sha256")


def _digest(header: Header, payload: NDArray[np.uint8], file_key: bytes) -> bytes:
    from blake3 import blake3

    digest = blake3(header.core(), key=slots.hkdf(file_key, header.salt, b"digest"))
    return digest.update(payload.data).digest()


def _image_keys(header: Header, file_key: bytes) -> tuple[bytes, bytes]:
    """The chaos cipher's key and the chunks' key, both bound to the salt and the digest of the payload."""
    both = slots.hkdf(file_key, header.salt + header.digest, b"image", 64)
    return both[:32], both[32:]
