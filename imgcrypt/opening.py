"""Opens a file, mending what its parity mends. docs/format.md, sections 3.3 and 3.5."""

from __future__ import annotations

import logging
from types import ModuleType
from typing import NamedTuple

from imgcrypt import envelope, loading
from imgcrypt.arrays import Bytes
from imgcrypt.container import Header
from imgcrypt.errors import ContainerError, DamagedError, ImgcryptError
from imgcrypt.keys import Key

_logger = logging.getLogger(__name__)


class Opened(NamedTuple):
    """All that is in a file, authentic: ``payload`` is uint8 (n,); ``damaged`` says how many of its packets were."""

    header: Header
    payload: Bytes
    metadata: bytes
    damaged: int


def open_(
    data: bytes | bytearray | memoryview, key: Key, associated_data: bytes = b"", out: Bytes | None = None
) -> Opened:
    """The content of a file. If it is damaged and all of it comes back by its parity, that is logged as a warning.

    Args:
        data: the file.
        key: one that opens it.
        associated_data: what it was made with.
        out: uint8 (n,) to write the payload to, which then is that array; ``None`` makes a new one.

    Raises:
        ContainerError: what container.parse raises; or it is damaged beyond what its parity mends.
        WrongKeyError: no slot of the file opens with ``key``.
    """
    try:
        return Opened(*envelope.open_(data, key, associated_data, out), 0)
    except ContainerError as error:
        # Whatever the first copy of the header seems to be: the second one may be right.
        refusal = error
    recovery = loading.whole(_import_recovery)
    try:
        found = recovery.open_damaged(data, key, associated_data)
    except ImgcryptError:
        # It says less than what was wrong at first.
        raise refusal from None
    if not found.complete:
        if found.whole:
            kept = sum(part.length for part in found.header.payload_parts[: found.whole])
            raise DamagedError(
                f"{refusal}; to recover it would give a coarser picture, authentic: of {found.header.payload_bytes:,} "
                f"bytes the first {kept:,} are there"
            )
        raise refusal
    _logger.warning("%s", told(found.damaged, found.header.packets))
    if out is None or len(out) != len(found.payload):
        return Opened(found.header, found.payload, found.metadata, found.damaged)
    out[:] = found.payload
    return Opened(found.header, out, found.metadata, found.damaged)


def told(damaged: int, packets: int) -> str:
    """A sentence on a file that was mended."""
    what = f"{damaged} of {packets} packets were damaged" if damaged else "it was damaged beside its packets"
    return f"repaired: {what}; make a fresh copy of the file (imgcrypt repair)"


def _import_recovery() -> ModuleType:
    # What an undamaged file does not need.
    from imgcrypt import recovery

    return recovery
