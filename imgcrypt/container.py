"""The bytes of an ``.imgc`` file: header, chunks, trailing header copy. docs/format.md, section 2.

No cryptography and no pictures here: packing, parsing and offsets alone. Everything that is read is
bounds-checked before it is believed.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Callable
from enum import IntEnum

from imgcrypt.errors import DamagedError, NewerVersionError, NotImgcError, TruncatedError

MAGIC = b"\x89imgc\r\n\x1a"
"""As PNG's: a byte that is not ASCII, the name, and line ends that a text-mode transfer would change."""
VERSION = 1
MAC_BYTES = 32
TAG_BYTES = 16
SALT_BYTES = 32
DIGEST_BYTES = 32
CORE = struct.Struct("<8sHHBBBBIIQIB3s32s")
"""All fixed fields of the header before the digest."""
CORE_AT = 12
"""The digest covers the fixed fields from here on: what is before it changes with the slots."""
FIXED = struct.Struct(CORE.format + "32s")
RECORD = struct.Struct("<HH")
NET = struct.Struct("<24s32sI")
NAME_BYTES = 24
MOST_HEADER_BYTES = 2**16 - 1
CHUNK_EXPONENTS = range(10, 25)
CHUNK_EXPONENT = 16
"""Of new files: chunks of 64 KiB."""
MOST_PASSPHRASE_SLOTS = 4
"""Each costs its reader a run of Argon2id, and lets whoever made the file guess once."""
OPTIONAL_RECORDS = 0x8000
"""Record types from here on may be ignored by a reader that does not know them."""


class Suite(IntEnum):
    """What protects the chunks. Numbers are on the wire: never change or reuse one."""

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


@dataclasses.dataclass(frozen=True)
class Content:
    """What a file is to hold, as far as it is known before the file is sealed.

    ``net`` is the net of a sampled picture, else None. A chunk has ``2 ** chunk_exponent`` bytes. In the mode exact, it
    holds the bytes of another file, and height, width, channels and sample_bytes are 0.
    """

    suite: Suite
    mode: Mode
    height: int
    width: int
    channels: int
    sample_bytes: int
    net: NetRecord | None
    chunk_exponent: int


@dataclasses.dataclass(frozen=True)
class Header:
    """Every field of the header but its MAC, complete. Parsing and packing are inverses of each other."""

    suite: Suite
    mode: Mode
    sample_bytes: int
    channels: int
    height: int
    width: int
    payload_bytes: int
    metadata_bytes: int
    chunk_exponent: int
    salt: bytes
    digest: bytes
    records: tuple[tuple[int, bytes], ...]

    @property
    def chunk_bytes(self) -> int:
        """Plaintext bytes of each chunk but the last."""
        return 1 << self.chunk_exponent

    @property
    def header_bytes(self) -> int:
        """Length of the packed header with its MAC."""
        return _header_bytes(self.records)

    @property
    def chunks(self) -> int:
        """Number of sealed chunks."""
        return -(-self.payload_bytes // self.chunk_bytes)

    @property
    def metadata_at(self) -> int:
        """Offset in the file of the metadata block, which follows the chunks."""
        return self.header_bytes + self.payload_bytes + self.chunks * TAG_BYTES

    @property
    def trailer_at(self) -> int:
        """Offset in the file of the header's second copy."""
        return self.file_bytes - self.header_bytes

    @property
    def file_bytes(self) -> int:
        """Length of the whole file."""
        return _file_bytes(self.header_bytes, self.payload_bytes, self.metadata_bytes, self.chunk_exponent)

    @property
    def net(self) -> NetRecord | None:
        """The net that a sampled file needs."""
        for kind, body in self.records:
            if kind == RecordType.NET:
                name, weights, block_bytes = NET.unpack(body)
                return NetRecord(name.rstrip(b"\0").decode("ascii"), weights, block_bytes)
        return None

    def chunk_at(self, number: int) -> tuple[int, int]:
        """Offset in the file and length, without its tag, of a chunk."""
        length = min(self.chunk_bytes, self.payload_bytes - number * self.chunk_bytes)
        return self.header_bytes + number * (self.chunk_bytes + TAG_BYTES), length

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
            chunk_exponent=self.chunk_exponent,
        )

    def core(self) -> bytes:
        """What the digest covers: the fixed fields from the suite to the salt."""
        return self._fixed()[CORE_AT:]

    def pack(self) -> bytes:
        """The header's bytes up to its MAC."""
        records = b"".join(RECORD.pack(kind, len(body)) + body for kind, body in self.records)
        return self._fixed() + self.digest + records

    def _fixed(self) -> bytes:
        return _pack_core(self, self.payload_bytes, self.metadata_bytes, self.salt, self.records)


