"""Files as datagrams, for a network that loses some of them: docs/format.md, appendix on datagrams.

Each datagram holds a piece of the file and a share of the header, of which any quarter gives it back: so a file is
known by whichever datagrams arrive. Nothing here is secret or proven, which is the file's own affair.
"""

from __future__ import annotations

import itertools
import struct
import zlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from blake3 import blake3

from imgcrypt import boundary, container, inputs, protection
from imgcrypt.container import Header
from imgcrypt.errors import DamagedError, ImgcryptError, NotImgcError, TruncatedError

if TYPE_CHECKING:
    from typing_extensions import Buffer

MAGIC = b"\x89imd"
VERSION = 1
HEAD = struct.Struct("<4sB8sHIIQ")
CHECKSUM = struct.Struct("<I")
ID_BYTES = 8
LEAST_ROOM = 32
"""For a piece: packets are cut evenly, so that no piece is shorter than 16 bytes, the least gap that recovery sees."""
HEADER_LOSS = 4
"""One of so many datagrams is enough for the header."""
MOST_MISSING = 16
"""A file made of datagrams is at most so many times as long as they: it bounds what a hostile header can ask for."""
ALWAYS = 1 << 20
"""Bytes that are made in any case."""


class _File(NamedTuple):
    """What datagrams of one file, sent once, have in common."""

    id: bytes
    header_bytes: int
    total: int


class _Datagram(NamedTuple):
    number: int
    share: bytes
    offset: int
    piece: bytes


@boundary.public
def packets(blob: Buffer, mtu: int = 1200) -> list[bytes]:
    """A file as datagrams, to be sent in this order over a network that may lose, repeat and reorder them.

    A datagram holds one of the file's packets, or a piece of one, so that the share of the packets that the file can
    lose is that of the datagrams. imgcrypt.join makes the file of them.

    Args:
        blob: the whole file, undamaged.
        mtu: bytes that a datagram has at most. 1,200 are what every path of the internet carries (RFC 9000, section
            14) beside the heads of UDP and IP; 65,000 go over loopback.

    Raises:
        ContainerError: not an imgcrypt file, of a newer version, truncated or damaged (a subclass each).
        ImgcryptError: datagrams of this length are too short for the file's header.
    """
    data = inputs.blob(blob)
    header = container.parse(data)
    most = inputs.count(mtu, "mtu")
    if most is None:
        raise TypeError("mtu is a whole number, not None")
    room = _room(header, most)
    spans = _cut(header.header_bytes, header.front_bytes, room)
    for number in range(header.packets):
        spans += _cut(header.packet_at(number), header.packet_bytes, room)
    packed = data[: header.header_bytes]
    file = _File(_id(packed), len(packed), len(spans))
    shares = np.zeros((_shares(file.total), _share_bytes(file.header_bytes, file.total)), np.uint8)
    needed = _needed(file.total)
    whole = np.frombuffer(bytes(packed).ljust(needed * shares.shape[1], b"\0"), np.uint8)
    shares[:needed] = whole.reshape(needed, -1)
    protection.add_parity(shares, needed)
    made = []
    for number, (start, end) in enumerate(spans):
        head = HEAD.pack(MAGIC, VERSION, file.id, file.header_bytes, file.total, number, start)
        body = b"".join([head, shares[number % len(shares)].tobytes(), data[start:end]])
        made.append(body + CHECKSUM.pack(zlib.crc32(body)))
    return made


@boundary.public
def join(datagrams: Iterable[Buffer]) -> bytes:
    """The best file that can be made of datagrams, in any order: those of one file, as imgcrypt.packets made them.

    What else is there, damaged datagrams too, is ignored. If there are datagrams of several files, it is the one with
    the most of them, of those whose header can be made. What is missing is filled with zero bytes: imgcrypt.decrypt
    opens the file if its protection mends it, imgcrypt.recover says what is left.

    Raises:
        NotImgcError: none of them is a datagram of a file.
        TruncatedError: too few are there even for the header, for which a quarter of them is enough.
        DamagedError: the header that they give is not theirs.
        NewerVersionError: the file uses a version or feature that this release does not know.
    """
    files: dict[_File, dict[int, _Datagram]] = {}
    for each in datagrams:
        found = _read(bytes(inputs.blob(each)))
        if found is not None:
            file, datagram = found
            files.setdefault(file, {}).setdefault(datagram.number, datagram)
    refusal: ImgcryptError = NotImgcError("none of these datagrams is of an imgcrypt file; check where they are from")
    for rank, file in enumerate(sorted(files, key=lambda file: len(files[file]), reverse=True)):
        try:
            return _assemble(file, list(files[file].values()))
        except ImgcryptError as error:
            refusal = refusal if rank else error
    raise refusal


