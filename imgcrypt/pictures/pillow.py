"""Pictures by Pillow: the formats that it alone reads, and the headers of those that others decode."""

from __future__ import annotations

import importlib
import io
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from imgcrypt.errors import ImageError
from imgcrypt.pictures import metadata as meta
from imgcrypt.pictures.metadata import Metadata
from imgcrypt.pictures.picture import Decoded, Request

if TYPE_CHECKING:
    from PIL.Image import Exif
    from PIL.Image import Image as PillowImage

PLUGINS = {
    "PNG": "Png",
    "JPEG": "Jpeg",
    "GIF": "Gif",
    "BMP": "Bmp",
    "WEBP": "WebP",
    "AVIF": "Avif",
    "JPEG2000": "Jpeg2K",
    "PPM": "Ppm",
    "TGA": "Tga",
    "ICO": "Ico",
    "CUR": "Cur",
    "ICNS": "Icns",
    "PSD": "Psd",
    "PCX": "Pcx",
    "DCX": "Dcx",
    "DDS": "Dds",
    "SGI": "Sgi",
    "SUN": "Sun",
    "QOI": "Qoi",
    "BLP": "Blp",
    "FLI": "Fli",
    "FTEX": "Ftex",
    "GBR": "Gbr",
    "MSP": "Msp",
    "PIXAR": "Pixar",
    "XBM": "Xbm",
    "XPM": "Xpm",
}
"""Format -> Pillow's module for it. Left out are those that start another program (EPS, WMF), hold no picture of their
own (stubs), or cannot be told from other files."""
TGA_SUFFIXES = (".tga", ".icb", ".vda", ".vst")
"""TGA has no signature: its name tells it, or the footer of its second version."""
TGA_FOOTER = b"TRUEVISION-XFILE.\0"


def recognize(data: bytes, suffix: str) -> str | None:
    """The format that a file begins as, or that its name's suffix says where it has no signature."""
    from PIL import Image

    for form in PLUGINS:
        importlib.import_module(f"PIL.{PLUGINS[form]}ImagePlugin")
        accept = Image.OPEN[form][1]
        # A text instead of True says that Pillow knows the format but was built without it.
        if form == "TGA":
            accepted = suffix.lower() in TGA_SUFFIXES or data.endswith(TGA_FOOTER)
        else:
            accepted = accept is not None and accept(data[:16]) is True
        if accepted:
            return form
    return None


def open_(data: bytes, form: str) -> Any:
    """Pillow's image of a file, its header read. Without the size limit of ``Image.open``, which is the process's."""
    from PIL import Image

    importlib.import_module(f"PIL.{PLUGINS[form]}ImagePlugin")
    return Image.OPEN[form][0](io.BytesIO(data), "")


def decode(data: bytes, form: str, request: Request) -> Decoded:
    """Read a file by Pillow alone.

    Raises:
        ImageError: the request's, or a kind of samples that is not served.
        Exception: whatever Pillow raises for files that are damaged.
    """
    if form == "SGI" and data[3:4] == b"\2":
        raise ImageError("the picture is an SGI file of 16 bits, which no decoder here reads; convert it to PNG")
    image = open_(data, form)
    request.check_size(*image.size[:2])
    if form == "PCX" and (data[3], data[65]) == (8, 1) and data[-769:-768] != b"\x0c":
        raise ImageError("the PCX file's palette is not there: it ends early; get another copy")
    notes = []
    if form == "PSD":
        # The layers are what Pillow calls frames. What it shows first is all of them together, as Photoshop saved it.
        frames = 1
        request.choose(1)
        if getattr(image, "n_frames", 1) > 1:
            notes.append("the layers of the Photoshop file are flattened into one picture")
    elif form in ("ICO", "CUR", "ICNS"):
        image, frames = _choose_icon(data, image, form, request)
    else:
        frames = getattr(image, "n_frames", 1)
        frame = request.choose(frames)
        if frame:
            image.seek(frame)
    request.check_size(*image.size[:2])
    image.load()
    if form == "BMP" and _has_fourth_bytes(data):
        notes.append("the fourth byte of the BMP file's pixels, which it does not say to be alpha, is left out")
    decoded = from_image(image)
    decoded.frames = frames
    decoded.notes = notes + decoded.notes
    return decoded


def _has_fourth_bytes(data: bytes) -> bool:
    """Whether a BMP file has 32 bits a pixel, no masks that say what the last 8 are, and something in them."""
    pixels, depth, compression = struct.unpack_from("<10xI14xHI", data)
    if depth != 32 or compression:
        return False
    fourth = np.frombuffer(data, np.uint8, offset=min(pixels, len(data)))[3::4]
    return bool(fourth.any() and (fourth != 255).any())


