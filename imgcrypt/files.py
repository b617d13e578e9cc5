"""Reading inputs and writing outputs for the shell commands: whole or not at all, never over an existing file."""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
import select
import signal
import stat
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO

from imgcrypt.errors import ImgcryptError

STANDARD = "-"
"""The name of standard input or output."""
MOST_BYTES = 2**32
"""Of an input whose reader sets no limit of its own: beyond it lie pipes without end."""
PIECE_BYTES = 2**22
PART = ".imgcrypt-{}.part"
"""Name of a file that is being written, where the system has no unnamed ones."""


class FileError(ImgcryptError):
    """A file that cannot be read or written."""


def read(name: str, most: int = MOST_BYTES) -> bytes:
    """The bytes of a file, or of standard input.

    Raises:
        FileError: it cannot be read, or it is longer than ``most`` bytes.
    """
    if name != STANDARD:
        return read_file(name, most)
    if sys.stdin is None:
        raise FileError("standard input is closed; name a file instead")
    try:
        return _read_all(sys.stdin.buffer, "standard input", most)
    except OSError as error:
        raise FileError(f"cannot read standard input: {error.strerror}") from None


@contextlib.contextmanager
def opened(name: str | os.PathLike[str], kind: str = "") -> Iterator[BinaryIO]:
    """A file to read as much of as is needed; for ``kind`` see :func:`read_file`.

    Raises:
        FileError: it cannot be read.
    """
    kind = kind and f"the {kind} "
    try:
        try:
            file = Path(name).open("rb")  # noqa: SIM115, closed below
        except ValueError:
            raise FileError(f"cannot read {kind}{os.fspath(name)!r}: no file has such a name") from None
        with file:
            yield file
    except OSError as error:
        raise FileError(f"cannot read {kind}{name}: {error.strerror}") from None


def read_file(name: str | os.PathLike[str], most: int = MOST_BYTES, kind: str = "") -> bytes:
    """The bytes of a file or named pipe, of which at most so many are taken into memory.

    Args:
        name: the file's.
        most: bytes.
        kind: what errors call the file, "key file" for example.

    Raises:
        FileError: it cannot be read, is a device, or is longer than ``most`` bytes.
    """
    with opened(name, kind) as file:
        return _read_all(file, f"{kind and f'the {kind} '}{os.fspath(name)}", most)


def _read_all(stream: IO[bytes], name: str, most: int) -> bytes:
    too_long = FileError(f"cannot read {name}: it is longer than {most:,} bytes")
    status = _status(stream)
    if status is not None and (stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode)) and not stream.isatty():
        raise FileError(f"cannot read {name}: it is a device, not a file")
    if status is not None and stat.S_ISREG(status.st_mode) and status.st_size > most:
        raise too_long
    pieces, length = [], 0
    while piece := stream.read(PIECE_BYTES):
        pieces.append(piece)
        length += len(piece)
        if length > most:
            raise too_long
    return b"".join(pieces)


def below(name: str, suffix: str) -> list[Path]:
    """The file; or, of a folder, the files of this suffix in it and in the folders below, links to folders aside.

    Raises:
        FileError: there is no such file or folder, it cannot be read, or the folder holds no such file.
    """

    def refuse(error: OSError) -> None:
        raise FileError(f"cannot read the folder {error.filename}: {error.strerror}")

    try:
        if not Path(name).is_dir():
            Path(name).stat()
            return [Path(name)]
    except OSError as error:
        raise FileError(f"cannot read {name}: {error.strerror}") from None
    except ValueError:
        raise FileError(f"cannot read {name!r}: no file has such a name") from None
    walk = os.walk(name, onerror=refuse)
    found = sorted(Path(folder) / each for folder, _, names in walk for each in names if each.lower().endswith(suffix))
    if not found:
        raise FileError(f"there is no {suffix} file in {name}; name a file, or another folder")
    return found


