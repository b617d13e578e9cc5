"""Seals a payload into the bytes of an ``.imgc`` file and opens it again. docs/format.md, section 3."""

from __future__ import annotations

import dataclasses
import hmac
import os
from typing import overload

from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from imgcrypt import cipher, container, keys, scratch, slots
from imgcrypt.arrays import Bytes
from imgcrypt.chunks import ChunkCipher
from imgcrypt.container import MAC_BYTES, TAG_BYTES, Content, Header
from imgcrypt.errors import DamagedError, ImgcryptError, WrongKeyError
from imgcrypt.keys import Key, Keys, Openers
from imgcrypt.recipients import Recipient

METADATA_NONCE = bytes(12)
"""Its key serves this one block."""


@dataclasses.dataclass(frozen=True)
class Secrets:
    """The random values of one file. Tests and the security bench fix them; nobody else may."""

    file_key: bytes = dataclasses.field(repr=False)
    salt: bytes

    @classmethod
    def fresh(cls) -> Secrets:
        """From the operating system."""
        return cls(os.urandom(slots.FILE_KEY_BYTES), os.urandom(container.SALT_BYTES))


@overload
def seal(
    payload: Bytes,
    content: Content,
    key: Keys,
    secrets: Secrets,
    metadata: bytes = b"",
    associated_data: bytes = b"",
    out: None = None,
) -> bytes: ...
@overload
def seal(
    payload: Bytes,
    content: Content,
    key: Keys,
    secrets: Secrets,
    metadata: bytes,
    associated_data: bytes,
    out: memoryview | None,
) -> bytes | memoryview: ...
def seal(
    payload: Bytes,
    content: Content,
    key: Keys,
    secrets: Secrets,
    metadata: bytes = b"",
    associated_data: bytes = b"",
    out: memoryview | None = None,
) -> bytes | memoryview:
    """Encrypt a payload into the bytes of a file.

    Args:
        payload: uint8 (n,), n >= 1 for pictures.
        content: what to say of it.
        key: who may open the file, one or several, none twice.
        secrets: fresh for every file.
        metadata: what the file is to say beside the payload, as imgcrypt.pictures.metadata packs it.
        associated_data: what must be given again to open the file, which does not hold it.
        out: memory to write the file to; ``None`` makes new bytes.

    Returns:
        bytes, or the part of ``out`` that was written.

    Raises:
        ImgcryptError: ``out`` is too short.
    """
    who: tuple[Key | Recipient, ...] = keys.several(key)
    made = tuple(slots.make(each, secrets.file_key, secrets.salt) for each in who)
    header = container.make_header(
        content,
        made,
        len(payload),
        len(metadata),
        secrets.salt,
        lambda core: digest(core, payload, secrets.file_key, secrets.salt),
    )
    packed = pack(header, secrets.file_key, associated_data)

    image_key, seal_key = image_keys(header, secrets.file_key)
    chunk_cipher = ChunkCipher(header.suite, seal_key)
    if out is not None and len(out) < header.file_bytes:
        raise ImgcryptError(f"out has {len(out):,} bytes, and the file takes {header.file_bytes:,}; give more of them")
    # Made in memory that is there already, then copied once: that costs less than memory new from the system.
    with (
        scratch.borrow(len(payload)) as enciphered,
        scratch.borrow(0 if out is not None else header.file_bytes) as space,
    ):
        cipher.encipher(payload, image_key, out=enciphered)
        file = space.data if out is None else out[: header.file_bytes]
        for number in range(header.chunks):
            at, length = header.chunk_at(number)
            start = number * header.chunk_bytes
            chunk_cipher.seal(number, enciphered.data[start : start + length], file[at : at + length + TAG_BYTES])
        if metadata:
            file[header.metadata_at : header.trailer_at] = _metadata_cipher(header, secrets.file_key).encrypt(
                METADATA_NONCE, metadata, None
            )
        file[: header.header_bytes] = file[header.trailer_at :] = packed
        return bytes(file) if out is None else file


def open_(data: bytes | memoryview, key: Openers, associated_data: bytes = b"") -> tuple[Header, Bytes]:
    """Decrypt a file: its header and payload, every byte of both authenticated.

    Raises:
        ContainerError: what container.parse raises, or DamagedError.
        WrongKeyError: no slot of the file opens with ``key``, or one of them.
    """
    return open_whole(data, key, associated_data)[:2]