def _choose_icon(data: bytes, image: Any, form: str, request: Request) -> tuple[Any, int]:
    # Icons of several sizes or depths are pictures of their own; Pillow shows the largest.
    if form == "ICNS":
        sizes = sorted(image.info["sizes"], key=lambda size: size[0] * size[2], reverse=True)
        width, height, density = image.best_size = sizes[request.choose(len(sizes))]
        image.size = width * density, height * density
        return image, len(sizes)
    frames = int.from_bytes(data[4:6], "little")
    frame = request.choose(frames)
    if frames == 1:
        return image, 1
    if form == "CUR":
        raise ImageError("the file is a cursor of several sizes, of which one cannot be chosen; convert it to PNG")
    return image.ico.frame(frame), frames


def from_image(image: PillowImage) -> Decoded:
    """The pixels and metadata of a loaded image.

    Raises:
        ImageError: samples that are not served.
    """
    notes: list[str] = []
    found = metadata(image, notes)
    turned = orientation(image)
    mode, bits = image.mode, 8
    if mode in ("1", "L", "RGB", "P", "I;16") and "transparency" in image.info:
        if mode == "I;16":
            raise ImageError("the picture has 16 bits and one transparent gray, which is not served; convert it to PNG")
        image = image.convert("RGBA")
    elif mode == "P":
        image = image.convert("RGBA" if image.palette and image.palette.mode.endswith("A") else "RGB")
    elif mode in ("LA", "PA", "La", "RGBa"):
        if mode in ("La", "RGBa"):
            notes.append("premultiplied alpha was divided out, which rounds colors")
        image = image.convert("RGBA")
    elif mode == "1":
        image, bits = image.convert("L"), 1
    elif mode == "RGBX":
        image = image.convert("RGB")
    elif mode in ("CMYK", "LAB", "YCbCr", "HSV"):
        image, found = _to_srgb(image, found, notes)
    if image.mode.startswith("I;16"):
        pixels = np.asarray(image).astype(np.uint16)
        bits = 16
    elif image.mode in ("L", "RGB", "RGBA"):
        pixels = np.asarray(image)
    else:
        kinds = {"F": "floating-point numbers", "I": "32-bit integers"}
        raise ImageError(
            f"the picture's samples are {kinds.get(image.mode, image.mode)}; convert it to 8 or 16 bits first"
        )
    return Decoded(pixels, bits, 65535 if bits == 16 else 255, found, turned, notes=notes)


def orientation(image: PillowImage) -> int:
    """1 to 8, from EXIF or else XMP, or from the container of an AVIF file."""
    value = _exif(image, []).get(meta.ORIENTATION_TAG, 1)
    return value if value in range(1, 9) else 1


def _to_srgb(image: PillowImage, found: Metadata, notes: list[str]) -> tuple[PillowImage, Metadata]:
    import dataclasses

    from PIL import ImageCms

    mode = image.mode
    srgb = ImageCms.createProfile("sRGB")
    without = dataclasses.replace(found, profile=None)
    if mode == "LAB":
        notes.append("colors were converted from Lab to sRGB, which rounds them and clips what sRGB lacks")
        transform = ImageCms.buildTransform(ImageCms.createProfile("LAB"), srgb, "LAB", "RGB")
        return _applied(image, transform), without
    if mode == "CMYK" and found.profile is not None:
        try:
            transform = ImageCms.buildTransform(
                ImageCms.ImageCmsProfile(io.BytesIO(found.profile)), srgb, "CMYK", "RGB"
            )
            notes.append("colors were converted from CMYK to sRGB by the picture's profile, which loses some")
            return _applied(image, transform), without
        except ImageCms.PyCMSError:
            pass
    if mode == "CMYK":
        notes.append("colors were converted from CMYK, by no profile, which loses some")
        return image.convert("RGB"), without
    notes.append(f"colors were converted from {mode} to RGB, which rounds them")
    return image.convert("RGB"), found


def _applied(image: PillowImage, transform: Any) -> PillowImage:
    from PIL import ImageCms

    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None
    return converted


def metadata(image: PillowImage, notes: list[str]) -> Metadata:
    """What Pillow found beside the pixels; the image is loaded, since some of it may come after them."""
    info = image.info
    exif = info.get("exif")
    if exif is None:
        # From where PNGs hid it before they had a chunk for it; Pillow also makes one of an orientation in XMP.
        entries = _exif(image, notes)
        exif = entries.tobytes() if set(entries) - {meta.ORIENTATION_TAG} else None
    if exif is not None:
        exif = exif.removeprefix(b"Exif\0\0").removeprefix(b"Exif\0\0")
    xmp = info.get("xmp")
    dpi = info.get("dpi")
    chromaticities = info.get("chromaticity")
    return Metadata(
        profile=info.get("icc_profile") or None,
        exif=exif or None,
        xmp=xmp.encode() if isinstance(xmp, str) else xmp or None,
        resolution=(float(dpi[0]), float(dpi[1])) if dpi is not None and all(dpi) else None,
        gamma=info.get("gamma"),
        chromaticities=None if chromaticities is None else tuple(map(float, chromaticities)),
        intent=info.get("srgb"),
    )


def _exif(image: PillowImage, notes: list[str]) -> Exif:
    from PIL import Image

    try:
        return image.getexif()
    except Exception:
        notes.append("the EXIF block is damaged and is not believed")
        return Image.Exif()
