"""Names and formats of what the commands write, where nobody gives them."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple

from imgcrypt.files import STANDARD
from imgcrypt.pictures import FORMATS, LOSSY_SUFFIXES
from imgcrypt.pictures.metadata import Metadata

SUFFIX = ".imgc"
OTHER_SUFFIXES = (
    *(".apng", ".avifs", ".bw", ".cur", ".dcx", ".dds", ".dib", ".flc", ".fli", ".gbr", ".heif", ".hif", ".icb"),
    *(".icns", ".ico", ".j2k", ".jfif", ".jpc", ".jpe", ".jpf", ".jpx", ".mpo", ".pbm", ".pcx", ".pgm", ".pnm", ".ppm"),
    *(".psd", ".qoi", ".ras", ".rgb", ".rgba", ".sgi", ".tga", ".vda", ".vst", ".xbm", ".xpm"),
)
PICTURE_SUFFIXES = frozenset(FORMATS) | LOSSY_SUFFIXES | frozenset(OTHER_SUFFIXES)
"""By these names programs take a file for a picture."""
WRITTEN = {"PNG": ".png", "TIFF": ".tif", "BMP": ".bmp", "JPEG": ".jpg"}
"""Format, as imgcrypt.pictures.Picture names it -> the key of FORMATS that writes it."""
WRITTEN_AS = {suffix: suffix for suffix in FORMATS} | {".tiff": ".tif", ".jpeg": ".jpg"}
"""Key of FORMATS -> the one that stands for its format."""


class Target(NamedTuple):
    """Where a decrypted picture goes, and how."""

    name: str
    suffix: str
    """The key of FORMATS that it is written as, which need not be the name's suffix."""


def encrypted(picture: str) -> str:
    """The name of a picture's ciphertext."""
    return STANDARD if picture == STANDARD else picture + SUFFIX


def decrypted(file: str, original: str | None) -> str | None:
    """The name of what is in a ciphertext: its own beside the ciphertext, or else the ciphertext's without its suffix.

    Args:
        file: the ciphertext's name.
        original: the name in it. Whoever encrypted the file chose it: one that leads elsewhere, or to what is hidden,
            is not used.

    Returns:
        None if neither tells a name.
    """
    if file == STANDARD:
        return STANDARD
    if original is not None and _is_plain(original):
        return str(Path(file).with_name(original))
    return stripped(file)


def stripped(file: str) -> str | None:
    """A ciphertext's name without its suffix; None if there is nothing before it, or another suffix."""
    name = file[: -len(SUFFIX)]
    if not file.lower().endswith(SUFFIX) or name.endswith(("/", os.sep)) or Path(name).name in ("", ".", ".."):
        return None
    return name


def targets(name: str, metadata: Metadata, *, lossless: bool, channels: int, bits: int) -> list[Target]:
    """Names and formats for a decrypted picture, best first, until one holds it: its own format, PNG, TIFF.

    Args:
        name: from :func:`decrypted`.
        metadata: what is known of the original.
        lossless: every sample is to be kept, as the encryption kept it.
        channels, bits: the picture's.
    """
    suffix = Path(name).suffix.lower()
    own = WRITTEN.get(metadata.format, "") if metadata.format else suffix
    held = own in FORMATS and channels in FORMATS[own].channels and bits in FORMATS[own].bits
    # A sampled picture may be a JPEG again, if it was one.
    fits = held and (FORMATS[own].lossless or (metadata.format is not None and not lossless))
    found = [Target(name, own)] if fits else []
    return [*found, *(Target(renamed(name, other), other) for other in (".png", ".tif") if other != own)]


def renamed(name: str, suffix: str) -> str:
    """The name with this suffix in place of another picture's."""
    if name == STANDARD or WRITTEN_AS.get(Path(name).suffix.lower()) == suffix:
        return name
    return str(Path(name).with_suffix(suffix)) if Path(name).suffix.lower() in PICTURE_SUFFIXES else name + suffix


def _is_plain(name: str) -> bool:
    """Whether it is a name in a folder, on any system, and visible."""
    if not name or name.startswith(".") or any(ord(each) < 32 or ord(each) == 127 for each in name):
        return False
    return PurePosixPath(name).name == name == PureWindowsPath(name).name
