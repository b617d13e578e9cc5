"""A small picture from the first few kilobytes of a file. docs/format.md, section 2.3."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, cast

import numpy as np

from imgcrypt import boundary, container, envelope, inputs, payload
from imgcrypt.arrays import Bytes, Image
from imgcrypt.container import Header
from imgcrypt.errors import ImageError, TruncatedError
from imgcrypt.keys import Openers

if TYPE_CHECKING:
    from typing_extensions import Buffer

SCALE = 8
"""By which a preview is smaller than the picture, each way."""


@boundary.public
def preview(file: Buffer | BinaryIO, key: Openers, *, full_size: bool = False, associated_data: Buffer = b"") -> Image:
    """A coarse picture from the first layer of a file alone, which stands behind the header.

    Args:
        file: its bytes, at least the first ones; or a binary file that can be read and sought in, of which no more is
            read than the header and the layer, some kilobytes.
        key: one that opens the file.
        full_size: the picture in its own size instead of an eighth of it each way, rounded up.
        associated_data: the bytes that it was made with.

    Returns:
        uint8 (h, w), (h, w, 3) or (h, w, 4); alpha, which the first layer has not, is opaque.

    Raises:
        ImageError: the file has no preview: it is small, not sampled by the default net, or holds another file.
        ContainerError: not an imgcrypt file, of a newer version, or its first bytes are truncated or damaged.
        WrongKeyError: made for another key.
    """
    key, said = inputs.openers(key), inputs.associated_data(associated_data)
    data = _beginning(cast(BinaryIO, file)) if hasattr(file, "read") else inputs.blob(file)
    header = container.parse(data, whole=False)
    file_key = envelope.unlock(header, data[: header.header_bytes], key, said)
    payload.check_picture(header.content)
    if not header.front:
        raise ImageError("the file has no preview: its picture is small or in one piece; decrypt it")
    if len(data) < header.packet_at(0):
        raise TruncatedError("the file ends inside its preview; copy it again from where it came")
    first = envelope.open_front(data, header, file_key)
    picture = payload.decode_front(first, header.content)
    return picture if full_size else smaller(picture)


def smaller(picture: Image) -> Image:
    """The means of SCALE x SCALE pixels, fewer at the lower and right end: uint8, rounded."""
    height, width = (-(-length // SCALE) * SCALE for length in picture.shape[:2])
    margins = [(0, height - picture.shape[0]), (0, width - picture.shape[1])] + [(0, 0)] * (picture.ndim - 2)
    whole = np.pad(picture, margins, "edge")
    blocks = whole.reshape(height // SCALE, SCALE, width // SCALE, SCALE, *picture.shape[2:])
    means: Bytes = (blocks.mean((1, 3), dtype=np.float32) + 0.5).astype(np.uint8)
    return means


def _beginning(file: BinaryIO) -> memoryview:
    """The header and what stands behind it."""
    head = file.read(container.FIXED.size)
    data = head + file.read(max(container.header_length(head) - len(head), 0))
    header: Header = container.parse(data, whole=False)
    return memoryview(data + file.read(header.front_bytes))
