"""What is left of a damaged file: docs/format.md, appendix. It gives up authenticity, so it never runs unasked.

This module deals with bytes: which are there, which are lost, which are in doubt. imgcrypt.restoration makes the
picture.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from imgcrypt import cipher, container, envelope, protection
from imgcrypt.arrays import Bytes, Mask
from imgcrypt.cipher.layout import pairs
from imgcrypt.container import TAG_BYTES, Header
from imgcrypt.errors import DamagedError, ImgcryptError, TruncatedError, WrongKeyError
from imgcrypt.keys import Openers
from imgcrypt.sealing import PacketCipher

RUN = 16
"""So many equal bytes in a row are damage: in a ciphertext they are found once in 2**120 places."""
LEAST_SHARE = 1 / 16
"""Of a payload's length, the least that a file must have to be recovered: it bounds what a header can ask for."""

# A hostile file may hold the magic anywhere: what is looked at is bounded.
MOST_PLACES = 1024
"""Of the magic, counted from either end."""
MOST_HEADERS = 8
"""Different ones that are tried with the key; each may cost as much as a whole file's slots."""
MOST_ORIGINS = 16


@dataclasses.dataclass(frozen=True, eq=False)
class Found:
    """What is left of a damaged file.

    ``payload`` is uint8 (n,). ``lost`` and ``doubtful`` are bool (n,): bytes that are nowhere in the file, and bytes
    that were in it but are not authenticated; none is both, and in a part that is proven none is either. ``whole`` is
    the number of the payload's parts that are proven, from the first on. ``failed`` lists the packets without a right
    tag. ``metadata`` is authentic, or None if it is damaged.
    """

    header: Header
    packed: bytes = dataclasses.field(repr=False)
    payload: Bytes = dataclasses.field(repr=False)
    lost: Mask
    doubtful: Mask
    whole: int
    failed: tuple[int, ...]
    metadata: bytes | None = dataclasses.field(repr=False)
    file_key: bytes = dataclasses.field(repr=False)

    @property
    def authentic(self) -> bool:
        """Whether all of the payload is proven."""
        return self.whole == len(self.header.payload_parts)

    @property
    def complete(self) -> bool:
        """Whether all that was encrypted is there, and proven."""
        return self.authentic and self.metadata is not None

    @property
    def damaged(self) -> int:
        """How many packets have no right tag."""
        return len(self.failed)

    def vectors(self) -> Any:
        """Which two bytes of the payload the cipher ties together: unsigned integers (m, 2), their places."""
        places, start = [], 0
        for number, part in enumerate(self.header.payload_parts):
            key = envelope.part_key(self.header, self.file_key, number)
            places.append(cipher.vectors(part.length, key).astype(np.int64) + start)
            start += part.length
        return np.concatenate(places)


def open_damaged(blob: bytes | bytearray | memoryview, key: Openers, associated_data: bytes = b"") -> Found:
    """Decrypt what is there, authenticated or not, and say which bytes are lost and which in doubt.

    Raises:
        ContainerError: no copy of the header is whole, or too little is left of the picture.
        WrongKeyError: made for another key.
    """
    data = bytes(blob)
    header, packed, file_key, origins = _find_header(data, key, associated_data)
    if len(data) < LEAST_SHARE * header.payload_bytes:
        raise TruncatedError("less than a sixteenth of the file is there, too little to recover; find more of it")
    packets = _Packets(data, header, file_key, origins)
    payload = np.zeros(header.payload_bytes, np.uint8)
    metadata = np.zeros(header.metadata_bytes, np.uint8)
    lost, doubtful, proven = np.zeros(len(payload), bool), np.zeros(len(payload), bool), []
    start = 0
    for number, (part, message) in enumerate(zip(header.parts, envelope.split(header, payload, metadata), strict=True)):
        place = slice(start, start + part.length)
        start += part.length
        enciphered, missing, unsure = packets.part(number)
        proven.append(envelope.decipher(header, file_key, number, enciphered, message))
        if not proven[-1] and number < len(header.payload_parts):
            image_key = envelope.part_key(header, file_key, number)
            lost[place] = _touched(enciphered, message, missing, image_key)
            doubtful[place] = _touched(enciphered, message, unsure, image_key) & ~lost[place]
    payload_proven = proven[: len(header.payload_parts)]
    whole = payload_proven.index(False) if False in payload_proven else len(payload_proven)
    if lost.all() and len(lost):
        raise DamagedError("nothing of what was encrypted is left in the file; get another copy of it")
    return Found(
        header=header,
        packed=packed,
        payload=payload,
        lost=lost,
        doubtful=doubtful,
        whole=whole,
        failed=packets.failed,
        metadata=metadata.tobytes() if all(proven[len(payload_proven) :]) else None,
        file_key=file_key,
    )


