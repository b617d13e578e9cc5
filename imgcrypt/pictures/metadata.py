"""What a picture file says beside its pixels: profile, EXIF, XMP and the like; as values, and packed into bytes."""

from __future__ import annotations

import dataclasses
import re
import struct

from imgcrypt.errors import DamagedError, ImageError

ORIENTATION_TAG = 0x0112
SHORT = 3
"""TIFF's type of a 16-bit number (TIFF 6.0, section 2)."""


@dataclasses.dataclass(frozen=True)
class Metadata:
    """What travels with the pixels. Every field may be absent."""

    profile: bytes | None = None
    """ICC profile."""
    exif: bytes | None = None
    """EXIF block, beginning with its TIFF header (EXIF 2.32, section 4.5.2)."""
    xmp: bytes | None = None
    """XMP packet (ISO 16684-1)."""
    resolution: tuple[float, float] | None = None
    """Dots per inch, horizontal and vertical."""
    gamma: float | None = None
    """Exponent of a PNG's gAMA chunk."""
    chromaticities: tuple[float, ...] | None = None
    """White point, red, green and blue, x and y of each: a PNG's cHRM chunk."""
    intent: int | None = None
    """Rendering intent of a PNG's sRGB chunk."""
    coding: tuple[int, ...] | None = None
    """Primaries, transfer function, matrix and range of a PNG's cICP chunk (ITU-T H.273)."""
    name: str | None = None
    """The file's name, without folders."""
    format: str | None = None
    """The file's format, as imgcrypt.pictures.Picture names it."""


FIELDS: dict[int, tuple[str, str]] = {
    1: ("profile", "bytes"),
    2: ("exif", "bytes"),
    3: ("xmp", "bytes"),
    4: ("resolution", "2d"),
    5: ("gamma", "1d"),
    6: ("chromaticities", "8d"),
    7: ("intent", "1B"),
    8: ("coding", "4B"),
    9: ("name", "text"),
    10: ("format", "text"),
}
"""Number in the packed form -> the field and its type: bytes, text in UTF-8, or so many values of struct's type."""
HEAD = struct.Struct("<HI")
LEAST_BYTES, MOST_BYTES = 2**8, 2**26
"""Of a packed form with anything in it."""


def pack(metadata: Metadata) -> bytes:
    """Each field that is there as its number (16 bits), its length in bytes (32 bits) and its value, little endian.

    Zero bytes fill up to a power of two, since everybody sees the length. Of nothing, no bytes.

    Raises:
        ImageError: it is longer than MOST_BYTES, or a text is none.
    """
    packed = []
    for number, (field, kind) in FIELDS.items():
        value = getattr(metadata, field)
        if value is None:
            continue
        if kind == "bytes":
            body = value
        elif kind == "text":
            try:
                body = value.encode("utf-8", "surrogateescape")
            except UnicodeEncodeError:
                raise ImageError(f"the {field} {value!r} is not text; give another one") from None
        else:
            body = struct.pack(f"<{kind}", *(value if isinstance(value, tuple) else (value,)))
        packed.append(HEAD.pack(number, len(body)) + body)
    whole = b"".join(packed)
    if len(whole) > MOST_BYTES:
        raise ImageError(f"what is said beside the pixels has more than {MOST_BYTES:,} bytes; leave it out")
    return whole and whole.ljust(max(LEAST_BYTES, 1 << (len(whole) - 1).bit_length()), b"\0")


def unpack(data: bytes) -> Metadata:
    """The inverse of :func:`pack`. Fields that a later release may add are skipped.

    Raises:
        DamagedError: these are not bytes that pack made.
    """
    malformed = DamagedError("the file's metadata block is malformed; get another copy of the file")
    values: dict[str, object] = {}
    at = 0
    while at + HEAD.size <= len(data):
        number, length = HEAD.unpack_from(data, at)
        if not number:
            break
        body = data[at + HEAD.size : at + HEAD.size + length]
        at += HEAD.size + length
        if len(body) < length:
            raise malformed
        if number not in FIELDS:
            continue
        field, kind = FIELDS[number]
        if field in values:
            raise malformed
        if kind == "bytes":
            values[field] = body
        elif kind == "text":
            values[field] = body.decode("utf-8", "surrogateescape")
        elif length != struct.calcsize(f"<{kind}"):
            raise malformed
        else:
            numbers = struct.unpack(f"<{kind}", body)
            values[field] = numbers[0] if kind.startswith("1") else numbers
    if any(data[at:]):
        raise malformed
    return Metadata(**values)  # type: ignore[arg-type]


def orientation(exif: bytes) -> int:
    """The orientation (1 to 8) in an EXIF block, 1 where it says none (EXIF 2.32, section 4.6.4)."""
    found = _orientation_at(exif)
    if found is None:
        return 1
    at, order = found
    (value,) = struct.unpack_from(order + "H", exif, at)
    return value if 1 <= value <= 8 else 1


def upright(metadata: Metadata) -> Metadata:
    """The same, saying that the pixels need no turning: the reader has turned them."""
    exif, xmp = metadata.exif, metadata.xmp
    if exif is not None and (found := _orientation_at(exif)) is not None:
        at, order = found
        exif = exif[:at] + struct.pack(order + "H", 1) + exif[at + 2 :]
    if xmp is not None:
        xmp = re.sub(rb"(tiff:Orientation\s*(?:=\s*[\"']|>)\s*)[2-8]", rb"\g<1>1", xmp)
    return dataclasses.replace(metadata, exif=exif, xmp=xmp)


def _orientation_at(exif: bytes) -> tuple[int, str] | None:
    """Where an EXIF block's first directory has its orientation, and the block's byte order."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    try:
        if order is None:
            return None
        (at,) = struct.unpack_from(order + "I", exif, 4)
        (entries,) = struct.unpack_from(order + "H", exif, at)
        for i in range(entries):
            tag, kind, _, _ = struct.unpack_from(order + "HHIH", exif, at + 2 + 12 * i)
            if (tag, kind) == (ORIENTATION_TAG, SHORT):
                return at + 2 + 12 * i + 8, order
    except struct.error:
        pass
    return None
