"""Inputs are read or refused with a sentence; outputs are whole or not there, and replace nothing unasked."""

from __future__ import annotations

import errno
import io
import os
import stat
import sys
from pathlib import Path

import pytest

from imgcrypt import files
from imgcrypt.errors import ImgcryptError
from imgcrypt.files import FileError


class Stream(io.TextIOWrapper):
    """A standard stream over bytes in memory."""

    def __init__(self, data: bytes = b"", *, terminal: bool = False, fault: int = 0) -> None:
        self.raw_bytes = io.BytesIO(data)
        self.terminal = terminal
        if fault:
            self.raw_bytes.write = self.fail  # type: ignore[method-assign]
        self.fault = fault
        super().__init__(self.raw_bytes)

    def fail(self, _: object) -> int:
        raise OSError(self.fault, os.strerror(self.fault))

    def isatty(self) -> bool:
        return self.terminal


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_file_error_is_one_of_the_packages() -> None:
    assert issubclass(FileError, ImgcryptError)


def test_reads_a_file_or_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").write_bytes(b"\0\xff\r\n")
    assert files.read(str(tmp_path / "in")) == b"\0\xff\r\n"
    monkeypatch.setattr(sys, "stdin", Stream(b"\r\n\xff\0"))
    assert files.read("-") == b"\r\n\xff\0"


@pytest.mark.parametrize("name", ["nowhere", "", ".", "a" * 300, "in/side"])
def test_unreadable_input_is_refused_by_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in").touch()
    with pytest.raises(FileError, match=f"cannot read {name}"):
        files.read(name)


def test_writes_a_whole_file_and_nothing_else(tmp_path: Path) -> None:
    for name in ("out", "with space", "käse 図.imgc", "-dash", ".hidden"):
        files.write(str(tmp_path / name), name.encode(), force=False)
    assert contents(tmp_path) == {
        name: name.encode() for name in ("out", "with space", "käse 図.imgc", "-dash", ".hidden")
    }


def test_new_file_has_the_permissions_that_the_user_wants(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        files.write(str(tmp_path / "out"), b"data", force=False)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o640


@pytest.mark.parametrize("length", [100, 240, 250, 255])
@pytest.mark.parametrize("letter", ["a", "é", "図"])
def test_name_as_long_as_the_file_system_allows_is_written(length: int, letter: str, tmp_path: Path) -> None:
    name = letter * (length // len(letter.encode()))
    (tmp_path / name).touch()
    files.write(str(tmp_path / name), b"data", force=True)
    assert contents(tmp_path) == {name: b"data"}


def test_existing_file_is_left_alone_without_force(tmp_path: Path) -> None:
    out, dangling = tmp_path / "out", tmp_path / "link"
    out.write_bytes(b"precious")
    dangling.symlink_to(tmp_path / "nowhere")
    for path in (out, dangling):
        for refuse in (lambda p: files.check_output(p, force=False), lambda p: files.write(p, b"new", force=False)):
            with pytest.raises(FileError, match="--force"):
                refuse(str(path))
    assert contents(tmp_path) == {"out": b"precious"}
    files.check_output(str(out), force=True)
    files.write(str(out), b"new", force=True)
    assert contents(tmp_path) == {"out": b"new"}


@pytest.mark.parametrize("force", [True, False])
def test_folder_is_no_output(force: bool, tmp_path: Path) -> None:
    with pytest.raises(FileError, match="is a folder"):
        files.check_output(str(tmp_path), force)
    with pytest.raises(FileError, match="is a folder"):
        files.write(str(tmp_path), b"data", force)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["no/folder/out", "in/side", "a" * 300])
def test_output_that_cannot_be_made_is_refused_by_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in").touch()
    with pytest.raises(FileError, match=f"cannot write {name}"):
        files.write(name, b"data", force=False)
    assert contents(tmp_path) == {"in": b""}


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("fault", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_write_that_fails_leaves_the_old_file_and_no_part(
    step: str, fault: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise fault

    (tmp_path / "out").write_bytes(b"old")
    monkeypatch.setattr(*{"fsync": (os, "fsync"), "replace": (Path, "replace")}[step], fail)
    expected = KeyboardInterrupt if isinstance(fault, KeyboardInterrupt) else FileError
    with pytest.raises(expected):
        files.write(str(tmp_path / "out"), b"new", force=True)
    assert contents(tmp_path) == {"out": b"old"}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_device_or_pipe_is_never_replaced_by_a_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    try:
        files.write(str(pipe), b"data", force=True)
        assert os.read(reader, 100) == b"data"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.lstat().st_mode)


def test_read_only_folder_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    if os.access(tmp_path, os.W_OK):
        pytest.skip("permissions do not bind this user")
    with pytest.raises(FileError, match="cannot write"):
        files.write(str(tmp_path / "out"), b"data", force=False)


def test_standard_output_gets_the_bytes_unless_it_is_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe, terminal = Stream(), Stream(terminal=True)
    monkeypatch.setattr(sys, "stdout", pipe)
    files.write("-", b"\0\r\n\xff", force=False)
    assert pipe.raw_bytes.getvalue() == b"\0\r\n\xff"
    monkeypatch.setattr(sys, "stdout", terminal)
    for refuse in (lambda: files.check_output("-", force=True), lambda: files.write("-", b"data", force=True)):
        with pytest.raises(FileError, match="terminal"):
            refuse()
    assert terminal.raw_bytes.getvalue() == b""


def test_full_device_behind_standard_output_is_an_error_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Stream(fault=errno.ENOSPC))
    with pytest.raises(FileError, match="No space left"):
        files.write("-", b"data", force=False)


def test_broken_pipe_is_left_to_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Stream(fault=errno.EPIPE))
    with pytest.raises(BrokenPipeError):
        files.write("-", b"data", force=False)


def test_closed_standard_streams_are_errors_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    # What Python makes of a stream that was closed before it started.
    monkeypatch.setattr(sys, "stdin", None)
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(FileError, match="standard input"):
        files.read("-")
    for refuse in (lambda: files.check_output("-", force=False), lambda: files.write("-", b"data", force=False)):
        with pytest.raises(FileError, match="standard output"):
            refuse()
