"""TIFF files by tifffile, which hands out samples as they are stored; what they mean is said by their tags, here."""

from __future__ import annotations

import dataclasses
import io
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from imgcrypt.errors import ImageError
from imgcrypt.pictures import metadata as meta
from imgcrypt.pictures import pillow
from imgcrypt.pictures.metadata import Metadata
from imgcrypt.pictures.picture import Decoded, Request
from imgcrypt.pictures.samples import scale, straight

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

# Photometric interpretation (TIFF 6.0, section 8; DNG 1.7).
MIN_IS_WHITE, MIN_IS_BLACK, RGB, PALETTE, SEPARATED, YCBCR, CIELAB, ICCLAB = 0, 1, 2, 3, 5, 6, 8, 9
REDUCED, TRANSPARENCY_MASK = 1, 4
"""Bits of NewSubfileType: a smaller version of another picture, the mask of one."""
ASSOCIATED = 1
"""Kind of extra sample: alpha by which the colors were multiplied. 0 is unspecified, 2 straight alpha."""
JPEG, OLD_JPEG = 7, 6
DESCRIPTIVE = (270, 271, 272, 305, 306, 315, 316, 33432, 34665, 34853)
"""Tags that are kept as EXIF: description, maker, model, software, time, artist, host, copyright, EXIF, GPS."""
SUB_DIRECTORIES = 330
PER_CENTIMETRE = 3


def decode(data: bytes, request: Request) -> Decoded:
    """Read a TIFF file.

    Raises:
        ImageError: the request's, or a kind of picture that is not served.
        Exception: whatever tifffile raises for files that are damaged.
    """
    import tifffile

    notes: list[str] = []
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        pages, frames = _pictures(file, notes)
        page = pages[request.choose(frames)]
        _check(page, len(data), request)
        found = _metadata(page, data, notes)
        if (page.photometric == YCBCR and page.compression != JPEG) or page.compression == OLD_JPEG:
            # libtiff undoes the subsampling of colors.
            if frames > 1 or len(file.pages) > 1:
                raise ImageError("the TIFF file's colors are subsampled beside other pictures; convert it to PNG")
            decoded = _by_pillow(data)
        else:
            decoded = _interpret(page, page.asarray(squeeze=False), found, notes)
    turned = page.tags.valueof(274, 1)
    return dataclasses.replace(
        decoded,
        metadata=dataclasses.replace(found, profile=decoded.metadata.profile),
        orientation=turned if turned in range(1, 9) else 1,
        frames=frames,
        notes=notes + decoded.notes,
    )


def _pictures(file: TiffFile, notes: list[str]) -> tuple[list[TiffPage], int]:
    pages = [page.aspage() for page in file.pages]
    kinds = [int(page.tags.valueof(254, 0)) for page in pages]
    pictures = [page for page, kind in zip(pages, kinds, strict=True) if not kind & (REDUCED | TRANSPARENCY_MASK)]
    if not pictures:
        raise ImageError("the TIFF file's only picture is a preview, as in cameras' raw files; develop it first")
    if len(pictures) < len(pages):
        notes.append(f"{len(pages) - len(pictures)} smaller versions or masks in the TIFF file are left out")
    # ImageJ may store a stack behind a single directory.
    stacked = int((file.imagej_metadata or {}).get("images", 1)) if file.is_imagej else 1
    if stacked > len(pages) > 0:
        raise ImageError(f"the TIFF file is a stack of {stacked} pictures by ImageJ, which is not read; split it first")
    return pictures, len(pictures)


def _check(page: TiffPage, file_bytes: int, request: Request) -> None:
    request.check_size(page.imagewidth, page.imagelength)
    if not (page.imagewidth and page.imagelength):
        raise ImageError("the TIFF file's picture is empty")
    if page.imagedepth != 1:
        raise ImageError("the TIFF file's picture is a volume; split it into planes first")
    if 0 in page.databytecounts or 0 in page.dataoffsets:
        raise ImageError("parts of the TIFF file's picture were never written; write it again")
    if any(at + size > file_bytes for at, size in zip(page.dataoffsets, page.databytecounts, strict=True)):
        raise ImageError("the TIFF file ends early: it is damaged; get another copy")
    if any(sub.aspage().imagewidth > page.imagewidth for sub in page.pages or ()):
        raise ImageError("the TIFF file's main picture is a preview, as in cameras' raw files; develop it first")


