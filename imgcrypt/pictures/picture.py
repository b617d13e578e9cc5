"""A picture as it was read: its pixels, and what its file says of them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from imgcrypt.errors import ImageError, SeveralPicturesError, TooLargeError
from imgcrypt.pictures.metadata import Metadata

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8] | NDArray[np.uint16]


@dataclasses.dataclass(frozen=True, eq=False)
class Picture:
    """What :func:`imgcrypt.read` and :func:`imgcrypt.decrypt_picture` return."""

    pixels: Pixels = dataclasses.field(repr=False)
    """uint8 or uint16, (H, W) gray, (H, W, 3) RGB or (H, W, 4) RGBA with straight alpha; upright."""
    format: str | None = None
    """Name of the file's format: PNG, JPEG, TIFF, ..."""
    bits: int | None = None
    """Depth of the file's samples. 1 to 7 were scaled to uint8, 9 to 15 to uint16, by rounding."""
    frames: int = 1
    """Number of pictures in the file."""
    frame: int = 0
    """Which of them this is, from 0."""
    orientation: int = 1
    """1 to 8 as in EXIF: how the stored picture was turned and mirrored. The pixels are upright already."""
    metadata: Metadata = dataclasses.field(default_factory=Metadata, repr=False)
    """Profile, EXIF, XMP, resolution and so on; the orientation in it is 1."""
    notes: tuple[str, ...] = ()
    """One sentence for each thing that was converted, or is in the file and not here."""

    @property
    def profile(self) -> bytes | None:
        """ICC profile of the pixels."""
        return self.metadata.profile

    @property
    def exif(self) -> bytes | None:
        """EXIF block, beginning with its TIFF header."""
        return self.metadata.exif

    @property
    def xmp(self) -> bytes | None:
        """XMP packet."""
        return self.metadata.xmp


@dataclasses.dataclass
class Decoded:
    """What a decoder hands back: a picture as it is stored, before it is turned upright."""

    pixels: NDArray[Any]
    """uint8 or uint16, as Picture's, or (H, W, 2) gray with alpha; from 0 to ``peak``."""
    bits: int
    """Depth in the file."""
    peak: int
    """The sample that is white: 255 and 65535 where the decoder scaled the samples itself."""
    metadata: Metadata = dataclasses.field(default_factory=Metadata)
    orientation: int = 1
    frames: int = 1
    notes: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Request:
    """What the caller wants of a file."""

    frame: int | None
    max_pixels: int

    def check_size(self, width: int, height: int) -> None:
        """Refuse a picture that is too large, before memory is taken for it.

        Raises:
            TooLargeError: it is.
        """
        if width * height > self.max_pixels:
            raise TooLargeError(
                f"the picture says that it has {width} x {height} pixels, more than the {self.max_pixels:,} allowed; "
                "allow more if you trust where it is from"
            )

    def choose(self, frames: int) -> int:
        """The frame to read.

        Raises:
            SeveralPicturesError: there are several and none is named.
            ImageError: there is none of this number.
        """
        if frames > 1 and self.frame is None:
            raise SeveralPicturesError(
                f"the file holds {frames} pictures, and one alone would be kept: choose one (0 to {frames - 1}), or "
                "keep the file exactly as it is"
            )
        if not 0 <= (self.frame or 0) < frames:
            raise ImageError(f"there is no picture {self.frame} in the file: it holds {frames}, counted from 0")
        return self.frame or 0