def check_output(name: str, force: bool, inputs: Iterable[str] = ()) -> None:
    """Refuse early what :func:`write` would refuse, and an output that is one of the command's inputs.

    Raises:
        FileError: the file exists and ``force`` is not given, it is also an input, its folder is not there, or
            standard output is a terminal.
    """
    if not name:
        raise FileError("the output has no name; give one with -o")
    if name == STANDARD:
        if sys.stdout is None:
            raise FileError("standard output is closed; name a file with -o")
        if sys.stdout.isatty():
            raise FileError("standard output is a terminal, and the output is not text; give -o FILE or a pipe")
    try:
        path = Path(name)
        if name != STANDARD and path.is_dir():
            raise FileError(f"{name} is a folder; name a file in it with -o")
        same = _identity(name, sys.stdout)
        for other in inputs:
            if same is not None and same == _identity(other, sys.stdin):
                raise FileError(f"the output {name} is the input {other} itself; give -o another name")
        if name == STANDARD or _is_stream(path):
            return
        if os.path.lexists(path) and not force:
            raise _exists(name)
        # Both say why where that is impossible.
        path.parent.stat()
        with contextlib.suppress(FileNotFoundError):
            path.lstat()
        if not path.parent.is_dir():
            raise FileError(f"cannot write {name}: {path.parent} is not a folder")
        if not os.access(path.parent, os.W_OK):
            raise FileError(f"cannot write {name}: the folder may not be written to")
    except OSError as error:
        raise FileError(f"cannot write {name}: {error.strerror}") from None
    except ValueError:
        raise FileError(f"cannot write {name!r}: no file has such a name") from None


def write(name: str, data: bytes | memoryview, force: bool, *, private: bool = False) -> None:
    """Write a file out of sight and give it its name when it is whole; or write to standard output.

    A file that is replaced hands on its permissions.

    Args:
        name: the file's, or STANDARD.
        data: all of it.
        force: replace an existing file. Without it none is, even one that came up meanwhile.
        private: a new file is for its owner alone, instead of for those whom the umask allows.

    Raises:
        FileError: as :func:`check_output`, or the file cannot be written.
    """
    check_output(name, force)
    path = Path(name)
    try:
        if name == STANDARD:
            _write_all(sys.stdout.buffer, data)
        elif _is_stream(path):
            with path.open("wb", buffering=0) as stream:
                _write_all(stream, data)
        else:
            write_file(path, data, force, private)
    except FileExistsError:
        raise _exists(name) from None
    except BrokenPipeError:
        raise
    except OSError as error:
        where = "to standard output" if name == STANDARD else name
        raise FileError(f"cannot write {where}: {error.strerror}") from None


def _exists(name: str) -> FileError:
    return FileError(f"{name} exists and is left alone; give --force to replace it, or -o for another name")


def _write_all(stream: IO[bytes], data: bytes | memoryview) -> None:
    """Write and flush; an unbuffered stream may take a part only, one that does not wait nothing."""
    rest = memoryview(data)
    while rest:
        try:
            taken = stream.write(rest)
        except BlockingIOError as error:
            taken = error.characters_written
        if not taken:
            select.select([], [stream], [])
        rest = rest[taken or 0 :]
    while True:
        try:
            return stream.flush()
        except BlockingIOError:
            select.select([], [stream], [])


