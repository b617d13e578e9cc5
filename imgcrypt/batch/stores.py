"""Files by path or fsspec URL: listed, read, and written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import fsspec
from fsspec.implementations.local import LocalFileSystem

from imgcrypt import files
from imgcrypt.errors import DependencyError, ImgcryptError

WHOLE = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "az", "adl", "oss", "oci", "memory"})
"""Stores in which an upload is seen when it is complete and not before. In others it gets its name at the end."""
STAMPS = ("ETag", "etag", "mtime", "LastModified", "updated", "last_modified", "modified", "created")
"""Fields of a listing by which a changed file is told, best first."""


class Listed(NamedTuple):
    """A file or folder in a folder."""

    name: str
    size: int
    stamp: str
    """Whatever the store has that changes when the file does: its tag, or when it was written."""
    kind: str
    """``file``, ``directory``, or ``other``: devices, pipes and links to folders."""


class Place(NamedTuple):
    """A file or folder of a store."""

    fs: Any
    path: str

    @property
    def local(self) -> bool:
        """Whether it is on this machine's own file system."""
        return isinstance(self.fs, LocalFileSystem)

    @property
    def private(self) -> bool:
        """Whether the store is in this process alone."""
        return "memory" in _protocols(self.fs)

    def child(self, name: str) -> Place:
        """What lies in it by a relative name, with slashes between folders."""
        return Place(self.fs, f"{self.path.rstrip('/')}/{name}" if name else self.path)

    def __str__(self) -> str:
        return self.path if self.local else str(self.fs.unstrip_protocol(self.path))


def is_url(name: str) -> bool:
    """Whether it is a URL rather than a path of this machine's."""
    return "://" in name


def place(name: str | os.PathLike[str]) -> Place:
    """What a path or URL names.

    Raises:
        DependencyError: the library of the store is not installed.
        ImgcryptError: no store is named so.
    """
    text = os.fspath(name)
    if not is_url(text):
        return Place(LocalFileSystem(), LocalFileSystem._strip_protocol(text))
    try:
        fs, path = fsspec.url_to_fs(text)
    except ImportError as error:
        raise DependencyError(f"cannot open {text}: {error}") from None
    except Exception as error:  # each store has errors of its own
        raise files.FileError(f"cannot open {text}: {_reason(error)}") from None
    return Place(fs, path)


def kind(where: Place) -> str | None:
    """``file``, ``directory``, ``other``, or None where there is nothing."""
    with _told("look at", where):
        try:
            where.fs.invalidate_cache(where.path)
            return str(where.fs.info(where.path)["type"])
        except FileNotFoundError:
            return None


def listing(where: Place) -> list[Listed]:
    """What lies in a folder, by name; nothing if it is not there.

    Raises:
        FileError: it cannot be listed.
    """
    with _told("list", where):
        try:
            where.fs.invalidate_cache(where.path)
            found = where.fs.ls(where.path, detail=True)
        except FileNotFoundError:
            return []
        return sorted(_listed(where, info) for info in found if info["name"].strip("/") != where.path.strip("/"))


def file(where: Place) -> Listed:
    """One file, as :func:`listing` has it.

    Raises:
        FileError: it is not there.
    """
    with _told("read", where):
        return _listed(where, where.fs.info(where.path))


def read(where: Place, most: int = files.MOST_BYTES) -> bytes:
    """A file's bytes.

    Raises:
        FileError: it cannot be read, or is longer than ``most``.
    """
    if where.local:
        return files.read_file(where.path, most)
    with _told("read", where):
        if (where.fs.info(where.path)["size"] or 0) > most:
            raise files.FileError(f"cannot read {where}: it is longer than {most:,} bytes")
        return bytes(where.fs.cat_file(where.path))


def size(where: Place) -> int | None:
    """Bytes of a file, or None where there is none."""
    with _told("look at", where):
        try:
            return int(where.fs.info(where.path)["size"])
        except FileNotFoundError:
            return None


def write(where: Place, data: bytes, force: bool, private: bool) -> None:
    """Write a file that is seen when it is whole and not before; its folders are made.

    Args:
        where: the file's place.
        data: all of it.
        force: replace an existing file.
        private: a new local file is for its owner alone.

    Raises:
        FileError: it exists and ``force`` is not given, or it cannot be written.
    """
    with _told("write", where):
        try:
            if where.local:
                path = Path(where.path)
                path.parent.mkdir(parents=True, exist_ok=True)
                files.write_file(path, data, force, private)
                return
            if not force and where.fs.exists(where.path):
                raise FileExistsError
        except FileExistsError:
            raise files.FileError(f"{where} exists and is left alone; --force (force=True) replaces it") from None
        if _protocols(where.fs) & WHOLE:
            where.fs.pipe_file(where.path, data)
        else:
            _write_and_move(where, data)


def remove(where: Place) -> None:
    """Remove a file, if it is there."""
    with _told("remove", where), contextlib.suppress(FileNotFoundError):
        where.fs.rm_file(where.path)


def _write_and_move(where: Place, data: bytes) -> None:
    folder = where.path.rpartition("/")[0]
    part = f"{folder}/{files.PART.format(secrets.token_hex(8))}"
    where.fs.makedirs(folder, exist_ok=True)
    try:
        where.fs.pipe_file(part, data)
        where.fs.mv(part, where.path)
    except BaseException:
        with contextlib.suppress(Exception):
            where.fs.rm_file(part)
        raise


def _listed(where: Place, info: dict[str, Any]) -> Listed:
    kind = info["type"]
    if kind == "other" and info.get("islink"):
        # A link to a file is that file. One to a folder may lead back here.
        with contextlib.suppress(OSError):
            info = where.fs.info(info["name"])
            kind = "other" if info["type"] == "directory" else info["type"]
    stamp = next((str(info[field]) for field in STAMPS if info.get(field) is not None), "")
    return Listed(info["name"].rstrip("/").rsplit("/", 1)[-1], int(info["size"] or 0), stamp, kind)


def _protocols(fs: Any) -> set[str]:
    return {fs.protocol} if isinstance(fs.protocol, str) else set(fs.protocol)


@contextlib.contextmanager
def _told(what: str, where: Place) -> Iterator[None]:
    try:
        yield
    except (ImgcryptError, MemoryError):
        raise
    except Exception as error:  # each store has errors of its own
        raise files.FileError(f"cannot {what} {where}: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split())[:200] or type(error).__name__
