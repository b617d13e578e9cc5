"""Inputs are read or refused with a sentence; outputs are whole or not there, and replace nothing unasked."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
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


# Where the system has unnamed files, and where it has none.
NAMED = "import os; del os.O_TMPFILE; " if hasattr(os, "O_TMPFILE") else ""
WAYS = ["", NAMED]
# A run of the tests that is to outlive its terminal ignores SIGHUP, and its children would.
SLOW = (
    "import os, signal, sys, time; from imgcrypt import files; signal.signal(signal.SIGHUP, signal.SIG_DFL); "
    "os.fsync = lambda _: (print(flush=True), time.sleep(60)); "
)
posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")


@pytest.fixture(params=["unnamed", "named", "no hard links"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each way in which a file can come to its name."""
    if request.param != "unnamed":
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    if request.param == "no hard links":

        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(os, "link", refuse)
        monkeypatch.setattr(Path, "hardlink_to", refuse)
    return str(request.param)


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


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_name_that_no_file_has_is_refused(name: str) -> None:
    for refuse in (lambda: files.check_output(name, force=True), lambda: files.write(name, b"data", force=True)):
        with pytest.raises(FileError, match="name"):
            refuse()
    if name:
        with pytest.raises(FileError, match="name"):
            files.read(name)


@pytest.mark.parametrize("name", ["no/folder/out", "in/side", "a" * 300])
def test_output_that_cannot_be_made_is_refused_before_the_work(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in").touch()
    with pytest.raises(FileError, match=f"cannot write {name}"):
        files.check_output(name, force=False)


def test_long_input_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").write_bytes(bytes(100))
    assert len(files.read(str(tmp_path / "in"), 100)) == 100
    with pytest.raises(FileError, match="longer than 99 bytes"):
        files.read(str(tmp_path / "in"), 99)
    monkeypatch.setattr(sys, "stdin", Stream(bytes(100)))
    with pytest.raises(FileError, match="standard input: it is longer than 99 bytes"):
        files.read("-", 99)


@posix
def test_device_is_refused_as_input() -> None:
    with pytest.raises(FileError, match="device"):
        files.read("/dev/zero")
    with open("/dev/zero") as zero:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-c", "from imgcrypt import files; files.read('-')"], stdin=zero, capture_output=True
        )
    assert b"device" in done.stderr


def test_output_that_is_an_input_is_refused(tmp_path: Path) -> None:
    key, other = tmp_path / "key", tmp_path / "other"
    key.write_bytes(b"precious")
    other.touch()
    (tmp_path / "symbolic").symlink_to(key)
    (tmp_path / "hard").hardlink_to(key)
    for name in (key, tmp_path / "symbolic", tmp_path / "hard", tmp_path / "." / "key"):
        with pytest.raises(FileError, match="itself"):
            files.check_output(str(name), force=True, inputs=[str(other), str(key)])
    files.check_output(str(other), force=True, inputs=[str(key), str(tmp_path / "missing"), "-"])


@posix
def test_standard_output_into_an_input_is_refused(tmp_path: Path) -> None:
    program = "from imgcrypt import files; files.check_output('-', True, inputs=[{!r}])"
    key = tmp_path / "key"
    for inputs in (str(key), "-"):
        with key.open("ab") as out, key.open("rb") as source:
            done = subprocess.run(
                [sys.executable, "-c", program.format(inputs)], stdin=source, stdout=out, stderr=subprocess.PIPE
            )
        assert b"itself" in done.stderr


class Partial(io.RawIOBase):
    """Takes seven bytes at a time, as an unbuffered stream may, and only so many in all."""

    def __init__(self, room: int) -> None:
        self.taken, self.room = b"", room

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        piece = bytes(memoryview(data)[: min(7, self.room - len(self.taken))])  # type: ignore[arg-type]
        if not piece:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.taken += piece
        return len(piece)


def test_standard_output_that_takes_parts_gets_all(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Partial(100)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(stream, write_through=True))  # type: ignore[arg-type]
    files.write("-", bytes(range(100)), force=False)
    assert stream.taken == bytes(range(100))
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(Partial(99), write_through=True))  # type: ignore[arg-type]
    with pytest.raises(FileError, match="No space left"):
        files.write("-", bytes(range(100)), force=False)


