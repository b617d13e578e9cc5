"""HEIC and HEIF files by pillow-heif, the extra ``heif``."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from imgcrypt.errors import ImageError
from imgcrypt.pictures.metadata import Metadata
from imgcrypt.pictures.picture import Decoded, Request
from imgcrypt.pictures.samples import straight

BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")


def decode(data: bytes, request: Request) -> Decoded:
    """Read a HEIF file. The decoder turns it upright.

    Raises:
        ImageError: the request's, or the extra is not installed.
        Exception: whatever the decoder raises for files that are damaged.
    """
    try:
        import pillow_heif
    except ImportError:
        raise ImageError("it is HEIC, which needs the package pillow-heif: pip install 'imgcrypt[heif]'") from None
    file = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False, bgr_mode=False)
    frames = len(file)
    image: Any = file[request.choose(frames)]
    request.check_size(*image.size)
    bits = int(image.info.get("bit_depth", 8))
    pixels = np.asarray(image)
    if pixels.dtype == np.uint16:
        # The decoder moved the samples to the top of 16 bits.
        pixels = pixels >> (16 - bits)
    notes = []
    if image.premultiplied_alpha and pixels.ndim == 3 and pixels.shape[2] == 4:
        if bits not in (8, 16):
            raise ImageError("the HEIC file's colors are multiplied by alpha, which is not served at its depth")
        pixels = straight(pixels)
        notes.append("premultiplied alpha was divided out, which rounds colors")
    if image.info.get("depth_images"):
        notes.append("the depth map is left out")
    exif = (image.info.get("exif") or b"").removeprefix(b"Exif\0\0") or None
    found = Metadata(profile=image.info.get("icc_profile"), exif=exif, xmp=image.info.get("xmp") or None)
    return Decoded(pixels, bits, 2**bits - 1, found, frames=frames, notes=notes)