def open_whole(
    data: bytes | bytearray | memoryview, key: Openers, associated_data: bytes = b"", out: Bytes | None = None
) -> tuple[Header, Bytes, bytes]:
    """As :func:`open_`, and the metadata. ``out``, uint8 (n,), takes the payload; ``None`` makes a new array."""
    data = memoryview(data)
    header = container.parse(data)
    file_key = unlock(header, data[: header.header_bytes], key, associated_data)
    image_key, seal_key = image_keys(header, file_key)
    chunk_cipher = ChunkCipher(header.suite, seal_key)
    metadata = open_metadata(header, data[header.metadata_at : header.trailer_at], file_key)
    with scratch.borrow(header.payload_bytes) as enciphered:
        view = enciphered.data
        for number in range(header.chunks):
            at, length = header.chunk_at(number)
            start = number * header.chunk_bytes
            chunk_cipher.open(number, data[at : at + length + TAG_BYTES], view[start : start + length])
        payload = cipher.decipher(enciphered, image_key, overwrite=True, out=out)
    if not hmac.compare_digest(header.digest, digest(header.core(), payload, file_key, header.salt)):
        payload[:] = 0  # it may be the caller's memory
        raise DamagedError
    return header, payload, metadata


def read_metadata(data: bytes | memoryview, key: Openers, associated_data: bytes = b"") -> bytes:
    """The metadata of a file alone, which is authenticated; the payload is not looked at.

    Raises:
        ContainerError: what container.parse raises, or DamagedError.
        WrongKeyError: no slot of the file opens with ``key``, or one of them.
    """
    data = memoryview(data)
    header = container.parse(data)
    file_key = unlock(header, data[: header.header_bytes], key, associated_data)
    return open_metadata(header, data[header.metadata_at : header.trailer_at], file_key)


def open_metadata(header: Header, sealed: memoryview, file_key: bytes) -> bytes:
    """The metadata in a file's block for it; of a file that has none, no bytes.

    Raises:
        DamagedError: its tag is wrong.
    """
    if not header.metadata_bytes:
        return b""
    try:
        return _metadata_cipher(header, file_key).decrypt(METADATA_NONCE, sealed, None)
    except InvalidTag:
        raise DamagedError from None


def unlock(header: Header, packed: memoryview, key: Openers, associated_data: bytes = b"") -> bytes:
    """The file key, once it has proven the header's bytes ``packed``, MAC and all.

    Raises:
        WrongKeyError: no slot is that of ``key``.
        DamagedError: the slots ask for what no honest file does, or the MAC, the associated data or the key's slot is
            wrong.
    """
    file_key = _file_key(header, key)
    if not hmac.compare_digest(packed[-MAC_BYTES:], _mac(packed[:-MAC_BYTES], header, file_key, associated_data)):
        raise DamagedError(
            "the file was damaged or changed after encryption, or made with other associated data; get another copy "
            "of it, or give that data"
        )
    return file_key


def pack(header: Header, file_key: bytes, associated_data: bytes = b"") -> bytes:
    """The header's bytes, MAC and all."""
    packed = header.pack()
    return packed + _mac(packed, header, file_key, associated_data)


def digest(core: bytes, payload: Bytes, file_key: bytes, salt: bytes) -> bytes:
    """The keyed digest of the header's core and the payload: 32 bytes."""
    return blake3(core, key=slots.hkdf(file_key, salt, b"digest")).update(payload.data).digest()


def image_keys(header: Header, file_key: bytes) -> tuple[bytes, bytes]:
    """The chaos cipher's key and the chunks' key, both bound to the salt and the digest of the payload."""
    both = slots.hkdf(file_key, header.salt + header.digest, b"image", 64)
    return both[:32], both[32:]


def _file_key(header: Header, key: Openers) -> bytes:
    # Those first that open quickly.
    given = sorted(keys.several(key), key=lambda each: slots.SLOTS.index(slots.kind_of(each)))
    for each in given:
        file_key = slots.unlock(each, header.records, header.salt)
        if file_key is not None:
            return file_key
    had = dict.fromkeys(slots.kind_of(each).label for each in given)
    needed = dict.fromkeys(slots.labels(header.records))
    if needed and not had.keys() & needed.keys():
        raise WrongKeyError(
            f"this file was encrypted with a {' or '.join(needed)}; give that instead of a {' or '.join(had)}"
        )
    raise WrongKeyError("the key or passphrase is not the one this file was encrypted with; give the right one")


def _metadata_cipher(header: Header, file_key: bytes) -> AESGCM:
    return AESGCM(slots.hkdf(file_key, header.salt + header.digest, b"metadata"))


def _mac(packed: bytes | memoryview, header: Header, file_key: bytes, associated_data: bytes = b"") -> bytes:
    return hmac.digest(slots.hkdf(file_key, header.salt, b"header"), bytes(packed) + associated_data, "sha256")