def _interpret(page: TiffPage, stored: NDArray[Any], found: Metadata, notes: list[str]) -> Decoded:
    """Samples of normalized shape (planes, 1, H, W, samples in a pixel) as a picture."""
    if page.sampleformat not in (1, None) or stored.dtype.kind not in "ub":
        raise ImageError(f"the picture's samples are {stored.dtype}; convert it to 8 or 16 bits first")
    if not isinstance(page.bitspersample, int) or page.bitspersample > 16:
        raise ImageError(f"the picture's samples have {page.bitspersample} bits; convert it to 8 or 16 bits first")
    samples = np.moveaxis(stored[:, 0], 0, -1)
    samples = samples.reshape(*samples.shape[:2], -1).view(np.uint8 if stored.dtype == bool else stored.dtype)
    bits, photometric = page.bitspersample, int(page.photometric)
    colors = {MIN_IS_WHITE: 1, MIN_IS_BLACK: 1, RGB: 3, PALETTE: 1, SEPARATED: 4, YCBCR: 3, CIELAB: 3, ICCLAB: 3}
    if photometric not in colors:
        raise ImageError(f"the TIFF file's color space ({page.photometric!r}) is not read; convert it to RGB first")
    extra = tuple(map(int, page.extrasamples))
    if samples.shape[2] != colors[photometric] + len(extra):
        if photometric == SEPARATED:
            raise ImageError(f"the TIFF file has {samples.shape[2]} inks, which is not served; convert it to RGB")
        # Writers forget to say that a sample more is there.
        extra = (0,) * (samples.shape[2] - colors[photometric])
    if samples.shape[2] < colors[photometric] or len(extra) > 1:
        raise ImageError(f"the TIFF file has {samples.shape[2]} channels, which is not served; convert it to RGB")
    if photometric in (SEPARATED, CIELAB, ICCLAB):
        if bits != 8 or extra:
            raise ImageError("the TIFF file is CMYK or Lab of 16 bits or with alpha; convert it to RGB first")
        return _converted(samples, photometric, found)
    if photometric == PALETTE:
        samples, bits = _from_palette(page, samples, len(extra))
    elif bits not in (8, 16):
        # Straight alpha needs the final depth.
        samples = scale(samples, 2**bits - 1)
    if photometric == MIN_IS_WHITE:
        samples = np.concatenate([~samples[..., :1], samples[..., 1:]], -1)
    if extra == (ASSOCIATED,):
        notes.append("premultiplied alpha was divided out, which rounds colors")
        samples = straight(samples)
    elif extra == (0,):
        notes.append("the TIFF file does not say what its last channel is: it is kept as alpha")
    return Decoded(samples, bits, 255 if samples.dtype == np.uint8 else 65535, found)


def _from_palette(page: TiffPage, samples: NDArray[Any], extra: int) -> tuple[NDArray[Any], int]:
    table = np.asarray(page.colormap)  # (3, 2^bits), 16 bits
    if samples[..., 0].max() >= table.shape[1]:
        raise ImageError("the TIFF file's pixels have colors that its palette lacks: it is damaged")
    if table.max() < 256:
        # Writers that put 8 bits where 16 belong; libtiff takes them for what they mean too.
        table, bits = table.astype(np.uint8), 8
    elif (table % 257 == 0).all() or (table % 256 == 0).all():
        table, bits = (table >> 8).astype(np.uint8), 8
    else:
        bits = 16
    colors = table.T[samples[..., 0]]
    if not extra:
        return colors, bits
    alpha = scale(samples[..., 1:], 2**page.bitspersample - 1)
    if alpha.dtype != colors.dtype:
        raise ImageError("the TIFF file's palette and alpha differ in depth, which is not served; convert it to PNG")
    return np.concatenate([colors, alpha], -1), bits


def _converted(samples: NDArray[Any], photometric: int, found: Metadata) -> Decoded:
    from PIL import Image

    if photometric == SEPARATED:
        image = Image.frombytes("CMYK", samples.shape[1::-1], samples.tobytes())
        if found.profile is not None:
            image.info["icc_profile"] = found.profile
    else:
        lab = np.ascontiguousarray(samples)
        if photometric == ICCLAB:
            # 0 is 128 for a and b there; Pillow takes them signed, as in CIELab.
            lab = lab ^ np.array([0, 128, 128], np.uint8)
        image = Image.frombytes("LAB", samples.shape[1::-1], lab.tobytes())
    return pillow.from_image(image)


def _by_pillow(data: bytes) -> Decoded:
    from PIL import TiffImagePlugin

    image = TiffImagePlugin.TiffImageFile(io.BytesIO(data), "")
    # Turned by the caller, as all others.
    image.tag_v2.pop(meta.ORIENTATION_TAG, None)
    image.load()
    return pillow.from_image(image)


def _metadata(page: TiffPage, data: bytes, notes: list[str]) -> Metadata:
    from PIL import Image

    exif = None
    # The software is the file's, not the picture's.
    wanted = set(page.tags.keys()) & set(DESCRIPTIVE) - {305}
    try:
        everything, kept = Image.Exif(), Image.Exif()
        if wanted:
            everything.load(data)
        for tag in wanted & set(everything):
            kept[tag] = everything.get_ifd(tag) if tag in (34665, 34853) else everything[tag]
        exif = kept.tobytes().removeprefix(b"Exif\0\0") if wanted else None
    except Exception:
        notes.append("the TIFF file's EXIF directory is damaged and is left out")
    profile, xmp = page.tags.valueof(34675), page.tags.valueof(700)
    return Metadata(
        profile=None if profile is None else bytes(profile),
        exif=exif,
        xmp=None if xmp is None else bytes(xmp) if not isinstance(xmp, str) else xmp.encode(),
        resolution=_resolution(page),
    )


def _resolution(page: TiffPage) -> tuple[float, float] | None:
    factor = {1: None, 2: 1.0, PER_CENTIMETRE: 2.54}.get(page.tags.valueof(296, 2))
    values = [page.tags.valueof(tag) for tag in (282, 283)]
    if factor is None or any(value is None or not value[1] for value in values):
        return None
    x, y = (value[0] / value[1] * factor for value in values)
    return x, y
