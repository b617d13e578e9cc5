"""Loads the kernels so that they run safely from many threads, in forked workers and on read-only installs.

Numba's threading layers differ: TBB stands both concurrent calls and a fork; OpenMP kills a forked child
that uses it; workqueue aborts when two threads call at once. TBB's wheel keeps its library off the
loader's path, so it is loaded here by name. Where there is none, workqueue runs behind a lock.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib
import importlib.metadata
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType
from typing import Any

from imgcrypt.locks import ForkSafeLock

lock: AbstractContextManager[None] = contextlib.nullcontext()
"""To be held while a parallel kernel runs. It lets everybody in, unless the threading layer is workqueue."""
_loading = ForkSafeLock()


def kernels() -> ModuleType:
    """The module of the cipher's compiled kernels, loaded once."""
    with _loading:
        return _load()


def load(name: str) -> ModuleType:
    """Another module of compiled kernels, serial ones, which need no threading layer."""
    with _loading:
        return _import(name)


@functools.cache
def _import(name: str) -> ModuleType:
    with _writable_cache():
        return importlib.import_module(name)


@functools.cache
def _load() -> ModuleType:
    import numba

    if sys.byteorder != "little":
        raise ImportError("imgcrypt's kernels need a little-endian machine")
    config: Any = numba.config
    if config.THREADING_LAYER in ("default", "tbb") and not _load_tbb() and config.THREADING_LAYER == "default":
        config.THREADING_LAYER = "workqueue"
    if config.THREADING_LAYER == "workqueue" or _running_layer() == "workqueue":
        global lock
        lock = ForkSafeLock()
    return _import("imgcrypt.cipher.kernels")


def _running_layer() -> str | None:
    """The layer that somebody else in this process has started already."""
    import numba

    try:
        layer: str = numba.threading_layer()
    except ValueError:
        return None
    return layer


def _load_tbb() -> bool:
    """Load libtbb from wherever its wheel put it; False if there is none."""
    names = {"linux": "libtbb.so.12", "darwin": "libtbb.12.dylib", "win32": "tbb12.dll"}
    name = names.get(sys.platform, "libtbb.so.12")
    candidates = [name]
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        files = importlib.metadata.files("tbb") or []
        candidates = [str(Path(str(file.locate())).resolve()) for file in files if file.name == name] + candidates
    for candidate in candidates:
        with contextlib.suppress(OSError):
            ctypes.CDLL(candidate, ctypes.RTLD_GLOBAL)
            return True
    return False


@contextlib.contextmanager
def _writable_cache() -> Iterator[None]:
    """While kernels are defined, give Numba a private temporary cache if it could write neither of its own.

    Numba keeps compiled code beside the source, else in the user's cache folder, and refuses to define a
    cached function when it can write to neither.
    """
    import numba

    config: Any = numba.config
    if config.CACHE_DIR or _can_write(Path(__file__).parent / "__pycache__") or _can_write(_user_cache()):
        yield
        return
    folder = Path(tempfile.gettempdir()) / f"imgcrypt-cache-{os.getuid() if hasattr(os, 'getuid') else 'user'}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if hasattr(os, "getuid") and (folder.is_symlink() or folder.stat().st_uid != os.getuid()):
        # Somebody else may write there: no code must be loaded from it.
        folder = Path(tempfile.mkdtemp(prefix="imgcrypt-cache-"))
    config.CACHE_DIR = str(folder)
    try:
        yield
    finally:
        config.CACHE_DIR = ""


def _user_cache() -> Path:
    from numba.misc.appdirs import AppDirs

    return Path(AppDirs(appname="numba", appauthor=False).user_cache_dir)


def _can_write(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