def make_header(
    content: Content,
    slots: tuple[tuple[int, bytes], ...],
    payload_bytes: int,
    metadata_bytes: int,
    salt: bytes,
    digest: Callable[[bytes], bytes],
) -> Header:
    """The header of a new file.

    Args:
        content: what the file is to hold.
        slots: a record for each key that may open it.
        payload_bytes: length of the payload.
        metadata_bytes: length of the metadata, 0 if there is none.
        salt: fresh for every file.
        digest: is given the header's core and returns the digest of core and payload.
    """
    records = slots if content.net is None else (*slots, net_record(content.net))
    return Header(
        suite=content.suite,
        mode=content.mode,
        sample_bytes=content.sample_bytes,
        channels=content.channels,
        height=content.height,
        width=content.width,
        payload_bytes=payload_bytes,
        metadata_bytes=metadata_bytes,
        chunk_exponent=content.chunk_exponent,
        salt=salt,
        digest=digest(_pack_core(content, payload_bytes, metadata_bytes, salt, records)[CORE_AT:]),
        records=records,
    )


def net_record(net: NetRecord) -> tuple[int, bytes]:
    """The record that names a net."""
    return RecordType.NET, NET.pack(net.name.encode("ascii"), net.weights, net.block_bytes)


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
    if len(data) < FIXED.size + MAC_BYTES:
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
        payload_bytes,
        metadata_bytes,
        chunk_exponent,
        reserved,
        salt,
        digest,
    ) = FIXED.unpack_from(data)
    newer = "the file needs a newer release of imgcrypt ({}); upgrade it"
    if version != VERSION:
        raise NewerVersionError(newer.format(f"it has format version {version}, this release reads version {VERSION}"))
    if suite not in Suite.__members__.values() or mode not in Mode.__members__.values() or any(reserved):
        raise NewerVersionError(newer.format("it uses a suite, mode or field that this release does not know"))
    if header_bytes < FIXED.size + MAC_BYTES:
        raise _damaged("its length is impossible")
    if len(data) < header_bytes:
        raise TruncatedError("the file ends inside its header; copy it again from where it came")
    if chunk_exponent not in CHUNK_EXPONENTS:
        raise _damaged("its chunk size is impossible")
    if whole:
        _check_whole(data, header_bytes, _file_bytes(header_bytes, payload_bytes, metadata_bytes, chunk_exponent))
    header = Header(
        suite=Suite(suite),
        mode=Mode(mode),
        sample_bytes=sample_bytes,
        channels=channels,
        height=height,
        width=width,
        payload_bytes=payload_bytes,
        metadata_bytes=metadata_bytes,
        chunk_exponent=chunk_exponent,
        salt=salt,
        digest=digest,
        records=_parse_records(data[FIXED.size : header_bytes - MAC_BYTES], newer),
    )
    _check(header)
    return header


def _pack_core(
    content: Content | Header,
    payload_bytes: int,
    metadata_bytes: int,
    salt: bytes,
    records: tuple[tuple[int, bytes], ...],
) -> bytes:
    return CORE.pack(
        MAGIC,
        VERSION,
        _header_bytes(records),
        content.suite,
        content.mode,
        content.sample_bytes,
        content.channels,
        content.height,
        content.width,
        payload_bytes,
        metadata_bytes,
        content.chunk_exponent,
        bytes(3),
        salt,
    )


def _header_bytes(records: tuple[tuple[int, bytes], ...]) -> int:
    return FIXED.size + sum(RECORD.size + len(body) for _, body in records) + MAC_BYTES


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


def _file_bytes(header_bytes: int, payload_bytes: int, metadata_bytes: int, chunk_exponent: int) -> int:
    chunks = -(-payload_bytes >> chunk_exponent)
    metadata = metadata_bytes + TAG_BYTES if metadata_bytes else 0
    return 2 * header_bytes + payload_bytes + chunks * TAG_BYTES + metadata


def _check_whole(data: memoryview, header_bytes: int, file_bytes: int) -> None:
    if len(data) < file_bytes:
        raise TruncatedError(
            f"the file ends early: {len(data)} of {file_bytes} bytes are there; copy it again from where it came"
        )
    if len(data) > file_bytes or data[:header_bytes] != data[-header_bytes:]:
        raise DamagedError


def _check(header: Header) -> None:
    if header.mode is Mode.EXACT:
        if any((header.sample_bytes, header.channels, header.height, header.width)):
            raise _damaged("it describes a picture, and the file holds another file")
    else:
        depths = (1, 2) if header.mode in (Mode.RAW, Mode.LOSSLESS) else (1,)
        if header.sample_bytes not in depths or header.channels not in (1, 3, 4):
            raise _damaged("its picture type is impossible")
        if not (header.height and header.width and header.payload_bytes):
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
