"""What stands beside the nets: the zonal DCT, and JPEG, WebP, AVIF and JPEG XL at the bytes of our whole files.

No encryption; nothing is trained on the pictures that are measured.
"""

from __future__ import annotations

import functools
import importlib
import io
from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imgcrypt.arrays import Bytes
from imgcrypt.bench.pictures import COLOR, GRAY
from imgcrypt.opencv import cv2


class Coded(NamedTuple):
    """A picture after coding and decoding, in the same shape, and the bytes that it took."""

    picture: Bytes
    size: int


class Codec(ABC):
    """Turns a picture into bytes and back: ``name``, and the ``kinds`` of picture that it takes."""

    name: ClassVar[str]
    kinds: ClassVar[tuple[str, ...]] = (GRAY, COLOR)

    @abstractmethod
    def through(self, picture: Bytes, size: int) -> Coded | None:
        """The picture after coding and decoding in so many bytes at most.

        Args:
            picture: uint8 (H, W) or (H, W, 3) RGB, of one of the ``kinds``.
            size: bytes, at least 1.

        Returns:
            ``None`` if it does not fit in so few bytes.
        """


class ZonalDct(Codec):
    """The low frequencies of a 32 x 32 DCT, a byte each: the plainest sampling to compare nets with.

    The bytes are those of whole blocks at the same rate: the nearest number of coefficients is kept, but at least one.
    """

    name = "dct"
    kinds = (GRAY,)
    BLOCK = 32
    """Side of a block in pixels."""
    LARGEST = 8500.0
    DECAY = 1.4
    """A coefficient of frequency f = sqrt(u^2 + v^2) >= 1 fills its byte at LARGEST / f^DECAY.

    Fitted to the size that one in ten thousand exceeds, over the luma of BSDS500 train; one larger is cut to it.
    """

    def through(self, picture: Bytes, size: int) -> Coded:
        height, width = picture.shape
        padded = np.pad(picture, [(0, -length % self.BLOCK) for length in picture.shape], "edge")
        coefficients = self.sample(padded, min(max(1, round(size / picture.size * self.BLOCK**2)), self.BLOCK**2))
        return Coded(self.rebuild(coefficients)[:height, :width], coefficients.size)

    def sample(self, picture: Bytes, count: int) -> Bytes:
        """The first ``count`` coefficients of each block: uint8 (32 h, 32 w) -> uint8 (h, w, count)."""
        height, width = (length // self.BLOCK for length in picture.shape)
        at, largest = self.zone(count)
        coefficients = np.empty((height, width, count), np.float32)
        for row, column in np.ndindex(height, width):
            block = picture[self._pixels(row), self._pixels(column)]
            coefficients[row, column] = cv2.dct(block.astype(np.float32) - 128).reshape(-1)[at]
        return np.asarray((coefficients / largest * 127).round().clip(-127, 127) + 128, np.uint8)

    def rebuild(self, coefficients: Bytes) -> Bytes:
        """What :meth:`sample` took: uint8 (h, w, count) -> uint8 (32 h, 32 w)."""
        height, width, count = coefficients.shape
        at, largest = self.zone(count)
        pixels = np.empty((height * self.BLOCK, width * self.BLOCK), np.float32)
        for row, column in np.ndindex(height, width):
            block = np.zeros(self.BLOCK**2, np.float32)
            block[at] = (coefficients[row, column] - np.float32(128)) / 127 * largest
            pixels[self._pixels(row), self._pixels(column)] = cv2.idct(block.reshape(self.BLOCK, self.BLOCK))
        return np.asarray((pixels + 128).round().clip(0, 255), np.uint8)

    @classmethod
    @functools.cache
    def zone(cls, count: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """Where the ``count`` lowest frequencies are in a block, by u + v as JPEG orders them, and the size of each."""
        u, v = np.mgrid[: cls.BLOCK, : cls.BLOCK].reshape(2, -1)
        at = np.lexsort((np.hypot(u, v), u + v))[:count]
        sizes = cls.LARGEST / np.hypot(u, v).clip(1) ** cls.DECAY
        sizes[0] = 128 * cls.BLOCK
        return at, sizes[at].astype(np.float32)

    def _pixels(self, block: int) -> slice:
        return slice(block * self.BLOCK, (block + 1) * self.BLOCK)


class ImageFormat(Codec):
    """A format of image files: of the qualities whose whole file fits in the bytes, the best.

    ``grades``: how many qualities there are, from 0, the worst, up.
    """

    grades: ClassVar[int] = 101

    def through(self, picture: Bytes, size: int) -> Coded | None:
        low, high, best = 0, self.grades - 1, None
        while low <= high:
            middle = (low + high) // 2
            encoded = self.encode(picture, middle)
            if len(encoded) <= size:
                low, best = middle + 1, encoded
            else:
                high = middle - 1
        if best is None:
            return None
        back = np.asarray(self.decode(best, picture.ndim), np.uint8)
        return Coded(back, len(best))

    @abstractmethod
    def encode(self, picture: Bytes, grade: int) -> bytes:
        """The whole file."""

    def decode(self, data: bytes, axes: int) -> Any:
        """Its picture, (H, W) for 2 axes or (H, W, 3) for 3."""
        return Image.open(io.BytesIO(data)).convert("L" if axes == 2 else "RGB")


def _save(picture: Bytes, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(picture).save(out, kind, **options)
    return out.getvalue()


class Jpeg(ImageFormat):
    """JPEG, progressive, with optimized Huffman tables, colors at half the resolution."""

    name = "jpeg"

    def encode(self, picture: Bytes, grade: int) -> bytes:
        return _save(picture, "JPEG", quality=max(grade, 1), optimize=True, progressive=True)


class WebP(ImageFormat):
    """Lossy WebP, whose colors have half the resolution always."""

    name = "webp"

    def encode(self, picture: Bytes, grade: int) -> bytes:
        return _save(picture, "WEBP", quality=grade)


class Avif(ImageFormat):
    """AVIF with colors at full resolution, or none, at Pillow's default speed."""

    name = "avif"

    def encode(self, picture: Bytes, grade: int) -> bytes:
        return _save(picture, "AVIF", quality=grade, subsampling="4:0:0" if picture.ndim == 2 else "4:4:4")


class JpegXl(ImageFormat):
    """Lossy JPEG XL at libjxl's default effort; grades stand for distances from 24 to 0.05."""

    name = "jpegxl"
    grades = 128

    def encode(self, picture: Bytes, grade: int) -> bytes:
        distance = 24 * (0.05 / 24) ** (grade / (self.grades - 1))
        data: bytes = _imagecodecs().jpegxl_encode(picture, distance=distance, effort=7, numthreads=1)
        return data

    def decode(self, data: bytes, axes: int) -> Any:
        return _imagecodecs().jpegxl_decode(data)


def _imagecodecs() -> Any:
    return importlib.import_module("imagecodecs")


CODECS: dict[str, Codec] = {codec.name: codec for codec in (ZonalDct(), Jpeg(), WebP(), Avif(), JpegXl())}
"""By name, in the order in which they are measured."""
