"""What is left of a damaged file: docs/format.md, appendix. It gives up authenticity, so it never runs unasked.

This module deals with bytes: which are there, which are lost, which are in doubt. imgcrypt.restoration makes the
picture.
"""

from __future__ import annotations

import dataclasses
import hmac
import math

import numpy as np

from imgcrypt import cipher, container, envelope
from imgcrypt.arrays import Bytes, Mask
from imgcrypt.chunks import ChunkCipher
from imgcrypt.cipher.layout import pairs
from imgcrypt.container import TAG_BYTES, Header
from imgcrypt.errors import DamagedError, ImgcryptError, TruncatedError, WrongKeyError
from imgcrypt.keys import Openers

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
class Opened:
    """The payload of a damaged file.

    ``payload`` is uint8 (n,). ``lost`` and ``doubtful`` are bool (n,): bytes that are nowhere in the file, and bytes
    that were in it but are not authenticated; none is both. ``failed`` lists the chunks without a right tag.
    ``metadata`` is authentic, or None if it is damaged.
    """

    header: Header
    payload: Bytes = dataclasses.field(repr=False)
    lost: Mask
    doubtful: Mask
    failed: tuple[int, ...]
    authentic: bool
    image_key: bytes = dataclasses.field(repr=False)
    metadata: bytes | None = dataclasses.field(repr=False)


def open_damaged(blob: bytes | bytearray | memoryview, key: Openers, associated_data: bytes = b"") -> Opened:
    """Decrypt what is there, authenticated or not, and say which bytes are lost and which in doubt.

    Raises:
        ContainerError: no copy of the header is whole, or too little is left of the picture.
        WrongKeyError: made for another key.
    """
    data = bytes(blob)
    header, file_key, origins = _find_header(data, key, associated_data)
    if len(data) < LEAST_SHARE * header.payload_bytes:
        raise TruncatedError("less than a sixteenth of the file is there, too little to recover; find more of it")
    image_key, seal_key = envelope.image_keys(header, file_key)
    chunk_cipher = ChunkCipher(header.suite, seal_key)
    enciphered = np.zeros(header.payload_bytes, np.uint8)
    found = [_open_chunk(chunk_cipher, data, header, number, origins, enciphered) for number in range(header.chunks)]

    # A chunk without a right tag lies where its authentic neighbors on both sides say, if they agree.
    before = _carry(origins[0], found)
    after = _carry(origins[-1], found[::-1])[::-1]
    failed = tuple(number for number, origin in enumerate(found) if origin is None)
    missing, unsure = np.zeros(len(enciphered), bool), np.zeros(len(enciphered), bool)
    for number in failed:
        start = number * header.chunk_bytes
        at, length = header.chunk_at(number)
        part = slice(start, start + length)
        if before[number] != after[number]:
            missing[part] = True
            continue
        sealed, absent = _remains(data, before[number] + at, length)
        enciphered[part] = np.frombuffer(chunk_cipher.open_unverified(number, sealed), np.uint8)
        missing[part], unsure[part] = absent, ~absent

    payload = cipher.decipher(enciphered, image_key)
    lost = _touched(enciphered, payload, missing, image_key)
    doubtful = _touched(enciphered, payload, unsure, image_key) & ~lost
    authentic = hmac.compare_digest(header.digest, envelope.digest(header.core(), payload, file_key, header.salt))
    if authentic:
        # The damage was to tags alone, or to no byte that matters.
        lost, doubtful = np.zeros_like(lost), np.zeros_like(doubtful)
    if lost.all() and len(lost):
        raise DamagedError("nothing of what was encrypted is left in the file; get another copy of it")
    metadata = _metadata(data, header, file_key, origins)
    return Opened(header, payload, lost, doubtful, failed, authentic, image_key, metadata)


def _find_header(data: bytes, key: Openers, associated_data: bytes) -> tuple[Header, bytes, list[int]]:
    """The authentic header, the file key, and where the file may begin: offsets in ``data``.

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
        return header, file_key, _origins(data, places, header, packed)
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


def _metadata(data: bytes, header: Header, file_key: bytes, origins: list[int]) -> bytes | None:
    for origin in origins:
        block = memoryview(data)[max(origin + header.metadata_at, 0) : max(origin + header.trailer_at, 0)]
        try:
            return envelope.open_metadata(header, block, file_key)
        except DamagedError:
            continue
    return None


def _open_chunk(
    chunk_cipher: ChunkCipher, data: bytes, header: Header, number: int, origins: list[int], out: Bytes
) -> int | None:
    """Write an authentic chunk to its place; return the origin at which it was found, None if at none."""
    at, length = header.chunk_at(number)
    start = number * header.chunk_bytes
    for origin in origins:
        if origin + at < 0 or origin + at + length + TAG_BYTES > len(data):
            continue
        sealed = memoryview(data)[origin + at : origin + at + length + TAG_BYTES]
        try:
            chunk_cipher.open(number, sealed, out.data[start : start + length])
        except DamagedError:
            continue
        return origin
    return None


def _carry(origin: int, found: list[int | None]) -> list[int]:
    """The origin of each chunk, or that of the nearest before it which has one."""
    carried = []
    for each in found:
        origin = origin if each is None else each
        carried.append(origin)
    return carried


def _remains(data: bytes, at: int, length: int) -> tuple[bytes, Mask]:
    """What is there of a damaged chunk, zeros elsewhere, and which of its bytes are not there or cannot be right."""
    around = np.zeros(RUN + length + RUN, np.uint8)
    low, high = max(at - RUN, 0), min(at + length + RUN, len(data))
    there = slice(low - at + RUN, max(high - at + RUN, low - at + RUN))
    absent = np.ones(len(around), bool)
    if low < high:
        around[there] = np.frombuffer(data, np.uint8)[low:high]
        absent[there] = _runs(around[there])
    chunk, absent = around[RUN:-RUN], absent[RUN:-RUN]
    # A ciphertext's bytes are uniform. Of a value found this often, a quarter or more are damage.
    counts = np.bincount(chunk[~absent], minlength=256)
    expected = counts.sum() / 256
    absent |= (counts > 4 / 3 * expected + 5 * math.sqrt(expected) + 4)[chunk]
    return chunk.tobytes(), absent


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