def _read(data: bytes) -> tuple[_File, _Datagram] | None:
    """A datagram, None if it is none."""
    if len(data) < HEAD.size + CHECKSUM.size:
        return None
    body, (checksum,) = data[: -CHECKSUM.size], CHECKSUM.unpack(data[-CHECKSUM.size :])
    magic, version, file_id, header_bytes, count, number, offset = HEAD.unpack_from(body)
    if magic != MAGIC or version != VERSION or number >= count or zlib.crc32(body) != checksum:
        return None
    piece_at = HEAD.size + _share_bytes(header_bytes, count)
    if len(body) < piece_at:
        return None
    return _File(file_id, header_bytes, count), _Datagram(number, body[HEAD.size : piece_at], offset, body[piece_at:])


def _assemble(file: _File, datagrams: list[_Datagram]) -> bytes:
    packed = _header(file, datagrams)
    header = container.parse(packed, whole=False)
    there = sum(len(datagram.piece) for datagram in datagrams)
    if header.header_bytes != len(packed) or header.file_bytes > max(MOST_MISSING * there, ALWAYS):
        raise TruncatedError(f"of a file of {header.file_bytes:,} bytes only {there:,} arrived; send it again")
    whole = bytearray(header.file_bytes)
    for _, _, offset, piece in datagrams:
        if header.header_bytes <= offset <= header.trailer_at - len(piece):
            whole[offset : offset + len(piece)] = piece
    whole[: len(packed)] = whole[header.trailer_at :] = packed
    return bytes(whole)


def _header(file: _File, datagrams: list[_Datagram]) -> bytes:
    count, needed = _shares(file.total), _needed(file.total)
    shares = np.zeros((count, _share_bytes(file.header_bytes, file.total)), np.uint8)
    absent = np.ones(shares.shape, bool)
    for datagram in datagrams:
        row = datagram.number % count
        shares[row], absent[row] = np.frombuffer(datagram.share, np.uint8), False
    there = count - int(absent.all(1).sum())
    if there < needed:
        raise TruncatedError(
            f"{len(datagrams):,} of {file.total:,} datagrams arrived, too few even for the file's header; send it again"
        )
    # Not only filled in but corrected: anybody can send datagrams that claim to be of the file.
    protection.correct(shares, needed, absent)
    packed = shares[:needed].tobytes()[: file.header_bytes]
    if _id(packed) != file.id:
        raise DamagedError("the datagrams contradict each other in the file's header; send the file again")
    return packed


def _room(header: Header, mtu: int) -> int:
    """Bytes of the file that datagrams hold at most: with the more datagrams, the less each needs for the header."""
    for count in range(protection.MOST_SHARES, 0, -1):
        room = mtu - HEAD.size - CHECKSUM.size - _share_bytes(header.header_bytes, count)
        if room >= LEAST_ROOM and header.packets * -(-header.packet_bytes // room) >= count:
            return room
    least = HEAD.size + CHECKSUM.size + header.header_bytes + LEAST_ROOM
    raise ImgcryptError(f"datagrams of {mtu:,} bytes are too short for this file; give an mtu of {least:,}")


def _cut(start: int, length: int, room: int) -> list[tuple[int, int]]:
    """As few pieces as have room, of the same length or one byte apart: where they begin and end."""
    count = -(-length // room)
    ends = [start + length * number // count for number in range(count + 1)] if count else []
    return list(itertools.pairwise(ends))


def _shares(count: int) -> int:
    """Shares that the header has in so many datagrams: share i is in those whose number leaves i divided by them."""
    return min(count, protection.MOST_SHARES)


def _needed(count: int) -> int:
    return max(_shares(count) // HEADER_LOSS, 1)


def _share_bytes(header_bytes: int, count: int) -> int:
    return -(-header_bytes // _needed(count))


def _id(packed: bytes | memoryview) -> bytes:
    return blake3(packed).digest(length=ID_BYTES)
