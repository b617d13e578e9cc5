"""Compiles kernels with Numba, and keeps what was compiled where nobody else can put code.

Kernels' modules take :func:`njit` from here. It is Numba's, but for the cache: Numba refuses to define a cached
function where it can write nowhere, fails on a damaged entry, loads code from any folder it is led to, and does not
read a folder that it cannot write. Here a cache saves time and nothing else: what is missing, damaged, of another
machine or in a folder that strangers can write to is compiled anew.

Numba's own threads are not started by anything here: see imgcrypt.cipher.sharing.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.resources
import logging
import os
import pickle
import secrets
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from imgcrypt import loading

VARIABLE = "IMGCRYPT_CACHE"
PACKAGE = "imgcrypt"
DIGEST_BYTES = 32

T = TypeVar("T")
_misses = 0
_logger = logging.getLogger(__name__)


def call(kernel: Callable[..., T], *arguments: Any) -> T:
    """``kernel(*arguments)``; the first call, which compiles it, as imgcrypt.loading does."""
    # Without compilation (NUMBA_DISABLE_JIT) a kernel is a function of Python.
    if getattr(kernel, "overloads", True):
        return kernel(*arguments)
    return loading.whole(lambda: kernel(*arguments))


def misses() -> int:
    """How often in this process a kernel was found nowhere, so that it is compiled, which takes seconds."""
    return _misses


def _miss() -> None:
    global _misses
    _misses += 1  # no two at once: kernels are loaded one after the other


def njit(*, cache: bool, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Numba's decorator of this name. With ``cache``, what it compiles is kept in one of :func:`folders`."""
    import numba

    if sys.byteorder != "little":
        raise ImportError("imgcrypt's kernels need a little-endian machine")

    def decorate(function: Callable[..., Any]) -> Any:
        dispatcher = numba.njit(**options)(function)
        if cache and hasattr(dispatcher, "enable_caching"):
            dispatcher._cache = _cache_class()(function)
        return dispatcher

    return decorate


def folders() -> Iterator[Path]:
    """Where compiled kernels are looked for, in this order, and written: to the first that allows it.

    ``IMGCRYPT_CACHE``, Numba's ``NUMBA_CACHE_DIR``, beside the source, the user's folder for caches, the folder for
    temporary files. A folder that others than its owner, this user or root may write to is passed over: it could
    hold anybody's code.
    """
    import numba

    config: Any = numba.config
    # So that a container's can be filled by root when it is built, and read by whoever runs it.
    for name, text in ((VARIABLE, os.environ.get(VARIABLE)), ("NUMBA_CACHE_DIR", config.CACHE_DIR)):
        if text and not Path(text).is_absolute():
            _say_once(f"{name} is no absolute path and is not used: {text}")
        elif text:
            yield from _trusted(Path(text) / PACKAGE, 0o755)
    package = Path(__file__).parent
    if package.is_dir():
        # As safe as the source beside it, if no more people can write to it.
        yield from _trusted(package / "__pycache__", 0o755, stat.S_IMODE(package.stat().st_mode))
    if home := _user_folder():
        yield from _trusted(home / PACKAGE, 0o700)
    with contextlib.suppress(OSError):
        user = os.getuid() if hasattr(os, "getuid") else "user"
        yield from _trusted(Path(tempfile.gettempdir()) / f"{PACKAGE}-cache-{user}", 0o700)


def _user_folder() -> Path | None:
    """The user's folder for caches. Without a home, Python's and Numba's answer is one in the current folder."""
    names = {"win32": ("LOCALAPPDATA", "AppData/Local"), "darwin": ("", "Library/Caches")}
    variable, below_home = names.get(sys.platform, ("XDG_CACHE_HOME", ".cache"))
    places = [Path(os.environ.get(variable, ""))]
    with contextlib.suppress(RuntimeError):
        places.append(Path.home() / below_home)
    return next((place for place in places if place.is_absolute()), None)


