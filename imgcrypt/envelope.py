"""Seals a payload into the bytes of an ``.imgc`` file and opens it again. docs/format.md, section 3."""

from __future__ import annotations

import dataclasses
import hmac
import itertools
import os
from collections.abc import Sequence
from typing import overload

import numpy as np
from blake3 import blake3

from imgcrypt import cipher, container, keys, protection, scratch, slots
from imgcrypt.arrays import Bytes
from imgcrypt.container import MAC_BYTES, TAG_BYTES, Content, Header, Layout
from imgcrypt.errors import DamagedError, ImgcryptError, WrongKeyError
from imgcrypt.keys import Key, Keys, Openers
from imgcrypt.recipients import Recipient
from imgcrypt.sealing import PacketCipher


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
    layout: Layout,
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
    layout: Layout,
    key: Keys,
    secrets: Secrets,
    metadata: bytes,
    associated_data: bytes,
    out: memoryview | None,
) -> bytes | memoryview: ...
def seal(
    payload: Bytes,
    content: Content,
    layout: Layout,
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
        layout: in what parts and packets; the parts are as long together as the payload.
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
    header = container.make_header(content, layout, made, len(metadata), secrets.salt)
    messages = split(header, payload, np.frombuffer(metadata, np.uint8))
    core = header.core()
    digests = [digest(core, number, each, secrets.file_key, secrets.salt) for number, each in enumerate(messages)]
    header = dataclasses.replace(header, digests=tuple(digests))
    packed = pack(header, secrets.file_key, associated_data)
    if out is not None and len(out) < header.file_bytes:
        raise ImgcryptError(f"out has {len(out):,} bytes, and the file takes {header.file_bytes:,}; give more of them")
    # Made in memory that is there already, then copied once: that costs less than memory new from the system.
    with scratch.borrow(0 if out is not None else header.file_bytes) as space:
        file = space.data if out is None else out[: header.file_bytes]
        _write(header, packed, messages, secrets.file_key, file)
        return bytes(file) if out is None else file


def seal_again(header: Header, packed: bytes, payload: Bytes, metadata: Bytes, file_key: bytes) -> bytes:
    """The bytes of a file again, from its header, MAC and all, and what is in it: uint8 (n,) each."""
    file = bytearray(header.file_bytes)
    _write(header, packed, split(header, payload, metadata), file_key, memoryview(file))
    return bytes(file)


def split(header: Header, payload: Bytes, metadata: Bytes) -> list[Bytes]:
    """What is enciphered for each part: uint8 (length,) each, views."""
    ends = list(itertools.accumulate(part.length for part in header.payload_parts))
    pieces = [payload[end - part.length : end] for part, end in zip(header.payload_parts, ends, strict=True)]
    return [*pieces, metadata] if header.metadata_bytes else pieces


def open_(
    data: bytes | bytearray | memoryview, key: Openers, associated_data: bytes = b"", out: Bytes | None = None
) -> tuple[Header, Bytes, bytes]:
    """Decrypt an undamaged file: its header, payload and metadata, every byte of all authenticated.

    Args:
        data: the file.
        key: one that opens it, or several.
        associated_data: what it was made with.
        out: uint8 (n,) to write the payload to; ``None`` makes a new array.

    Raises:
        ContainerError: what container.parse raises, or DamagedError.
        WrongKeyError: no slot of the file opens with ``key``, or one of them.
    """
    data = memoryview(data)
    header = container.parse(data)
    file_key = unlock(header, data[: header.header_bytes], key, associated_data)
    payload = np.empty(header.payload_bytes, np.uint8) if out is None else out
    metadata = np.empty(header.metadata_bytes, np.uint8)
    try:
        _read(header, file_key, data, split(header, payload, metadata))
    except DamagedError:
        payload[:] = 0  # it may be the caller's memory
        raise
    return header, payload, metadata.tobytes()


def open_front(data: bytes | memoryview, header: Header, file_key: bytes) -> Bytes:
    """The first part of the payload, uint8 (n,), from what stands behind the header: no more of the file is needed.

    Raises:
        DamagedError: it is damaged.
    """
    enciphered = np.empty(header.parts[0].length, np.uint8)
    front_cipher(header, file_key).open(0, memoryview(data)[header.header_bytes : header.packet_at(0)], enciphered.data)
    message = np.empty_like(enciphered)
    if not decipher(header, file_key, 0, enciphered, message):
        raise DamagedError
    return message


def decipher(header: Header, file_key: bytes, number: int, enciphered: Bytes, out: Bytes) -> bool:
    """Decipher a part into ``out``, and say whether its digest proves it."""
    cipher.decipher(enciphered, part_key(header, file_key, number), out=out)
    return hmac.compare_digest(header.digests[number], digest(header.core(), number, out, file_key, header.salt))


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


def digest(core: bytes, number: int, message: Bytes, file_key: bytes, salt: bytes) -> bytes:
    """The keyed digest of the header's core and a part: 32 bytes."""
    hasher = blake3(core + bytes([number]), key=slots.hkdf(file_key, salt, b"digest"))
    return hasher.update(message.data).digest()


def part_key(header: Header, file_key: bytes, number: int) -> bytes:
    """The chaos cipher's key for a part, bound to the salt and the part's digest."""
    return slots.hkdf(file_key, header.salt + header.digests[number], b"image")


def packet_cipher(header: Header, file_key: bytes) -> PacketCipher:
    """What seals the packets, under a key bound to the salt and all digests."""
    return PacketCipher(header.suite, slots.hkdf(file_key, header.salt + b"".join(header.digests), b"packets"))


def front_cipher(header: Header, file_key: bytes) -> PacketCipher:
    """What seals the first part behind the header, as number 0."""
    return PacketCipher(header.suite, slots.hkdf(file_key, header.salt + header.digests[0], b"front"))


def _write(header: Header, packed: bytes, messages: Sequence[Bytes], file_key: bytes, file: memoryview) -> None:
    """Write a whole file to memory of its length."""
    width = header.packet_bytes - TAG_BYTES
    with scratch.borrow(header.packets * width) as space:
        grid = space.reshape(header.packets, width)
        at = 0
        for number, (part, message) in enumerate(zip(header.parts, messages, strict=True)):
            with scratch.borrow(max(part.needed * part.share_bytes, part.length)) as enciphered:
                cipher.encipher(message, part_key(header, file_key, number), out=enciphered[: part.length])
                enciphered[part.length :] = 0
                if number == 0 and header.front:
                    sealed = file[header.header_bytes : header.packet_at(0)]
                    front_cipher(header, file_key).seal(0, enciphered[: part.length].data, sealed)
                if part.needed:
                    shares = grid[:, at : at + part.share_bytes]
                    shares[: part.needed] = enciphered.reshape(part.needed, part.share_bytes)
                    protection.add_parity(shares, part.needed)
                    at += part.share_bytes
        sealer = packet_cipher(header, file_key)
        for number in range(header.packets):
            start = header.packet_at(number)
            sealer.seal(number, grid[number].data, file[start : start + header.packet_bytes])
    file[: header.header_bytes] = file[header.trailer_at :] = packed


def _read(header: Header, file_key: bytes, data: memoryview, messages: Sequence[Bytes]) -> None:
    """Read a whole file's parts into ``messages``; DamagedError if any of its bytes is not authentic."""
    width = header.packet_bytes - TAG_BYTES
    with scratch.borrow(header.packets * width) as space, scratch.borrow(header.parts[0].length) as front:
        grid = space.reshape(header.packets, width)
        opener = packet_cipher(header, file_key)
        for number in range(header.packets):
            start = header.packet_at(number)
            opener.open(number, data[start : start + header.packet_bytes], grid[number].data)
        if header.front:
            front_cipher(header, file_key).open(0, data[header.header_bytes : header.packet_at(0)], front.data)
        at = 0
        for number, (part, message) in enumerate(zip(header.parts, messages, strict=True)):
            enciphered = front
            if part.needed:
                enciphered = grid[: part.needed, at : at + part.share_bytes].reshape(-1)[: part.length]
                at += part.share_bytes
            same = number > 0 or not header.front or np.array_equal(enciphered, front)
            if not (same and decipher(header, file_key, number, enciphered, message)):
                raise DamagedError


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


def _mac(packed: bytes | memoryview, header: Header, file_key: bytes, associated_data: bytes = b"") -> bytes:
    return hmac.digest(slots.hkdf(file_key, header.salt, b"header"), bytes(packed) + associated_data, "sha256")
