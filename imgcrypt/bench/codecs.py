"""What stands beside the nets: the zonal DCT, and JPEG, WebP and AVIF at a net's bytes.

No encryption, no fixed places, nothing that stands damage; nothing is trained on the pictures that are measured.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from imgcrypt.arrays import Bytes
from imgcrypt.bench.pictures import COLOR, GRAY
from imgcrypt.opencv import cv2


class Codec(ABC):
    """Turns a picture into bytes and back: ``name``, and the ``kinds`` of picture that it takes."""

    name: ClassVar[str]
    kinds: ClassVar[tuple[str, ...]] = (GRAY, COLOR)

    @abstractmethod
    def through(self, picture: Bytes, rate: float) -> Bytes | None:
        """The picture after coding and decoding at a rate.

        Args:
            picture: uint8 (H, W) or (H, W, 3) RGB, of one of the ``kinds``.
            rate: bytes for each sample, above 0 and up to 1.

        Returns:
            The picture in the same shape, or ``None`` if it does not fit in so few bytes.
        """


class ZonalDct(Codec):
    """The low frequencies of a 32 x 32 DCT, a byte each: the plainest sampling to compare nets with.

    The rate is that of whole blocks: the nearest number of coefficients is kept, but at least one.
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

    def through(self, picture: Bytes, rate: float) -> Bytes:
        height, width = picture.shape
        padded = np.pad(picture, [(0, -length % self.BLOCK) for length in picture.shape], "edge")
        pixels = self.rebuild(self.sample(padded, max(1, round(rate * self.BLOCK**2))))
        return pixels[:height, :width]

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
    """A format of image files: of the qualities whose whole file fits in the bytes, the best."""

    suffix: ClassVar[str]
    options: ClassVar[list[int]]
    """OpenCV's, up to the quality, which is a number from 1 to 100."""

    def through(self, picture: Bytes, rate: float) -> Bytes | None:
        stored = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR) if picture.ndim == 3 else picture
        low, high, best = 1, 100, None
        while low <= high:
            middle = (low + high) // 2
            encoded = cv2.imencode(self.suffix, stored, [*self.options, middle])[1]
            if len(encoded) <= rate * picture.size:
                low, best = middle + 1, encoded
            else:
                high = middle - 1
        if best is None:
            return None
        back = cv2.imdecode(best, cv2.IMREAD_COLOR if picture.ndim == 3 else cv2.IMREAD_GRAYSCALE)
        return np.asarray(cv2.cvtColor(back, cv2.COLOR_BGR2RGB) if picture.ndim == 3 else back, np.uint8)


class Jpeg(ImageFormat):
    """JPEG with optimized Huffman tables."""

    name = "jpeg"
    suffix = ".jpg"
    options: ClassVar = [cv2.IMWRITE_JPEG_OPTIMIZE, 1, cv2.IMWRITE_JPEG_QUALITY]


class WebP(ImageFormat):
    """Lossy WebP."""

    name = "webp"
    suffix = ".webp"
    options: ClassVar = [cv2.IMWRITE_WEBP_QUALITY]


class Avif(ImageFormat):
    """AVIF."""

    name = "avif"
    suffix = ".avif"
    options: ClassVar = [cv2.IMWRITE_AVIF_QUALITY]


CODECS: dict[str, Codec] = {codec.name: codec for codec in (ZonalDct(), Jpeg(), WebP(), Avif())}
"""By name, in the order in which they are measured."""