def write_file(path: Path, data: bytes | memoryview | Iterable[bytes], force: bool, private: bool) -> None:
    """As :func:`write`, for a regular file alone, whose bytes may come in pieces.

    File and folder are synced, so that a power cut leaves them whole.

    Raises:
        OSError: it cannot be written; FileExistsError: it exists, and ``force`` is not given.
        ValueError: no file has such a name.
    """
    _sweep(path.parent)
    part = path.with_name(PART.format(secrets.token_hex(8)))
    with _removed_at_the_end(part):
        handle, named = _open(part, 0o600 if private else 0o666)
        try:
            for piece in (data,) if isinstance(data, bytes | memoryview) else data:
                rest = memoryview(piece)
                while rest:
                    rest = rest[os.write(handle, rest) :]
            if path.is_file() and not path.is_symlink() and hasattr(os, "fchmod"):
                os.fchmod(handle, stat.S_IMODE(path.stat().st_mode))
            os.fsync(handle)
            if not named:
                try:
                    _link_unnamed(handle, path)
                except FileExistsError:
                    if not force:
                        raise
                    _link_unnamed(handle, part)
                    named = True
            if named:
                # Windows renames no open file.
                os.close(handle)
                handle = -1
                _rename(part, path, force)
        finally:
            if handle >= 0:
                os.close(handle)
    with contextlib.suppress(OSError):
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _open(part: Path, mode: int) -> tuple[int, bool]:
    """A new file to write, and whether it has a name already: where it has none, no accident can leave it behind."""
    if hasattr(os, "O_TMPFILE") and Path("/proc/self/fd").is_dir():
        # The file system may not do it, or the folder not allow it: then the other way tells.
        with contextlib.suppress(OSError):
            handle = os.open(part.parent, os.O_TMPFILE | os.O_RDWR, mode)
            _lock(handle)
            return handle, False
    while True:
        handle = os.open(part, os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_BINARY", 0), mode)
        _lock(handle)
        if os.name != "posix" or os.fstat(handle).st_nlink:
            return handle, True
        # Another process took it for abandoned, in the moment before the lock.
        os.close(handle)


def _link_unnamed(handle: int, path: Path) -> None:
    folder = os.open("/proc/self/fd", os.O_RDONLY)
    try:
        # With a folder given, Python follows the link that /proc has for the file; open(2) describes the way.
        os.link(str(handle), path, src_dir_fd=folder, follow_symlinks=True)
    finally:
        os.close(folder)


def _rename(part: Path, path: Path, force: bool) -> None:
    if force:
        part.replace(path)
        return
    try:
        path.hardlink_to(part)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError):
        # No hard links there: take the name first, which one process alone can do, then replace what was taken.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        part.replace(path)


@contextlib.contextmanager
def _removed_at_the_end(part: Path) -> Iterator[None]:
    """Whatever happens, by an error or by a signal that can be caught, the part is no more."""
    signals = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGQUIT") if hasattr(signal, name)]
    before: dict[int, Any] = {}

    def die(number: int, _: object) -> None:
        part.unlink(missing_ok=True)
        signal.signal(number, before[number] or signal.SIG_DFL)
        os.kill(os.getpid(), number)

    if threading.current_thread() is threading.main_thread():
        # What is ignored stays ignored, as under nohup.
        before = {n: signal.getsignal(n) for n in signals if signal.getsignal(n) is not signal.SIG_IGN}
        for number in before:
            signal.signal(number, die)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)


@functools.cache
def _sweep(folder: Path) -> None:
    """Remove the parts of processes that died: those that no process holds locked. Once in a process and folder."""
    if os.name != "posix":
        return
    import fcntl

    for part in folder.glob(PART.format("*")):
        with contextlib.suppress(OSError):
            handle = os.open(part, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                part.unlink()
            finally:
                os.close(handle)


def _lock(handle: int) -> None:
    """Say that this file is alive, for as long as it is open. Some file systems have no locks: no sweeping there."""
    if os.name == "posix":
        import fcntl

        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)


def _status(stream: IO[Any]) -> os.stat_result | None:
    try:
        return os.fstat(stream.fileno())
    except (OSError, AttributeError):
        return None


def _identity(name: str, standard: IO[Any] | None) -> tuple[int, int] | None:
    """Device and number of a regular file, by name or behind a standard stream."""
    try:
        status = Path(name).stat() if name != STANDARD else _status(standard) if standard is not None else None
    except (OSError, ValueError):
        return None
    if status is None or not stat.S_ISREG(status.st_mode) or not status.st_ino:
        return None
    return status.st_dev, status.st_ino


def _is_stream(path: Path) -> bool:
    """Whether the name is a device or a pipe, which take data and must not be replaced."""
    return path.exists() and not path.is_file() and not path.is_dir()
