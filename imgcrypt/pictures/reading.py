"""Any picture file in; its pixels, what it says of them, and what was lost on the way out; or a sentence why not."""

from __future__ import annotations

import dataclasses
import logging
import os
from pathlib import PurePath
from typing import TYPE_CHECKING

from imgcrypt import files
from imgcrypt.errors import ImageError, ImgcryptError, SeveralPicturesError, TooLargeError
from imgcrypt.pictures import metadata
from imgcrypt.pictures.picture import Decoded, Picture, Request

if TYPE_CHECKING:
    from imgcrypt.pictures.picture import Pixels

MAX_PIXELS = 2**28
"""268 million, 0.8 GB in color: phones make 200 million at most, and a file of 34 bytes may claim as many."""
TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

# Decoders' warnings about odd files would land on standard error, through the logging module's last resort.
for library in ("imagecodecs", "tifffile", "PIL"):
    logging.getLogger(library).addHandler(logging.NullHandler())


def most_bytes(max_pixels: int) -> int:
    """Bytes of the largest file worth reading: 16 bits in four channels, and 64 MiB for the rest."""
    return 8 * max_pixels + 2**26


def read(
    source: str | os.PathLike[str] | bytes | bytearray | memoryview,
    *,
    name: str | None = None,
    frame: int | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Picture:
    """Read a picture file: PNG, JPEG, TIFF, WebP, AVIF, BMP, GIF, JPEG 2000 and whatever else docs/formats.md lists.

    Args:
        source: a path, or a file's bytes.
        name: the name of the file that the bytes are of, which errors and the metadata mention; a few formats are
            told by it alone. A path has its own.
        frame: which picture of a file that holds several, from 0. Without it, such a file is refused.
        max_pixels: refuse larger pictures before memory is taken for them.

    Raises:
        TooLargeError: more than ``max_pixels``.
        SeveralPicturesError: there are several, and ``frame`` chooses none.
        ImageError: damaged, not a picture, or of a kind that would not be read rightly.
        ImgcryptError: the file cannot be read.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        data, what = bytes(source), name or "the picture"
    else:
        data, what = files.read_file(source, most_bytes(max_pixels)), str(source)
        name = what
    path = PurePath(name or "")
    request = Request(frame, max_pixels)
    try:
        form, decoded = _decode(data, path.suffix, request)
        pixels = _finish(decoded)
    except (TooLargeError, SeveralPicturesError) as error:
        raise type(error)(f"cannot read {what}: {error}") from None
    except ImgcryptError as error:
        raise ImageError(f"cannot read {what}: {error}") from None
    except MemoryError:
        raise ImageError(f"cannot read {what}: it does not fit into memory") from None
    except Exception as error:
        cause = " ".join(str(error).split())[:200]
        raise ImageError(f"cannot read {what}: it is damaged or of an odd kind ({cause})") from None
    found = dataclasses.replace(decoded.metadata, name=path.name or None, format=form)
    if pixels.ndim == 3 and found.profile is not None and found.profile[16:20] == b"GRAY":
        # Gray with alpha became color; viewers refuse such a pair.
        found = dataclasses.replace(found, profile=None)
        decoded.notes.append("the profile is left out: it is for gray, and the picture is kept as color with alpha")
    return Picture(
        pixels=pixels,
        format=form,
        bits=decoded.bits,
        frames=decoded.frames,
        frame=frame or 0,
        orientation=decoded.orientation,
        metadata=metadata.upright(found),
        notes=tuple(decoded.notes),
    )


def _decode(data: bytes, suffix: str, request: Request) -> tuple[str, Decoded]:
    # Loaded at first use, since each loads its libraries.
    from imgcrypt.pictures import deep, heif, jpeg, pillow, png, tiff, unread, webp

    if data.startswith(png.SIGNATURE):
        return "PNG", png.decode(data, request)
    if data.startswith(TIFF_SIGNATURES):
        return "TIFF", tiff.decode(data, request)
    if data[4:8] == b"ftyp" and data[8:12] in heif.BRANDS and b"avif" not in data[12:64]:
        return "HEIF", heif.decode(data, request)
    form = pillow.recognize(data, suffix)
    match form:
        case None:
            raise unread.refusal(data)
        case "JPEG":
            return form, jpeg.decode(data, request)
        case "WEBP":
            return form, webp.decode(data, request)
        case "AVIF":
            return form, deep.decode_avif(data, request)
        case "JPEG2000":
            return form, deep.decode_jpeg2000(data, request)
        case "PPM":
            return form, deep.decode_pnm(data, request)
        case _:
            return form, pillow.decode(data, form, request)


def _finish(decoded: Decoded) -> Pixels:
    from imgcrypt.pictures import samples

    scaled = samples.without_gray_alpha(samples.scale(decoded.pixels, decoded.peak))
    if scaled.ndim not in (2, 3) or (scaled.ndim == 3 and scaled.shape[2] not in (3, 4)) or not scaled.size:
        raise ImageError(f"the picture has an unserved shape, {scaled.shape}; convert it to PNG")
    return samples.turn_upright(scaled, decoded.orientation)
