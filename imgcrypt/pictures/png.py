"""PNG files: libpng by imagecodecs for the pixels of any depth; Pillow for the rest, and for what libpng refuses."""

from __future__ import annotations

import dataclasses
import struct
import zlib

import numpy as np

from imgcrypt.errors import ImageError
from imgcrypt.pictures import pillow
from imgcrypt.pictures.picture import Decoded, Request
from imgcrypt.pictures.writing import LIBPNG_SIDE

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHUNK = struct.Struct(">I4s")
OF_PIXELS = {b"IHDR", b"PLTE", b"tRNS", b"bKGD", b"hIST", b"sBIT", b"IDAT", b"fcTL", b"fdAT", b"IEND"}
"""Chunks that mean something beside these pixels alone."""


def decode(data: bytes, request: Request) -> Decoded:
    """Read a PNG file.

    Raises:
        ImageError: the request's, or the file is damaged.
        Exception: whatever the decoders raise for files that are damaged.
    """
    import imagecodecs

    chunks, end = _chunks(data)
    width, height, depth, color = struct.unpack_from(">IIBB", data, len(SIGNATURE) + CHUNK.size)
    request.check_size(width, height)
    # Everything but the pixels, around a single black one: Pillow then reads what comes after them too, and soon.
    others = b"".join(data[at : at + size] for kind, at, size in chunks if kind not in OF_PIXELS)
    header = pillow.open_(SIGNATURE + BLACK_HEADER + others + BLACK, "PNG")
    animated = any(kind == b"acTL" for kind, _, _ in chunks)
    frames = pillow.open_(data, "PNG").n_frames if animated else 1
    frame = request.choose(frames)
    notes: list[str] = []
    if end < len(data):
        notes.append(f"{len(data) - end} bytes that follow the picture in its file are no part of it")
    coding = next((data[at + CHUNK.size : at + size - 4] for kind, at, size in chunks if kind == b"cICP"), None)
    if frames > 1 or max(width, height) > LIBPNG_SIDE:
        # Pillow keeps 8 bits, and mistakes a transparent gray of fewer.
        if depth == 16 or (depth < 8 and color == 0 and any(kind == b"tRNS" for kind, _, _ in chunks)):
            raise ImageError("the PNG file is animated or very wide, which is not read at its depth; convert it")
        decoded = pillow.decode(data, "PNG", dataclasses.replace(request, frame=frame))
    else:
        pixels = imagecodecs.png_decode(data)
        if pixels.shape[:2] != (height, width):
            raise ImageError("the decoder and the header disagree about the size; the file is damaged")
        # A palette has 8 bits whatever its indices have.
        bits, peak = 8 if color == 3 else depth, int(np.iinfo(pixels.dtype).max)
        decoded = Decoded(pixels, bits, peak, pillow.metadata(header, notes), pillow.orientation(header))
    found = dataclasses.replace(decoded.metadata, coding=None if coding is None else tuple(coding))
    return dataclasses.replace(decoded, metadata=found, notes=notes + decoded.notes)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return CHUNK.pack(len(body), kind) + body + zlib.crc32(kind + body).to_bytes(4)


BLACK_HEADER = _chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
BLACK = _chunk(b"IDAT", zlib.compress(bytes(2))) + _chunk(b"IEND", b"")


def _chunks(data: bytes) -> tuple[list[tuple[bytes, int, int]], int]:
    """Kind, offset and length of each chunk, every checksum checked, and where the last one ends."""
    at, chunks = len(SIGNATURE), []
    while at + CHUNK.size <= len(data):
        length, kind = CHUNK.unpack_from(data, at)
        size = CHUNK.size + length + 4
        if at + size > len(data):
            break
        if zlib.crc32(memoryview(data)[at + 4 : at + size - 4]) != int.from_bytes(data[at + size - 4 : at + size]):
            raise ImageError(f"a checksum in the PNG file is wrong (chunk {kind!r}): it is damaged; get another copy")
        chunks.append((kind, at, size))
        at += size
        if kind == b"IEND":
            if chunks[0][0] != b"IHDR":
                raise ImageError("the PNG file does not begin with a header: it is damaged")
            return chunks, at
    raise ImageError("the PNG file ends early: it is damaged; get another copy")
