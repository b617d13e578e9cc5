"""Opens a file, mending what its parity mends. docs/format.md, sections 3.3 and 3.5."""

from __future__ import annotations

import logging
from types import ModuleType
from typing import NamedTuple

from imgcrypt import envelope, loading
from imgcrypt.arrays import Bytes
from imgcrypt.container import Header
from imgcrypt.errors import ContainerError, DamagedError, ImgcryptError
from imgcrypt.keys import Openers

_logger = logging.getLogger(__name__)


class Opened(NamedTuple):
    """What is in a file, authentic.

    Of ``payload``, uint8 (n,), the first ``proven`` bytes count: fewer than all only if loss was allowed. ``damaged``
    says how many of the packets were, None if nothing of the file was.
    """

    header: Header
    payload: Bytes
    metadata: bytes
    damaged: int | None
    proven: int


def open_(
    data: bytes | bytearray | memoryview,
    key: Openers,
    associated_data: bytes = b"",
    out: Bytes | None = None,
    allow_loss: bool = False,
) -> Opened:
    """The content of a file. If it is damaged and all of it comes back by its parity, that is logged as a warning.

    Args:
        data: the file.
        key: one that opens it.
        associated_data: what it was made with.
        out: uint8 (n,) to write the payload to, which then is that array; ``None`` makes a new one.
        allow_loss: take some of the payload, and no metadata, if no more is proven.

    Raises:
        ContainerError: what container.parse raises; or it is damaged beyond what its parity mends.
        WrongKeyError: no slot of the file opens with ``key``.
    """
    try:
        header, payload, metadata = envelope.open_(data, key, associated_data, out)
        return Opened(header, payload, metadata, None, len(payload))
    except ContainerError as error:
        # Whatever the first copy of the header seems to be: the second one may be right.
        refusal = error
    recovery = loading.whole(_import_recovery)
    try:
        found = recovery.open_damaged(data, key, associated_data)
    except ImgcryptError:
        # It says less than what was wrong at first.
        raise refusal from None
    kept = sum(part.length for part in found.header.payload_parts[: found.whole])
    if not found.complete:
        if allow_loss and (found.authentic or found.coarser):
            return Opened(found.header, found.payload, found.metadata or b"", found.damaged, kept)
        if found.authentic:
            raise DamagedError(
                f"{refusal}; to recover it would give all but what was encrypted beside it (name, profile)"
            )
        if found.coarser:
            raise DamagedError(
                f"{refusal}; to recover it would give a coarser picture, authentic: of {found.header.payload_bytes:,} "
                f"bytes the first {kept:,} are there"
            )
        raise refusal
    _logger.warning("%s", told(found.damaged, found.header.packets))
    if out is None or len(out) != len(found.payload):
        return Opened(found.header, found.payload, found.metadata, found.damaged, kept)
    out[:] = found.payload
    return Opened(found.header, out, found.metadata, found.damaged, kept)


def told(damaged: int, packets: int) -> str:
    """A sentence on a file that was mended."""
    what = f"{damaged} of {packets} packets were damaged" if damaged else "it was damaged beside its packets"
    return f"repaired: {what}; make a fresh copy of the file (imgcrypt repair)"


def _import_recovery() -> ModuleType:
    # What an undamaged file does not need.
    from imgcrypt import recovery

    return recovery
