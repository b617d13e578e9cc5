"""AVIF, JPEG 2000 and PNM files, whose samples may have any depth: the decoder's numbers, and their true depth."""

from __future__ import annotations

import re
import struct

import numpy as np

from imgcrypt.errors import ImageError
from imgcrypt.pictures import pillow
from imgcrypt.pictures.picture import Decoded, Request
from imgcrypt.pictures.samples import straight


def decode_avif(data: bytes, request: Request) -> Decoded:
    """Read an AVIF file: by Pillow where it has 8 bits, else by imagecodecs.

    Raises:
        ImageError: the request's, or colors and alpha differ in depth.
        Exception: whatever the decoders raise for files that are damaged.
    """
    # AV1 codec configuration (AV1-ISOBMFF, section 2.3.3): marker and version, profile, then two bits of depth.
    flags = {match[1][0] for match in re.finditer(rb"av1C\x81.(.)", data, re.DOTALL)}
    depths = {12 if flag & 0x20 else 10 if flag & 0x40 else 8 for flag in flags}
    if depths == {8}:
        return pillow.decode(data, "AVIF", request)
    if len(depths) != 1:
        raise ImageError("the AVIF file's pictures differ in depth, or say none; convert it to PNG")
    import imagecodecs

    image = pillow.open_(data, "AVIF")
    request.check_size(*image.size)
    frames = image.n_frames
    frame = request.choose(frames)
    notes: list[str] = []
    pixels = imagecodecs.avif_decode(data, index=frame)
    if pixels.shape[:2] != (image.height, image.width) or pixels.dtype != np.uint16:
        raise ImageError("the decoder and the header disagree about the picture; convert it to PNG")
    (depth,) = depths
    found = pillow.metadata(image, notes)
    return Decoded(pixels, depth, 2**depth - 1, found, pillow.orientation(image), frames, notes)


def decode_jpeg2000(data: bytes, request: Request) -> Decoded:
    """Read a JPEG 2000 file or codestream: palettes and 8 bits by Pillow, other depths by imagecodecs.

    Raises:
        ImageError: the request's, or a kind of samples that is not served.
        Exception: whatever the decoders raise for files that are damaged.
    """
    import imagecodecs

    start = data.find(b"\xff\x4f\xff\x51")
    if start < 0:
        raise ImageError("the JPEG 2000 file has no codestream: it is damaged")
    # Image and tile size (ISO/IEC 15444-1, section A.5.1): components, each with depth, sign and subsampling.
    (count,) = struct.unpack_from(">H", data, start + 40)
    components = set(struct.iter_unpack("BBB", data[start + 42 : start + 42 + 3 * count]))
    header = data[:start]
    # Channel definitions (section I.5.3.6): a channel of type 2 is alpha by which the colors were multiplied.
    premultiplied = _has_premultiplied(header)
    image = pillow.open_(data, "JPEG2000")
    request.check_size(*image.size)
    request.choose(1)
    if len(components) != 1:
        raise ImageError("the JPEG 2000 file's channels differ in depth or size, which is not served; use PNG")
    ((depth, *steps),) = components
    if depth & 0x80 or steps != [1, 1] or (depth & 0x7F) + 1 > 16:
        raise ImageError("the JPEG 2000 file's samples are signed, subsampled or of more than 16 bits; use PNG")
    bits = depth + 1
    palette = b"pclr" in header
    color = re.search(rb"colr\x01..(.{4})", header, re.DOTALL)
    space = int.from_bytes(color[1]) if color else 0
    if bits == 8 or (palette and bits < 8):
        decoded = pillow.decode(data, "JPEG2000", request)
    elif palette or space in (12, 14, 18):
        raise ImageError(f"the JPEG 2000 file's color space is not served at {bits} bits; convert it to PNG")
    else:
        notes: list[str] = []
        pixels = imagecodecs.jpeg2k_decode(data)
        if pixels.shape[:2] != (image.height, image.width):
            raise ImageError("the decoder and the header disagree about the size; the file is damaged")
        decoded = Decoded(pixels, bits, 2**bits - 1, pillow.metadata(image, notes), notes=notes)
    if premultiplied:
        if bits not in (8, 16):
            raise ImageError("the JPEG 2000 file's colors are multiplied by alpha, which is not served at its depth")
        decoded.pixels = straight(decoded.pixels)
        decoded.notes.append("premultiplied alpha was divided out, which rounds colors")
    return decoded


def _has_premultiplied(header: bytes) -> bool:
    at = header.find(b"cdef")
    if at < 0:
        return False
    (count,) = struct.unpack_from(">H", header, at + 4)
    return any(kind == 2 for _, kind, _ in struct.iter_unpack(">HHH", header[at + 6 : at + 6 + 6 * count]))


def decode_pnm(data: bytes, request: Request) -> Decoded:
    """Read a PBM, PGM or PPM file: binary grays and colors as they lie in the file, others by Pillow.

    Pillow keeps 8 bits of binary colors.

    Raises:
        ImageError: the request's, or more pictures follow in the file.
        Exception: whatever the decoders raise for files that are damaged.
    """
    image = pillow.open_(data, "PPM")
    request.check_size(*image.size)
    request.choose(1)
    head = re.match(rb"P([1-6])" + rb"(?:\s+|#[^\r\n]*[\r\n])*(\d+)" * 2, data)
    if head is None:
        raise ImageError("the PNM file is of a kind that is not read; convert it to PNG")
    kind, end = int(head[1]), head.end()
    peak = 1
    if kind not in (1, 4):
        maximum = re.compile(rb"(?:\s+|#[^\r\n]*[\r\n])*(\d+)").match(data, end)
        assert maximum is not None  # Pillow has read it
        peak, end = int(maximum[1]), maximum.end()
    samples = image.width * image.height * (3 if kind in (3, 6) else 1)
    size = samples * (2 if peak > 255 else 1) if kind in (5, 6) else -(-image.width // 8) * image.height
    if kind >= 4 and len(data) > end + 1 + size and data[end + 1 + size :].strip(b"\r\n \0"):
        raise ImageError("more follows the picture in the PNM file, maybe pictures; split it first")
    if kind not in (5, 6) and peak <= 255:
        return pillow.decode(data, "PPM", request)
    if kind not in (5, 6):
        raise ImageError("the PNM file has 16 bits as text, which is not read; convert it to PNG")
    if len(data) < end + 1 + size:
        raise ImageError("the PNM file ends early: it is damaged; get another copy")
    stored = np.frombuffer(data, ">u2" if peak > 255 else "u1", samples, end + 1)
    pixels = stored.astype(np.uint16 if peak > 255 else np.uint8)
    shape = (image.height, image.width, 3) if kind == 6 else (image.height, image.width)
    if pixels.max() > peak:
        raise ImageError("the PNM file has samples above its own maximum: it is damaged")
    return Decoded(pixels.reshape(shape), peak.bit_length(), peak)