class _Packets:
    """The packets of a damaged file: deciphered if they are authentic, else what is where they should be."""

    def __init__(self, data: bytes, header: Header, file_key: bytes, origins: list[int]) -> None:
        self._header = header
        width = header.packet_bytes - TAG_BYTES
        self._grid = np.zeros((header.packets, width), np.uint8)
        self._absent = np.zeros((header.packets, width), bool)
        opener = envelope.packet_cipher(header, file_key)

        def place(number: int) -> int:
            return header.packet_at(number)

        found = [
            _open_packet(opener, number, data, place(number), origins, self._grid[number].data)
            for number in range(header.packets)
        ]
        self.failed = tuple(number for number, origin in enumerate(found) if origin is None)
        # A packet without a right tag lies where its authentic neighbors on both sides say, if they agree.
        before, after = _carry(origins[0], found), _carry(origins[-1], found[::-1])[::-1]
        for number in self.failed:
            if before[number] != after[number]:
                self._absent[number] = True
                continue
            sealed, self._absent[number] = _remains(data, before[number] + place(number), width)
            self._grid[number] = np.frombuffer(opener.open_unverified(number, sealed), np.uint8)
        self._front = np.zeros(header.parts[0].length, np.uint8)
        self._front_absent = np.zeros(len(self._front), bool)
        self._front_is_authentic = False
        if header.front:
            sealer = envelope.front_cipher(header, file_key)
            origin = _open_packet(sealer, 0, data, header.header_bytes, origins, self._front.data)
            self._front_is_authentic = origin is not None
            if origin is None:
                sealed, self._front_absent = _remains(data, origins[0] + header.header_bytes, len(self._front))
                self._front[:] = np.frombuffer(sealer.open_unverified(0, sealed), np.uint8)

    def part(self, number: int) -> tuple[Bytes, Mask, Mask]:
        """A part as it was enciphered, uint8 (length,), and which of its bytes are missing, and which are in doubt."""
        part, header = self._header.parts[number], self._header
        if number == 0 and self._front_is_authentic:
            return self._front, np.zeros(part.length, bool), np.zeros(part.length, bool)
        if not part.needed:
            return self._front, self._front_absent, ~self._front_absent
        at = sum(each.share_bytes for each in header.parts[:number])
        columns = slice(at, at + part.share_bytes)
        shares, absent = self._grid[:, columns].copy(), self._absent[:, columns]
        good = np.ones(header.packets, bool)
        good[list(self.failed)] = False
        missing, unsure = np.zeros_like(absent), np.zeros_like(absent)
        if good.sum() >= part.needed:
            gone = [share for share in range(part.needed) if not good[share]]
            protection.restore(shares, part.needed, gone, np.flatnonzero(good)[: part.needed].tolist())
        else:
            # Too few are authentic: of the others most bytes may be right. Whether it is so, the digest says.
            has_parity = part.needed < header.packets
            failed = protection.correct(shares, part.needed, absent) if has_parity else absent.any(0)
            missing = absent & failed
            unsure = ~good[:, None] & ~missing

        def joined(each: Any) -> Any:
            return each[: part.needed].reshape(-1)[: part.length]

        return joined(shares), joined(missing), joined(unsure)


def _find_header(data: bytes, key: Openers, associated_data: bytes) -> tuple[Header, bytes, bytes, list[int]]:
    """The authentic header, its bytes, the file key, and where the file may begin: offsets in ``data``.

    The first offset is the one that the front of the data tells, the last one what its back tells. They are the same
    unless bytes are missing in between, or were put there.
    """
    places = _places(data)
    errors: list[ImgcryptError] = []
    tried: set[bytes] = set()
    # From both ends inwards: whatever was put before or behind the file does not hide it.
    for at in dict.fromkeys(at for both in zip(places, places[::-1], strict=True) for at in both):
        try:
            header = container.parse(memoryview(data)[at:], whole=False)
            packed = data[at : at + header.header_bytes]
            if packed in tried:
                continue
            if len(tried) == MOST_HEADERS:
                break
            tried.add(packed)
            file_key = envelope.unlock(header, memoryview(packed), key, associated_data)
        except ImgcryptError as error:
            errors.append(error)
            continue
        return header, packed, file_key, _origins(data, places, header, packed)
    raise next((error for error in errors if isinstance(error, WrongKeyError)), errors[0])


