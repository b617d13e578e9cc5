"""Pixels and metadata to the bytes of a picture file. Color is RGB here, BGR nowhere but where OpenCV takes it."""

from __future__ import annotations

import dataclasses
import io
import struct
import zlib
from typing import TYPE_CHECKING, Any

from imgcrypt.errors import ImageError
from imgcrypt.pictures.metadata import Metadata

if TYPE_CHECKING:
    from imgcrypt.pictures.picture import Pixels

LOSSY_SUFFIXES = {".avif", ".gif", ".heic", ".jp2", ".jpeg", ".jpg", ".jxl", ".webp"}
"""Formats that change or may change samples."""
COMMON = frozenset({"profile", "exif", "xmp", "resolution"})
PNG_COLORS = frozenset({"gamma", "chromaticities", "intent", "coding"})
JPEG_QUALITY = 95
LIBPNG_SIDE = 1_000_000
"""Pixels of a side that libpng writes and reads at most, unless built otherwise."""
JPEG_SEGMENTS = {"exif": 65_527, "xmp": 65_504, "profile": 255 * 65_519}
"""Bytes that fit into the segments of each kind; profiles alone may have several."""
STRIP_BYTES = 2**18
STRUCTURE = {*range(254, 270), *range(273, 293), 296, 297, *range(317, 358), *range(512, 533), 700, 34675}
"""Tags of a TIFF directory that say how these very pixels are stored, and that an EXIF block must not bring along."""
SUB_DIRECTORIES = {34665, 34853, 40965}
"""Tags that point to directories of their own: EXIF, GPS, interoperability (EXIF 2.32, section 4.6.3)."""


@dataclasses.dataclass(frozen=True)
class Format:
    """What a file format can hold."""

    channels: tuple[int, ...]
    bits: tuple[int, ...]
    metadata: frozenset[str]
    """Fields of Metadata, beside the name and the format."""
    lossless: bool = True


FORMATS = {
    ".png": Format((1, 3, 4), (8, 16), COMMON | PNG_COLORS),
    ".tif": Format((1, 3, 4), (8, 16), COMMON),
    ".tiff": Format((1, 3, 4), (8, 16), COMMON),
    ".bmp": Format((1, 3), (8,), frozenset()),
    ".jpg": Format((1, 3), (8,), COMMON, lossless=False),
    ".jpeg": Format((1, 3), (8,), COMMON, lossless=False),
}
"""Suffix -> format, for writing."""


def encode(image: Pixels, suffix: str, metadata: Metadata | None = None) -> bytes:
    """A picture file's bytes.

    Args:
        image: uint8 or uint16, (H, W), (H, W, 3) RGB or (H, W, 4) RGBA.
        suffix: of the file's name, with its dot; a key of FORMATS in any case.
        metadata: what the file is to say beside the pixels; :func:`left_out` tells what it will not.

    Raises:
        ImageError: the format is not one of FORMATS or cannot hold the picture.
    """
    suffix = suffix.lower()
    form = FORMATS.get(suffix)
    if form is None:
        raise ImageError(f"cannot write pictures as {suffix or 'a name without suffix'}; use {', '.join(FORMATS)}")
    channels, bits = 1 if image.ndim == 2 else image.shape[2], 8 * image.dtype.itemsize
    if channels not in form.channels or bits not in form.bits:
        raise ImageError(f"{suffix} cannot hold {channels} channels of {bits} bits; write a .png or .tif")
    metadata = _kept(suffix, metadata or Metadata())
    try:
        if suffix == ".png":
            return _with_chunks(_png(image), metadata)
        if suffix in (".tif", ".tiff"):
            return _tiff(image, metadata)
        if suffix in (".jpg", ".jpeg"):
            return _jpeg(image, metadata)
        return _by_opencv(image, suffix)
    except (OSError, ValueError, struct.error):
        raise ImageError(f"cannot write a {image.shape[1]} x {image.shape[0]} picture as {suffix}; try .tif") from None


def left_out(suffix: str, metadata: Metadata) -> list[str]:
    """Names of the fields that are there and that a format of FORMATS does not hold."""
    kept = _kept(suffix.lower(), metadata)
    names = [field.name for field in dataclasses.fields(metadata) if field.name not in ("name", "format")]
    return [name for name in names if getattr(metadata, name) is not None and getattr(kept, name) is None]


def _kept(suffix: str, metadata: Metadata) -> Metadata:
    """What a format holds: fields that it has, of lengths and values that fit."""
    held = set(FORMATS[suffix].metadata)
    if suffix in (".jpg", ".jpeg"):
        held -= {name for name, most in JPEG_SEGMENTS.items() if len(getattr(metadata, name) or b"") > most}
    if suffix in (".tif", ".tiff") and metadata.exif is not None and _directory(metadata.exif) is None:
        held.remove("exif")
    for name, most in (("resolution", 2**16), ("gamma", 2**14), ("chromaticities", 2**14)):
        value = getattr(metadata, name)
        numbers = value if isinstance(value, tuple) else () if value is None else (value,)
        if not all(0.01 <= number < most for number in numbers):
            held -= {name}
    names = [field.name for field in dataclasses.fields(metadata)]
    return dataclasses.replace(metadata, **{name: None for name in names if name not in held})


