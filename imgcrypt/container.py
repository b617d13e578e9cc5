"""The bytes of an ``.imgc`` file: header, front, packets, trailing header copy. docs/format.md, section 2.

No cryptography and no pictures here: packing, parsing and offsets alone. Everything that is read is
bounds-checked before it is believed.
"""

from __future__ import annotations

import dataclasses
import struct
from enum import IntEnum
from typing import NamedTuple

from imgcrypt.errors import DamagedError, NewerVersionError, NotImgcError, TruncatedError

MAGIC = b"\x89imgc\r\n\x1a"
"""As PNG's: a byte that is not ASCII, the name, and line ends that a text-mode transfer would change."""
VERSION = 1
MAC_BYTES = 32
TAG_BYTES = 16
SALT_BYTES = 32
DIGEST_BYTES = 32
FIXED = struct.Struct("<8sHHBBBBIIBBBB32s")
"""The header's fields of fixed length: all but the parts, their digests and the records."""
HEADER_BYTES_AT, CORE_AT = 10, 12
"""The digests cover the fields from CORE_AT on: what is before them changes with the slots."""
PART = struct.Struct("<QB")
RECORD = struct.Struct("<HH")
NET = struct.Struct("<24s32sI")
NAME_BYTES = 24
MOST_HEADER_BYTES = 2**16 - 1
MOST_PARTS = 16
FRONT, METADATA = 1, 2
"""Flags: the first part stands behind the header, too; the last part is metadata."""
MOST_PASSPHRASE_SLOTS = 4
"""Each costs its reader a run of Argon2id, and lets whoever made the file guess once."""
OPTIONAL_RECORDS = 0x8000
"""Record types from here on may be ignored by a reader that does not know them."""


class Suite(IntEnum):
    """What protects the packets. Numbers are on the wire: never change or reuse one."""

    HYBRID = 1
    CHAOS = 2


class Mode(IntEnum):
    """What the payload is."""

    SAMPLED = 1
    RAW = 2
    EXACT = 3
    LOSSLESS = 4


class RecordType(IntEnum):
    """Kinds of record. Numbers are on the wire: never change or reuse one."""

    RAW_KEY_SLOT = 1
    PASSPHRASE_SLOT = 2
    RECIPIENT_SLOT = 3
    NET = 16


@dataclasses.dataclass(frozen=True)
class NetRecord:
    """The net that a sampled file needs: its name, the SHA-256 of its reconstructor, bytes per block."""

    name: str
    weights: bytes
    block_bytes: int