def _places(data: bytes) -> list[int]:
    """Where the magic is, [0] if nowhere; of very many places the first and the last MOST_PLACES."""
    first: list[int] = []
    last: list[int] = []
    at = data.find(container.MAGIC)
    while at >= 0 and len(first) < MOST_PLACES:
        first.append(at)
        at = data.find(container.MAGIC, at + 1)
    at = data.rfind(container.MAGIC)
    while at >= 0 and len(last) < MOST_PLACES:
        last.append(at)
        at = data.rfind(container.MAGIC, 0, at + len(container.MAGIC) - 1)
    return sorted({*first, *last}) or [0]


def _origins(data: bytes, places: list[int], header: Header, packed: bytes) -> list[int]:
    """Where the file may begin, as :func:`_find_header` returns it.

    A place counts as a copy of the header if at least half of its bytes are right there, the magic among them.
    """
    copies = [at for at in places if _equal(data[at : at + len(packed)], packed) >= len(packed) / 2]
    pairs = sorted(set(copies) & {at - header.trailer_at for at in copies})
    if pairs:
        front = back = pairs[0]
    else:
        first, last = copies[0], copies[-1]
        is_second = last > first or last > len(data) - last - len(packed)
        back = last - header.trailer_at if is_second else first
        front = first if first < last else back
    others = [*pairs, *(origin for at in copies for origin in (at, at - header.trailer_at))]
    between = [each for each in dict.fromkeys(others) if each not in (front, back)][:MOST_ORIGINS]
    return [front, *between, back] if between or front != back else [front]


def _equal(one: bytes, other: bytes) -> int:
    """How many bytes are the same at the same place."""
    common = min(len(one), len(other))
    return int(np.count_nonzero(np.frombuffer(one, np.uint8, common) == np.frombuffer(other, np.uint8, common)))


def _open_packet(
    opener: PacketCipher, number: int, data: bytes, at: int, origins: list[int], out: memoryview
) -> int | None:
    """Write an authentic packet to ``out``; return the origin at which it was found, None if at none.

    ``at`` is where it should be, counted from the origin.
    """
    length = len(out) + TAG_BYTES
    for origin in origins:
        if origin + at < 0 or origin + at + length > len(data):
            continue
        try:
            opener.open(number, memoryview(data)[origin + at : origin + at + length], out)
        except DamagedError:
            continue
        return origin
    return None


def _carry(origin: int, found: list[int | None]) -> list[int]:
    """The origin of each packet, or that of the nearest before it which has one."""
    carried = []
    for each in found:
        origin = origin if each is None else each
        carried.append(origin)
    return carried


def _remains(data: bytes, at: int, length: int) -> tuple[bytes, Mask]:
    """What is there of a damaged packet, zeros elsewhere, and which of its bytes are not there or cannot be right."""
    around = np.zeros(RUN + length + RUN, np.uint8)
    low, high = max(at - RUN, 0), min(at + length + RUN, len(data))
    there = slice(low - at + RUN, max(high - at + RUN, low - at + RUN))
    absent = np.ones(len(around), bool)
    if low < high:
        around[there] = np.frombuffer(data, np.uint8)[low:high]
        absent[there] = _runs(around[there])
    packet, absent = around[RUN:-RUN], absent[RUN:-RUN]
    # A ciphertext's bytes are uniform. Of a value found this often, a quarter or more are damage.
    counts = np.bincount(packet[~absent], minlength=256)
    expected = counts.sum() / 256
    absent |= (counts > 4 / 3 * expected + 5 * math.sqrt(expected) + 4)[packet]
    return packet.tobytes(), absent


def _runs(data: Bytes) -> Mask:
    """The bytes that are in a run of RUN or more equal ones."""
    starts = np.flatnonzero(np.concatenate([[True], data[1:] != data[:-1]]))
    lengths = np.diff(np.append(starts, len(data)))
    return np.repeat(lengths >= RUN, lengths)


def _touched(enciphered: Bytes, payload: Bytes, marked: Mask, image_key: bytes) -> Mask:
    """The bytes of the payload that depend on marked bytes of the ciphertext.

    Found by changing these: inverting a byte changes its vector's component by an odd number, which only a factor of 0
    in the basis undoes. The two components of a vector take turns, so that their changes cannot cancel out.
    """
    touched = np.zeros(len(payload), bool)
    if not marked.any():
        return touched
    first = np.zeros(len(payload), bool)
    first[pairs(len(payload))[:, 0]] = True
    for half in (first, ~first):
        changed = np.where(marked & half, ~enciphered, enciphered)
        touched |= cipher.decipher(changed, image_key) != payload
    return touched