def _png(image: Pixels) -> bytes:
    if max(image.shape[:2]) <= LIBPNG_SIDE or image.dtype.itemsize > 1:
        return _by_opencv(image, ".png")
    import imagecodecs

    return bytes(imagecodecs.spng_encode(image))


def _by_opencv(image: Pixels, suffix: str) -> bytes:
    import numpy as np

    from imgcrypt.opencv import cv2

    bgr = image if image.ndim == 2 else np.ascontiguousarray(image[:, :, [2, 1, 0, 3][: image.shape[2]]])
    try:
        done, data = cv2.imencode(suffix, bgr)
    except cv2.error:
        done = False
    if not done:
        raise ValueError("OpenCV cannot")
    return data.tobytes()


def _with_chunks(png: bytes, metadata: Metadata) -> bytes:
    """A PNG file with its metadata before its pixels (PNG, third edition, section 11.3)."""
    chunks: list[tuple[bytes, bytes]] = []
    if metadata.coding is not None:
        chunks.append((b"cICP", bytes(metadata.coding)))
    if metadata.profile is not None:
        chunks.append((b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata.profile)))
    if metadata.intent is not None:
        chunks.append((b"sRGB", bytes([metadata.intent])))
    if metadata.gamma is not None:
        chunks.append((b"gAMA", struct.pack(">I", round(metadata.gamma * 100_000))))
    if metadata.chromaticities is not None:
        chunks.append((b"cHRM", struct.pack(">8I", *(round(value * 100_000) for value in metadata.chromaticities))))
    if metadata.resolution is not None:
        chunks.append((b"pHYs", struct.pack(">IIB", *(round(dots / 0.0254) for dots in metadata.resolution), 1)))
    if metadata.exif is not None:
        chunks.append((b"eXIf", metadata.exif))
    if metadata.xmp is not None:
        chunks.append((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + metadata.xmp))
    packed = [len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4) for kind, body in chunks]
    # The signature and the header take 33 bytes.
    return png[:33] + b"".join(packed) + png[33:]


def _jpeg(image: Pixels, metadata: Metadata) -> bytes:
    from PIL import Image

    exif = None if metadata.exif is None else b"Exif\0\0" + metadata.exif
    said = {"icc_profile": metadata.profile, "exif": exif, "xmp": metadata.xmp, "dpi": metadata.resolution}
    options: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=JPEG_QUALITY, **options)
    return stream.getvalue()


def _tiff(image: Pixels, metadata: Metadata) -> bytes:
    """A TIFF file of deflated strips (TIFF 6.0; Adobe's technical note 2 for deflate), the directory before them.

    Pillow packs the directory, EXIF's and GPS's in it; it could not write 16 bits of color.
    """
    import imagecodecs
    import numpy as np
    from PIL.TiffImagePlugin import IFDRational, ImageFileDirectory_v2

    samples = image.astype(image.dtype.newbyteorder("<"), copy=False).reshape(*image.shape[:2], -1)
    height, width, channels = samples.shape
    rows = max(1, STRIP_BYTES // (width * channels * samples.itemsize))
    strips = [
        zlib.compress(imagecodecs.delta_encode(np.ascontiguousarray(samples[at : at + rows]), axis=1).tobytes(), 6)
        for at in range(0, height, rows)
    ]
    sizes = [len(strip) for strip in strips]
    directory = ImageFileDirectory_v2(prefix=b"II")
    for tag, value in (_directory(metadata.exif or b"") or {}).items():
        directory[tag] = value
    directory[256], directory[257] = width, height
    directory[258] = (8 * samples.itemsize,) * channels
    directory[259], directory[262] = 8, 1 if channels == 1 else 2
    directory[273] = tuple(np.cumsum([0, *sizes[:-1]]).tolist())  # from the end of the directory; Pillow adds it
    directory[274] = 1
    directory[277], directory[278], directory[279] = channels, rows, tuple(sizes)
    if metadata.resolution is not None:
        directory[282], directory[283] = (IFDRational(dots) for dots in metadata.resolution)
        directory[296] = 2
    directory[317] = 2
    if channels == 4:
        directory[338] = 2  # straight alpha
    for tag, kind, body in ((700, 1, metadata.xmp), (34675, 7, metadata.profile)):
        if body is not None:
            directory.tagtype[tag] = kind
            directory[tag] = body
    stream = io.BytesIO()
    directory.save(stream)
    return stream.getvalue() + b"".join(strips)


def _directory(exif: bytes) -> dict[int, Any] | None:
    """An EXIF block's tags that a TIFF directory takes, EXIF's and GPS's as dictionaries; None if it is damaged."""
    from PIL import Image
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    found, packed = Image.Exif(), ImageFileDirectory_v2(prefix=b"II")
    try:
        found.load(exif)
        tags = {
            tag: found.get_ifd(tag) if tag in SUB_DIRECTORIES else value
            for tag, value in found.items()
            if tag not in STRUCTURE
        }
        for tag, value in tags.items():
            packed[tag] = value
        packed.tobytes()
    except Exception:
        return None
    return tags