class Part(NamedTuple):
    """A message to the cipher: a piece of the payload, or the metadata.

    ``length`` is in bytes. Of its shares, one in each packet, ``needed`` give it back; 0 if it stands in front alone.
    """

    length: int
    needed: int

    @property
    def share_bytes(self) -> int:
        """Length of a share."""
        return -(-self.length // self.needed) if self.needed else 0


@dataclasses.dataclass(frozen=True)
class Layout:
    """How a payload is laid out: in what parts, in how many packets, and whether the first part stands in front, too.

    ``metadata_needed`` is that of the metadata's part.
    """

    packets: int
    parts: tuple[Part, ...]
    front: bool
    metadata_needed: int


@dataclasses.dataclass(frozen=True)
class Content:
    """What a file is to hold, as far as it is known before the file is sealed.

    ``net`` is the net of a sampled picture, else None. In the mode exact, it holds the bytes of another file, and
    height, width, channels and sample_bytes are 0.
    """

    suite: Suite
    mode: Mode
    height: int
    width: int
    channels: int
    sample_bytes: int
    net: NetRecord | None


@dataclasses.dataclass(frozen=True)
class Header:
    """Every field of the header but its MAC, complete. Parsing and packing are inverses of each other.

    ``parts`` are those of the payload, then the metadata's if there are any; ``digests`` has one for each.
    """

    suite: Suite
    mode: Mode
    sample_bytes: int
    channels: int
    height: int
    width: int
    packets: int
    flags: int
    salt: bytes
    parts: tuple[Part, ...]
    digests: tuple[bytes, ...]
    records: tuple[tuple[int, bytes], ...]

    @property
    def header_bytes(self) -> int:
        """Length of the packed header with its MAC."""
        return _header_bytes(len(self.parts), self.records)

    @property
    def front(self) -> bool:
        """Whether the first part stands behind the header, too."""
        return bool(self.flags & FRONT)

    @property
    def payload_parts(self) -> tuple[Part, ...]:
        """The parts of the payload."""
        return self.parts[:-1] if self.flags & METADATA else self.parts

    @property
    def payload_bytes(self) -> int:
        """Length of the payload."""
        return sum(part.length for part in self.payload_parts)

    @property
    def metadata_bytes(self) -> int:
        """Length of the metadata, 0 if there are none."""
        return self.parts[-1].length if self.flags & METADATA else 0

    @property
    def front_bytes(self) -> int:
        """Length of the sealed first part behind the header, 0 if it is not there."""
        return self.parts[0].length + TAG_BYTES if self.front else 0

    @property
    def packet_bytes(self) -> int:
        """Length of a sealed packet."""
        return sum(part.share_bytes for part in self.parts) + TAG_BYTES

    @property
    def trailer_at(self) -> int:
        """Offset in the file of the header's second copy."""
        return self.packet_at(self.packets)

    @property
    def file_bytes(self) -> int:
        """Length of the whole file."""
        return self.trailer_at + self.header_bytes

    @property
    def net(self) -> NetRecord | None:
        """The net that a sampled file needs."""
        for kind, body in self.records:
            if kind == RecordType.NET:
                name, weights, block_bytes = NET.unpack(body)
                return NetRecord(name.rstrip(b"\0").decode("ascii"), weights, block_bytes)
        return None

    def packet_at(self, number: int) -> int:
        """Offset in the file of a packet."""
        return self.header_bytes + self.front_bytes + number * self.packet_bytes

    @property
    def content(self) -> Content:
        """What the file holds, to open it or to seal the same again."""
        return Content(
            suite=self.suite,
            mode=self.mode,
            height=self.height,
            width=self.width,
            channels=self.channels,
            sample_bytes=self.sample_bytes,
            net=self.net,
        )

    @property
    def layout(self) -> Layout:
        """How the payload is laid out, to lay out another one of the same length."""
        metadata_needed = self.parts[-1].needed if self.flags & METADATA else self.packets
        return Layout(self.packets, self.payload_parts, self.front, metadata_needed)

    def core(self) -> bytes:
        """The fields that the digests cover."""
        return self._pack()[CORE_AT : FIXED.size + PART.size * len(self.parts)]

    def pack(self) -> bytes:
        """The header's bytes up to its MAC."""
        records = b"".join(RECORD.pack(kind, len(body)) + body for kind, body in self.records)
        return self._pack() + b"".join(self.digests) + records

    def _pack(self) -> bytes:
        return FIXED.pack(
            MAGIC,
            VERSION,
            self.header_bytes,
            self.suite,
            self.mode,
            self.sample_bytes,
            self.channels,
            self.height,
            self.width,
            self.packets,
            len(self.parts),
            self.flags,
            0,
            self.salt,
        ) + b"".join(PART.pack(*part) for part in self.parts)


def make_header(
    content: Content, layout: Layout, slots: tuple[tuple[int, bytes], ...], metadata_bytes: int, salt: bytes
) -> Header:
    """The header of a new file, whose digests are missing yet.

    Args:
        content: what the file is to hold.
        layout: how it is laid out.
        slots: a record for each key that may open it.
        metadata_bytes: length of the metadata, 0 if there is none.
        salt: fresh for every file.
    """
    metadata = (Part(metadata_bytes, layout.metadata_needed),) if metadata_bytes else ()
    return Header(
        suite=content.suite,
        mode=content.mode,
        sample_bytes=content.sample_bytes,
        channels=content.channels,
        height=content.height,
        width=content.width,
        packets=layout.packets,
        flags=(FRONT if layout.front else 0) | (METADATA if metadata else 0),
        salt=salt,
        parts=layout.parts + metadata,
        digests=(),
        records=slots if content.net is None else (*slots, net_record(content.net)),
    )


def net_record(net: NetRecord) -> tuple[int, bytes]:
    """The record that names a net."""
    return RecordType.NET, NET.pack(net.name.encode("ascii"), net.weights, net.block_bytes)


def header_length(data: bytes) -> int:
    """Length of the header that begins with ``data``, at least its first 12 bytes; 0 if there are fewer."""
    return int.from_bytes(data[HEADER_BYTES_AT:CORE_AT], "little") if len(data) >= CORE_AT else 0


def parse(data: bytes | memoryview, *, whole: bool = True) -> Header:
    """Read the header at the start of ``data``. Nothing is authenticated yet.

    Args:
        data: a file, or at least its header.
        whole: check also that the file has its right length and that both copies of the header agree.

    Raises:
        NotImgcError: the magic is not there.
        NewerVersionError: the version, or a field's value, is of a later release.
        TruncatedError: ``data`` ends too early.
        DamagedError: fields contradict each other, or the copies do.
    """
    data = memoryview(data)
    if data[: len(MAGIC)] != MAGIC:
        raise NotImgcError("this is not an imgcrypt file (it does not begin as one); check that it is the right file")
    if len(data) < FIXED.size:
        raise TruncatedError("the file ends inside its header; copy it again from where it came")
    (
        _,
        version,
        header_bytes,
        suite,
        mode,
        sample_bytes,
        channels,
        height,
        width,
        packets,
        count,
        flags,
        reserved,
        salt,
    ) = FIXED.unpack_from(data)
    newer = "the file needs a newer release of imgcrypt ({}); upgrade it"
    if version != VERSION:
        raise NewerVersionError(newer.format(f"it has format version {version}, this release reads version {VERSION}"))
    if (
        suite not in Suite.__members__.values()
        or mode not in Mode.__members__.values()
        or flags & ~(FRONT | METADATA)
        or reserved
    ):
        raise NewerVersionError(newer.format("it uses a suite, mode or field that this release does not know"))
    digests_at = FIXED.size + PART.size * count
    records_at = digests_at + DIGEST_BYTES * count
    if header_bytes < records_at + MAC_BYTES:
        raise _damaged("its length is impossible")
    if len(data) < header_bytes:
        raise TruncatedError("the file ends inside its header; copy it again from where it came")
    header = Header(
        suite=Suite(suite),
        mode=Mode(mode),
        sample_bytes=sample_bytes,
        channels=channels,
        height=height,
        width=width,
        packets=packets,
        flags=flags,
        salt=salt,
        parts=tuple(Part(*each) for each in PART.iter_unpack(data[FIXED.size : digests_at])),
        digests=tuple(bytes(data[at : at + DIGEST_BYTES]) for at in range(digests_at, records_at, DIGEST_BYTES)),
        records=_parse_records(data[records_at : header_bytes - MAC_BYTES], newer),
    )
    _check(header)
    if whole:
        _check_whole(data, header)
    return header


def _header_bytes(parts: int, records: tuple[tuple[int, bytes], ...]) -> int:
    bodies = sum(RECORD.size + len(body) for _, body in records)
    return FIXED.size + parts * (PART.size + DIGEST_BYTES) + bodies + MAC_BYTES


def _parse_records(data: memoryview, newer: str) -> tuple[tuple[int, bytes], ...]:
    records = []
    while data:
        if len(data) < RECORD.size:
            raise _damaged("a record is cut")
        kind, length = RECORD.unpack_from(data)
        body = bytes(data[RECORD.size : RECORD.size + length])
        if len(body) < length:
            raise _damaged("a record is cut")
        if kind < OPTIONAL_RECORDS and kind not in RecordType.__members__.values():
            raise NewerVersionError(newer.format("it has a record that this release does not know"))
        if kind == RecordType.NET and not (length == NET.size and _is_name(body[:NAME_BYTES])):
            raise _damaged("its net record is malformed")
        records.append((kind, body))
        data = data[RECORD.size + length :]
    return tuple(records)


def _is_name(field: bytes) -> bool:
    # Printable characters alone: names are shown to people before the header is authenticated.
    name = field.rstrip(b"\0")
    return len(name) > 0 and all(0x21 <= byte <= 0x7E for byte in name)


def _check_whole(data: memoryview, header: Header) -> None:
    if len(data) < header.file_bytes:
        raise TruncatedError(
            f"the file ends early: {len(data)} of {header.file_bytes} bytes are there; copy it again from where it came"
        )
    if len(data) > header.file_bytes or data[: header.header_bytes] != data[header.trailer_at :]:
        raise DamagedError


def _check(header: Header) -> None:
    if not header.packets or not 1 <= len(header.parts) <= MOST_PARTS or not header.payload_parts:
        raise _damaged("it has no packets, no parts or too many")
    for number, part in enumerate(header.parts):
        # What stands in front alone is the first part of several.
        least = 0 if number == 0 and header.front and len(header.payload_parts) > 1 else 1
        if not least <= part.needed <= header.packets:
            raise _damaged("its parts need impossible numbers of packets")
    empty = [number for number, part in enumerate(header.parts) if not part.length]
    # Another file may be empty, and is one part then.
    if empty and not (header.mode is Mode.EXACT and empty == [0] and len(header.payload_parts) == 1):
        raise _damaged("one of its parts is empty")
    if header.mode is Mode.EXACT:
        if any((header.sample_bytes, header.channels, header.height, header.width)):
            raise _damaged("it describes a picture, and the file holds another file")
    else:
        depths = (1, 2) if header.mode in (Mode.RAW, Mode.LOSSLESS) else (1,)
        if header.sample_bytes not in depths or header.channels not in (1, 3, 4):
            raise _damaged("its picture type is impossible")
        if not (header.height and header.width):
            raise _damaged("its picture is empty")
    if sum(kind == RecordType.PASSPHRASE_SLOT for kind, _ in header.records) > MOST_PASSPHRASE_SLOTS:
        raise _damaged("it has more passphrase slots than any honest file")
    nets = sum(kind == RecordType.NET for kind, _ in header.records)
    if nets != (header.mode is Mode.SAMPLED):
        raise _damaged("it names no net, or several")
    samples = header.height * header.width * header.channels
    if header.mode is Mode.RAW and header.payload_bytes != samples * header.sample_bytes:
        raise _damaged("its payload does not fit its picture")


def _damaged(what: str) -> DamagedError:
    return DamagedError(f"the file's header is damaged ({what}); get another copy of the file")