@posix
@pytest.mark.parametrize("flags", [[], ["-u"]])
def test_standard_output_that_does_not_wait_gets_all(flags: list[str]) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    program = "from imgcrypt import files; files.write('-', bytes(range(250)) * 4000, force=False)"
    with subprocess.Popen([sys.executable, *flags, "-c", program], stdout=writer) as process:
        os.close(writer)
        time.sleep(0.5)
        with os.fdopen(reader, "rb") as stream:
            assert stream.read() == bytes(range(250)) * 4000
    assert process.returncode == 0


def test_private_file_is_for_its_owner_alone(tmp_path: Path, way: str) -> None:
    out = tmp_path / "out"
    files.write(str(out), b"data", force=False, private=True)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize("mode", [0o600, 0o644, 0o400, 0o666])
def test_replaced_file_hands_on_its_permissions(tmp_path: Path, way: str, private: bool, mode: int) -> None:
    out = tmp_path / "out"
    out.touch()
    out.chmod(mode)
    files.write(str(out), b"data", force=True, private=private)
    assert stat.S_IMODE(out.stat().st_mode) == mode
    assert contents(tmp_path) == {"out": b"data"}


def test_replaced_link_hands_on_nothing(tmp_path: Path, way: str) -> None:
    (tmp_path / "wide").touch()
    (tmp_path / "wide").chmod(0o666)
    (tmp_path / "link").symlink_to(tmp_path / "wide")
    files.write(str(tmp_path / "link"), b"data", force=True, private=True)
    assert stat.S_IMODE((tmp_path / "link").lstat().st_mode) == 0o600
    assert contents(tmp_path) == {"link": b"data", "wide": b""}


def test_file_that_came_up_meanwhile_is_left_alone(tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out").write_bytes(b"first")
    monkeypatch.setattr(files, "check_output", lambda *_: None)
    with pytest.raises(FileError, match="exists"):
        files.write(str(tmp_path / "out"), b"second", force=False)
    assert contents(tmp_path) == {"out": b"first"}


def test_one_of_many_writers_wins(tmp_path: Path, way: str) -> None:
    for number in range(20):
        out, outcomes, start = tmp_path / f"out{number}", [], threading.Barrier(4)

        def attempt(
            name: int, out: Path = out, outcomes: list[int] = outcomes, start: threading.Barrier = start
        ) -> None:
            start.wait()
            with contextlib.suppress(FileError):
                files.write(str(out), b"%d" % name, force=False)
                outcomes.append(name)

        threads = [threading.Thread(target=attempt, args=(name,)) for name in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(outcomes) == 1
        assert out.read_bytes() == b"%d" % outcomes[0]
    assert len(contents(tmp_path)) == 20


def test_file_and_folder_are_synced(tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bool] = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(stat.S_ISDIR(os.fstat(handle).st_mode)))
    files.write(str(tmp_path / "out"), b"data", force=False)
    assert synced == [False, True]


@posix
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGQUIT", "SIGINT"])
def test_signal_leaves_nothing(tmp_path: Path, way: str, force: bool, name: str) -> None:
    program = f"{SLOW}{way}files.write({str(tmp_path / 'out')!r}, b'plain', {force}, private=True)"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in tmp_path.iterdir())
        process.send_signal(getattr(signal, name))
        process.communicate()
    assert process.returncode == -getattr(signal, name)
    assert contents(tmp_path) == {}


@posix
def test_ignored_signal_stays_ignored_and_handlers_come_back(tmp_path: Path) -> None:
    handlers: dict[int, Callable[..., None] | int] = {
        signal.SIGHUP: signal.SIG_IGN,
        signal.SIGTERM: lambda *_: None,
        signal.SIGQUIT: signal.SIG_DFL,
    }
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        files.write(str(tmp_path / "out"), b"data", force=False)
        assert {number: signal.getsignal(number) for number in handlers} == handlers
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@posix
def test_part_of_a_dead_process_is_swept_and_of_a_living_one_is_not(tmp_path: Path) -> None:
    program = f"{SLOW}{NAMED}files.write({str(tmp_path / 'out')!r}, b'plain', False)"
    write = f"from imgcrypt import files; files.write({str(tmp_path / 'other')!r}, b'', True)"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        subprocess.run([sys.executable, "-c", write], check=True)
        assert len(contents(tmp_path)) == 2
        process.kill()
    assert len(contents(tmp_path)) == 2
    subprocess.run([sys.executable, "-c", write], check=True)
    assert contents(tmp_path) == {"other": b""}