def _trusted(folder: Path, mode: int, allowed: int = 0) -> Iterator[Path]:
    """The folder, made if it is missing, unless others may write to it, or to one above it."""
    try:
        folder.mkdir(mode, parents=True, exist_ok=True)
        folder = folder.resolve()
        status = folder.stat()
    except OSError:
        # It cannot be made. Whether it can be written to shows when that is tried.
        return
    if hasattr(os, "geteuid"):
        owners = {0, os.geteuid(), _owner_of_the_code()}
        writable = status.st_mode & 0o022 & ~allowed
        # In a sticky folder, such as /tmp, strangers cannot rename what is ours.
        exposed = [each for each in folder.parents if each.stat().st_mode & 0o1002 == 0o002]
        if status.st_uid not in owners or writable or (exposed and not allowed & 0o002):
            _say_once(f"compiled code is not kept in {folder}: others can write there")
            return
    yield folder


@functools.cache
def _owner_of_the_code() -> int:
    try:
        return Path(__file__).stat().st_uid
    except OSError:  # in an archive
        return 0


@functools.cache
def _say_once(sentence: str) -> None:
    _logger.warning("%s", sentence)


@functools.cache
def _stamp(package: str) -> bytes:
    """What the compiled code of a package's kernels depends on beside themselves: its source, and who compiles it."""
    import llvmlite
    import numba

    digest = hashlib.sha256(f"{numba.__version__} {llvmlite.__version__} {sys.implementation.cache_tag}".encode())
    # A frozen program has no source: its executable stands for it.
    with contextlib.suppress(OSError):
        for file in sorted(importlib.resources.files(package).iterdir(), key=lambda each: each.name):
            if file.name.endswith(".py"):
                digest.update(hashlib.sha256(file.read_bytes()).digest())
    if getattr(sys, "frozen", False):
        status = Path(sys.executable).stat()
        digest.update(f"{status.st_size} {status.st_mtime_ns}".encode())
    return digest.digest()


@functools.cache
def _cache_class() -> Any:
    """The class of the kernels' caches, made when Numba is loaded."""
    from numba.core.caching import NullCache
    from numba.core.compiler import CompileResult
    from numba.core.serialize import dumps

    class KernelCache(NullCache):  # type: ignore[misc]
        """One file for each kernel, signature and kind of processor: a SHA-256, then what Numba pickles."""

        def __init__(self, function: Callable[..., Any]) -> None:
            self._name = f"{function.__module__}.{function.__qualname__}"
            self._package = function.__module__.rpartition(".")[0]

        def load_overload(self, signature: Any, context: Any) -> Any:
            context.refresh()
            for folder in folders():
                file = folder / self._file(signature, context)
                try:
                    content = file.read_bytes()
                    data = memoryview(content)[DIGEST_BYTES:]
                    if hashlib.sha256(data).digest() != content[:DIGEST_BYTES]:
                        raise ValueError("its digest does not match")
                    return CompileResult._rebuild(context, *pickle.loads(data))  # noqa: S301 (from a folder that is trusted)
                except FileNotFoundError:
                    continue
                except Exception as error:  # a pickle of another release may raise anything
                    _say_once(f"the compiled code in {file} is of no use and is made anew ({error})")
                    with contextlib.suppress(OSError):
                        file.unlink()
            _logger.info("%s is being compiled", self._name)
            _miss()
            return None

        def save_overload(self, signature: Any, result: Any) -> None:
            if result.library.has_dynamic_globals:
                return
            data = dumps(CompileResult._reduce(result))
            name = self._file(signature, result.target_context)
            reasons = []
            for folder in folders():
                try:
                    _write(folder / name, hashlib.sha256(data).digest() + data)
                    return
                except OSError as error:
                    reasons.append(f"{folder}: {error.strerror}")
            why = "; ".join(reasons) or "there is no folder for it"
            _say_once(f"compiled code cannot be kept, so each start compiles again ({why})")

        def _file(self, signature: Any, context: Any) -> str:
            machine = context.codegen().magic_tuple()
            key = hashlib.sha256(_stamp(self._package) + repr((str(signature), machine)).encode()).hexdigest()[:32]
            return f"{self._name}-{key}.nbc"

    return KernelCache


def _write(path: Path, content: bytes) -> None:
    """Write a file that everybody may read, whole or not at all."""
    part = path.with_name(f"{path.name}.{secrets.token_hex(8)}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        part.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
