"""Any file as it is: its own bytes in, encrypted bytes out, and back with its name. docs/format.md, mode exact."""

from __future__ import annotations

import os
from pathlib import PurePath
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imgcrypt import boundary, envelope, inputs, loading, opening, profiles
from imgcrypt.container import Content, Mode, Suite
from imgcrypt.errors import DamagedError, ImageError
from imgcrypt.inputs import Protection, SuiteName
from imgcrypt.keys import Keys, Openers
from imgcrypt.pictures import metadata
from imgcrypt.pictures.metadata import Metadata

if TYPE_CHECKING:
    from typing_extensions import Buffer


class ExactFile(NamedTuple):
    """What :func:`decrypt_bytes` returns: ``data, name = imgcrypt.decrypt_bytes(blob, key)``."""

    data: bytes
    name: str | None
    """Without folders; whoever encrypted the file chose it."""

    def __repr__(self) -> str:
        return f"ExactFile({len(self.data)} bytes)"


@boundary.public
def encrypt_bytes(
    data: Buffer,
    key: Keys,
    *,
    name: str | os.PathLike[str] | None = None,
    suite: SuiteName = "hybrid",
    protection: Protection | None = None,
    survive: float | None = None,
    associated_data: Buffer = b"",
) -> bytes:
    """Encrypt a file's own bytes, whatever they are, into the bytes of an ``.imgc`` file.

    Args:
        data: the file's bytes; they come back exactly, metadata and all.
        key: who may open it: a Key, a Recipient, or several of them.
        name: the file's name, which is encrypted too; folders in it are left out.
        suite, protection, survive, associated_data: as imgcrypt.encrypt's.

    Raises:
        ImgcryptError: no such suite or protection.
    """
    keys, associated_data = inputs.keys(key), inputs.associated_data(associated_data)
    content = Content(
        suite=Suite[inputs.suite(suite).upper()],
        mode=Mode.EXACT,
        height=0,
        width=0,
        channels=0,
        sample_bytes=0,
        net=None,
    )
    said = Metadata(name=None if name is None else PurePath(name).name or None)
    payload = np.frombuffer(inputs.blob(data), np.uint8)
    layout = profiles.lay_out(inputs.profile(protection, survive) or profiles.LIGHT, len(payload), layered=False)
    return envelope.seal(payload, content, layout, keys, envelope.Secrets.fresh(), metadata.pack(said), associated_data)


@boundary.public
def decrypt_bytes(blob: Buffer, key: Openers, *, associated_data: Buffer = b"") -> ExactFile:
    """The file in what :func:`encrypt_bytes` made: its bytes and its name.

    Raises:
        ImageError: a picture was encrypted, not a file.
        ContainerError: not an imgcrypt file, of a newer version, truncated or damaged (a subclass each).
        WrongKeyError: made for another key.
    """
    opened = opening.open_(inputs.blob(blob), inputs.openers(key), inputs.associated_data(associated_data))
    if opened.header.mode is not Mode.EXACT:
        raise ImageError("there is a picture in the file, not another file's bytes: open it with decrypt")
    return ExactFile(opened.payload.tobytes(), metadata.unpack(opened.metadata).name)


def _import_recovery() -> ModuleType:
    # It loads what nothing else here needs.
    from imgcrypt import recovery

    return recovery


@boundary.public
def recover_bytes(blob: Buffer, key: Openers, *, associated_data: Buffer = b"") -> ExactFile:
    """As :func:`decrypt_bytes`, where the damage spared every byte of the file in it: its own bytes cannot be guessed.

    Raises:
        DamagedError: some of the file's bytes are lost.
        ImageError, ContainerError, WrongKeyError: as decrypt_bytes.
    """
    opened = loading.whole(_import_recovery).open_damaged(
        inputs.blob(blob), inputs.openers(key), inputs.associated_data(associated_data)
    )
    if opened.header.mode is not Mode.EXACT:
        raise ImageError("there is a picture in the file, not another file's bytes: open it with recover")
    if not opened.authentic:
        raise DamagedError("bytes of the file are lost that nothing can stand in for; get another copy of it")
    return ExactFile(opened.payload.tobytes(), metadata.unpack(opened.metadata or b"").name)
