"""Any file as it is: its own bytes in, encrypted bytes out, and back with its name. docs/format.md, mode exact."""

from __future__ import annotations

import os
from pathlib import PurePath
from types import ModuleType
from typing import NamedTuple

import numpy as np

from imgcrypt import boundary, envelope, loading
from imgcrypt.api import SUITES
from imgcrypt.container import CHUNK_EXPONENT, Content, Mode
from imgcrypt.errors import DamagedError, ImageError, ImgcryptError
from imgcrypt.keys import Key
from imgcrypt.pictures import metadata
from imgcrypt.pictures.metadata import Metadata


class ExactFile(NamedTuple):
    """What :func:`decrypt_bytes` returns: ``data, name = imgcrypt.decrypt_bytes(blob, key)``."""

    data: bytes
    name: str | None
    """Without folders; whoever encrypted the file chose it."""

    def __repr__(self) -> str:
        return f"ExactFile({len(self.data)} bytes)"


@boundary.public
def encrypt_bytes(
    data: bytes | bytearray | memoryview,
    key: Key,
    *,
    name: str | os.PathLike[str] | None = None,
    suite: str = "hybrid",
) -> bytes:
    """Encrypt a file's own bytes, whatever they are, into the bytes of an ``.imgc`` file.

    Args:
        data: the file's bytes; they come back exactly, metadata and all.
        key: who may open it.
        name: the file's name, which is encrypted too; folders in it are left out.
        suite: as imgcrypt.encrypt's.

    Raises:
        ImgcryptError: no such suite.
    """
    if suite not in SUITES:
        raise ImgcryptError(f"no suite is called {suite!r}; choose from {', '.join(SUITES)}")
    content = Content(
        suite=SUITES[suite],
        mode=Mode.EXACT,
        height=0,
        width=0,
        channels=0,
        sample_bytes=0,
        net=None,
        chunk_exponent=CHUNK_EXPONENT,
    )
    said = Metadata(name=None if name is None else PurePath(name).name or None)
    payload = np.frombuffer(data, np.uint8)
    return envelope.seal(payload, content, key, envelope.Secrets.fresh(), metadata.pack(said))


@boundary.public
def decrypt_bytes(blob: bytes | bytearray | memoryview, key: Key) -> ExactFile:
    """The file in what :func:`encrypt_bytes` made: its bytes and its name.

    Raises:
        ImageError: a picture was encrypted, not a file.
        ContainerError: not an imgcrypt file, of a newer version, truncated or damaged (a subclass each).
        WrongKeyError: made for another key.
    """
    header, data, packed = envelope.open_whole(blob, key)
    if header.mode is not Mode.EXACT:
        raise ImageError("there is a picture in the file, not another file's bytes: open it with decrypt")
    return ExactFile(data.tobytes(), metadata.unpack(packed).name)


def _import_recovery() -> ModuleType:
    # It loads what nothing else here needs.
    from imgcrypt import recovery

    return recovery


@boundary.public
def recover_bytes(blob: bytes | bytearray | memoryview, key: Key) -> ExactFile:
    """As :func:`decrypt_bytes`, where the damage spared every byte of the file in it: its own bytes cannot be guessed.

    Raises:
        DamagedError: some of the file's bytes are lost.
        ImageError, ContainerError, WrongKeyError: as decrypt_bytes.
    """
    opened = loading.whole(_import_recovery).open_damaged(blob, key)
    if opened.header.mode is not Mode.EXACT:
        raise ImageError("there is a picture in the file, not another file's bytes: open it with recover")
    if not opened.authentic:
        raise DamagedError("bytes of the file are lost that nothing can stand in for; get another copy of it")
    return ExactFile(opened.payload.tobytes(), metadata.unpack(opened.metadata or b"").name)
