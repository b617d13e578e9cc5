"""Reading inputs and writing outputs for the shell commands: whole or not at all, never over an existing file."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from pathlib import Path

from imgcrypt.errors import ImgcryptError

STANDARD = "-"
"""The name of standard input or output."""


class FileError(ImgcryptError):
    """A file that cannot be read or written."""


def read(name: str) -> bytes:
    """The bytes of a file, or of standard input.

    Raises:
        FileError: it cannot be read.
    """
    if name == STANDARD and sys.stdin is None:
        raise FileError("standard input is closed; name a file instead")
    try:
        return sys.stdin.buffer.read() if name == STANDARD else Path(name).read_bytes()
    except OSError as error:
        raise FileError(f"cannot read {name}: {error.strerror}") from None


def check_output(name: str, force: bool) -> None:
    """Refuse early what :func:`write` would refuse.

    Raises:
        FileError: the file exists and ``force`` is not given, or standard output is a terminal.
    """
    if name == STANDARD:
        if sys.stdout is None:
            raise FileError("standard output is closed; name a file with -o")
        if sys.stdout.isatty():
            raise FileError("standard output is a terminal, and the output is not text; give -o FILE or a pipe")
        return
    try:
        exists, is_folder = os.path.lexists(name) and not _is_stream(name), Path(name).is_dir()
    except OSError as error:
        raise FileError(f"cannot write {name}: {error.strerror}") from None
    if is_folder:
        raise FileError(f"{name} is a folder; name a file in it with -o")
    if exists and not force:
        raise FileError(f"{name} exists and is left alone; give --force to replace it, or -o for another name")


def write(name: str, data: bytes, force: bool) -> None:
    """Write a file beside its place and move it there when it is whole; or write to standard output.

    Raises:
        FileError: as :func:`check_output`, or the file cannot be written.
    """
    check_output(name, force)
    if name == STANDARD:
        try:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise FileError(f"cannot write to standard output: {error.strerror}") from None
        return
    path = Path(name)
    if _is_stream(name):
        try:
            path.write_bytes(data)
        except OSError as error:
            raise FileError(f"cannot write {name}: {error.strerror}") from None
        return
    part = path.with_name(f".imgcrypt-{secrets.token_hex(8)}.part")
    try:
        with part.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise FileError(f"cannot write {name}: {error.strerror}") from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def _is_stream(name: str) -> bool:
    """Whether the name is a device or a pipe, which take data and must not be replaced."""
    path = Path(name)
    return path.exists() and not path.is_file() and not path.is_dir()
