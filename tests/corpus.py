"""Picture files of every format, mode and depth that the libraries write, each with the pixels that it holds."""

from __future__ import annotations

import io
import itertools
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import imagecodecs
import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image

Picture = npt.NDArray[Any]
Case = tuple[str, Callable[[], bytes], Picture]
"""Name, maker of the file, and what must be read from it."""

HEIGHT, WIDTH = 37, 50


def samples(channels: int, bits: int, kind: str = "noise", height: int = HEIGHT, width: int = WIDTH) -> Picture:
    """Of full range: random, or a gradient in which every channel runs differently."""
    peak = 2**bits - 1
    dtype = np.uint8 if bits <= 8 else np.uint16
    shape = (height, width) if channels == 1 else (height, width, channels)
    if kind == "noise":
        picture = np.random.default_rng([channels, bits]).integers(0, peak + 1, shape).astype(dtype)
    else:
        y, x = np.mgrid[0:height, 0:width]
        planes = [(x * (c + 1) + y * 3) * peak // (width * (c + 1) + height * 3) for c in range(channels)]
        picture = np.stack(planes, 2).reshape(shape).astype(dtype)
    picture.flat[0], picture.flat[-1] = 0, peak
    return picture


def scaled(picture: Picture, bits: int) -> Picture:
    """The samples as 8 or 16 bits, by exact rational rounding."""
    target = 255 if bits <= 8 else 65535
    return np.floor((picture.astype(float) * target) / (2**bits - 1) + 0.5).astype(np.uint8 if bits <= 8 else np.uint16)


def with_colors(picture: Picture) -> Picture:
    """Gray with alpha as RGBA."""
    return picture[:, :, [0, 0, 0, 1]] if picture.ndim == 3 and picture.shape[2] == 2 else picture


def by_pillow(image: Image.Image, form: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def by_tifffile(picture: Picture, **options: Any) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, picture, metadata=None, **options)
    return stream.getvalue()


def by_opencv(picture: Picture, suffix: str, *options: int) -> bytes:
    bgr = picture if picture.ndim == 2 else np.ascontiguousarray(picture[:, :, [2, 1, 0, 3][: picture.shape[2]]])
    done, data = cv2.imencode(suffix, bgr, list(options))
    assert done
    return data.tobytes()


def png(picture: Picture, color: int, depth: int, *others: tuple[bytes, bytes], after: bytes = b"") -> bytes:
    """A PNG file of (H, W, samples in a pixel), written chunk by chunk."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    height, width = picture.shape[:2]
    rows = []
    for row in picture.reshape(height, -1):
        if depth == 16:
            packed = row.astype(">u2").tobytes()
        else:
            bits = np.unpackbits(row.astype(np.uint8)[:, None], axis=1)[:, 8 - depth :]
            packed = np.packbits(bits.ravel()).tobytes()
        rows.append(b"\0" + packed)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0))
    middle = b"".join(chunk(*other) for other in others)
    data = chunk(b"IDAT", zlib.compress(b"".join(rows)))
    return b"\x89PNG\r\n\x1a\n" + head + middle + data + after + chunk(b"IEND", b"")


def png_cases() -> Iterator[Case]:
    for color, channels, depths in ((0, 1, (1, 2, 4, 8, 16)), (2, 3, (8, 16)), (4, 2, (8, 16)), (6, 4, (8, 16))):
        for depth, kind in itertools.product(depths, ("noise", "gradient")):
            picture = samples(channels, depth, kind)
            name = f"png color type {color} of {depth} bits, {kind}"
            right = with_colors(scaled(picture, depth))
            yield name, lambda p=picture, c=color, d=depth: png(p, c, d), right
            if color in (0, 2):
                # One color is transparent.
                chosen = picture[3, 4]
                hidden = (picture == chosen).reshape(HEIGHT, WIDTH, -1).all(2)
                alpha = np.where(hidden, 0, 2 ** (8 if depth <= 8 else 16) - 1).astype(right.dtype)
                rgb = np.stack([right] * 3, 2) if right.ndim == 2 else right
                body = np.atleast_1d(chosen).astype(">u2").tobytes()
                yield (
                    f"{name}, tRNS",
                    lambda p=picture, c=color, d=depth, b=body: png(p, c, d, (b"tRNS", b)),
                    np.dstack([rgb, alpha]),
                )
    for depth in (1, 2, 4, 8):
        palette = np.random.default_rng(depth).integers(0, 256, (2**depth, 4), dtype=np.uint8)
        picture = samples(1, depth)
        colors, alpha = palette[:, :3].tobytes(), palette[:, 3].tobytes()
        yield (
            f"png palette of {depth} bits",
            lambda p=picture, d=depth, c=colors: png(p, 3, d, (b"PLTE", c)),
            palette[picture][:, :, :3],
        )
        yield (
            f"png palette of {depth} bits with alpha",
            lambda p=picture, d=depth, c=colors, a=alpha: png(p, 3, d, (b"PLTE", c), (b"tRNS", a)),
            palette[picture],
        )


PILLOW_MODES = {
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "BMP": ("1", "L", "P", "RGB", "RGBA"),
    "GIF": ("1", "L", "P"),
    "WEBP": ("RGB", "RGBA"),
    "JPEG2000": ("L", "LA", "RGB", "RGBA", "I;16"),
    "PPM": ("1", "L", "RGB", "I;16"),
    "TGA": ("1", "L", "LA", "P", "RGB", "RGBA"),
    "ICO": ("RGBA",),
    "PCX": ("1", "L", "P", "RGB"),
    "SGI": ("L", "RGB", "RGBA"),
    "DDS": ("L", "LA", "RGB", "RGBA"),
    "QOI": ("RGB", "RGBA"),
    "MSP": ("1",),
    "XBM": ("1",),
}
OPTIONS: dict[str, dict[str, Any]] = {"WEBP": {"lossless": True, "exact": True}, "ICO": {"bitmap_format": "bmp"}}


def pillow_image(mode: str, kind: str) -> tuple[Image.Image, Picture]:
    """An image and the pixels that a reader must find."""
    if mode == "P":
        palette = np.random.default_rng(0).integers(0, 256, (256, 3), dtype=np.uint8)
        indices = samples(1, 8, kind)
        image = Image.fromarray(indices).convert("P")
        image = Image.frombytes("P", (WIDTH, HEIGHT), indices.tobytes())
        image.putpalette(palette.tobytes())
        return image, palette[indices]
    if mode == "1":
        picture = samples(1, 1, kind) * 255
        return Image.fromarray(picture).convert("1", dither=Image.Dither.NONE), picture
    if mode == "I;16":
        picture = samples(1, 16, kind)
        return Image.frombytes("I;16", (WIDTH, HEIGHT), picture.astype("<u2").tobytes()), picture
    picture = samples(len(mode), 8, kind)
    return Image.frombytes(mode, (WIDTH, HEIGHT), picture.tobytes()), with_colors(picture)


def pillow_cases() -> Iterator[Case]:
    for form, modes in PILLOW_MODES.items():
        for mode, kind in itertools.product(modes, ("noise", "gradient")):
            image, right = pillow_image(mode, kind)
            options = OPTIONS.get(form, {}) | ({"sizes": [(WIDTH, HEIGHT)]} if form == "ICO" else {})
            yield f"pillow {form} {mode}, {kind}", lambda i=image, f=form, o=options: by_pillow(i, f, **o), right


def tiff_cases() -> Iterator[Case]:
    compressions = (None, "lzw", "deflate", "packbits", "zstd", "lzma")
    for bits, compression, order in itertools.product((8, 16), compressions, "<>"):
        for channels, planar in ((1, "contig"), (3, "contig"), (3, "separate"), (4, "contig"), (4, "separate")):
            picture = samples(channels, bits)
            planes = np.moveaxis(picture, 2, 0) if planar == "separate" else picture
            options: dict[str, Any] = {
                "compression": compression,
                "byteorder": order,
                "photometric": "minisblack" if channels == 1 else "rgb",
            }
            if channels > 1:
                options["planarconfig"] = planar
            if channels == 4:
                options["extrasamples"] = ["unassalpha"]
            name = f"tiff of {channels} x {bits} bits, {planar}, {compression}, {order}"
            yield name, lambda p=planes, o=options: by_tifffile(p, **o), picture
    for bits in (8, 16):
        gray, color = samples(1, bits, "gradient"), samples(3, bits, "gradient")
        peak = 2**bits - 1
        yield f"tiff white is 0, {bits}", lambda g=gray: by_tifffile(g, photometric="miniswhite"), peak - gray
        for compression in ("lzw", "deflate"):
            yield (
                f"tiff predicted, {bits}, {compression}",
                lambda c=color, k=compression: by_tifffile(c, photometric="rgb", compression=k, predictor=2),
                color,
            )
        yield f"tiff tiled, {bits}", lambda c=color: by_tifffile(c, photometric="rgb", tile=(16, 16)), color
        yield f"tiff strips, {bits}", lambda c=color: by_tifffile(c, photometric="rgb", rowsperstrip=5), color
        yield f"tiff big, {bits}", lambda c=color: by_tifffile(c, photometric="rgb", bigtiff=True), color
        pair = samples(2, bits)
        yield (
            f"tiff gray and alpha, {bits}",
            lambda p=pair: by_tifffile(p, photometric="minisblack", planarconfig="contig", extrasamples=["unassalpha"]),
            with_colors(pair),
        )
    for bits in (1, 2, 3, 4, 6, 9, 10, 11, 12, 14, 15):
        gray, color = samples(1, bits), samples(3, bits)
        stored = gray.astype(bool if bits == 1 else gray.dtype)
        yield (
            f"tiff gray of {bits} bits",
            lambda g=stored, b=bits: by_tifffile(g, photometric="minisblack", bitspersample=b),
            scaled(gray, bits),
        )
        yield (
            f"tiff white is 0 of {bits} bits",
            lambda g=stored, b=bits: by_tifffile(g, photometric="miniswhite", bitspersample=b),
            scaled((2**bits - 1 - gray).astype(gray.dtype), bits),
        )
        if bits > 1:
            yield (
                f"tiff color of {bits} bits",
                lambda c=color, b=bits: by_tifffile(c, photometric="rgb", bitspersample=b),
                scaled(color, bits),
            )
    palette = np.random.default_rng(0).integers(0, 256, (3, 256)).astype(np.uint16)
    indices = samples(1, 8)
    colors = palette.T[indices].astype(np.uint8)
    for name, factor in (("of 8 bits", 257), ("of 8 bits above zeros", 256), ("that is too dark", 1)):
        yield (
            f"tiff palette {name}",
            lambda f=factor: by_tifffile(indices, photometric="palette", colormap=palette * np.uint16(f)),
            colors,
        )
    deep = np.random.default_rng(0).integers(0, 65536, (3, 256)).astype(np.uint16)
    yield "tiff palette of 16 bits", lambda: by_tifffile(indices, photometric="palette", colormap=deep), deep.T[indices]


def codec_cases() -> Iterator[Case]:
    for bits, channels in itertools.product((8, 10, 12), (1, 3, 4)):
        picture = samples(channels, bits)
        yield (
            f"avif {channels} x {bits}",
            lambda p=picture, b=bits: imagecodecs.avif_encode(p, 100, bitspersample=b),
            scaled(picture, bits),
        )
    for bits, channels in itertools.product((*range(1, 17),), (1, 2, 3, 4)):
        picture = samples(channels, bits)
        for container in ("jp2", "j2k"):
            yield (
                f"jpeg 2000 {channels} x {bits}, {container}",
                lambda p=picture, b=bits, c=container: imagecodecs.jpeg2k_encode(
                    p, level=0, bitspersample=b, codecformat=c, reversible=True
                ),
                with_colors(scaled(picture, bits)),
            )
    for bits, channels in itertools.product((8, 16), (1, 2, 3, 4)):
        picture = samples(channels, bits, "gradient")
        yield f"png by libpng {channels} x {bits}", lambda p=picture: imagecodecs.png_encode(p), with_colors(picture)
    for suffix, bits in itertools.product((".png", ".tif", ".ppm", ".bmp", ".jp2", ".webp"), (8, 16)):
        for channels in (1, 3, 4):
            if (bits == 16 and suffix in (".bmp", ".webp")) or (channels != 3 and suffix in (".ppm", ".webp")):
                continue
            if suffix == ".bmp" and channels == 4:
                continue
            picture = samples(channels, bits)
            lossless = {
                ".jp2": (cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000),
                ".webp": (cv2.IMWRITE_WEBP_QUALITY, 101),
            }
            options = lossless.get(suffix, ())
            yield (
                f"opencv {suffix} {channels} x {bits}",
                lambda p=picture, s=suffix, o=options: by_opencv(p, s, *o),
                picture,
            )
    for peak in (1, 3, 100, 255, 256, 1000, 1023, 65534, 65535):
        wide = peak > 255
        picture = np.random.default_rng(peak).integers(0, peak + 1, (HEIGHT, WIDTH, 3)).astype(np.uint16)
        body = picture.astype(">u2" if wide else np.uint8).tobytes()
        target = 65535 if wide else 255
        right = np.floor((picture.astype(float) * target) / peak + 0.5).astype(np.uint16 if wide else np.uint8)
        yield f"ppm up to {peak}", lambda p=peak, b=body: b"P6\n# by hand\n%d %d\n%d\n" % (WIDTH, HEIGHT, p) + b, right


CASES: list[Case] = [*png_cases(), *pillow_cases(), *tiff_cases(), *codec_cases()]
