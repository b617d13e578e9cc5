"""Starting onnxruntime on CUDA without harm to a program whose standard output is data."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator
from typing import Any

from imgcrypt.errors import ProviderError
from imgcrypt.locks import ForkSafeLock

DRIVERS = {"linux": "libcuda.so.1", "win32": "nvcuda.dll"}

_guarding = ForkSafeLock()
_kept: list[int] = []
"""The real standard output, while a guard is up; more than one where guards are nested."""


def session(model: bytes, options: Any) -> Any:
    """An onnxruntime ``InferenceSession`` that runs on CUDA.

    Args:
        model: the ONNX file's bytes.
        options: ``onnxruntime.SessionOptions``.

    Raises:
        ProviderError: there is no CUDA here, or it does not start; it says which part is missing.
    """
    import onnxruntime

    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        raise ProviderError("the onnxruntime that is installed has no CUDA; install imgcrypt[gpu] as README says")
    reason = no_device()
    if reason is not None:
        raise ProviderError(f"{reason}; choose the provider cpu")
    with guarded_output():
        # Listed is not yet usable: without its libraries, the session falls back to the CPU or refuses to start.
        try:
            onnxruntime.preload_dlls()
            made = onnxruntime.InferenceSession(
                model, options, providers=["CUDAExecutionProvider", "CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime raises bare RuntimeErrors and its own classes alike
            first = (str(error).splitlines() or [type(error).__name__])[0]
            raise ProviderError(f"CUDA does not start ({first}); choose the provider cpu") from None
    if made.get_providers()[0] != "CUDAExecutionProvider":
        raise ProviderError("CUDA does not start: its libraries are missing; install imgcrypt[gpu] as README says")
    return made


def no_device() -> str | None:
    """Why CUDA cannot run in this process, by the driver's own word; ``None`` if it can.

    To be asked before onnxruntime tries CUDA: where there is none, that takes a second and prints complaints.
    """
    name = DRIVERS.get(sys.platform)
    if name is None:
        return f"there is no CUDA for {sys.platform}"
    try:
        driver = ctypes.CDLL(name)
    except OSError:
        return f"there is no NVIDIA driver here ({name})"
    count = ctypes.c_int()
    # Also fails in a process forked after its parent used CUDA, which would crash there.
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return "the NVIDIA driver does not start"
    return None if count.value > 0 else "the NVIDIA driver sees no GPU"


@contextlib.contextmanager
def guarded_output() -> Iterator[None]:
    """Send to standard error what is written to standard output meanwhile, by Python or by compiled code.

    onnxruntime prints its loader's complaints, and what it loads may do likewise, into what may be a picture's bytes.
    Standard output belongs to the whole process, so what other threads print meanwhile goes the same way: nothing is
    lost. One thread at a time is here; the others wait.
    """
    with _guarding:
        try:
            os.fstat(1)
        except OSError:  # closed: there is nothing to guard
            yield
            return
        _flush()
        _divert()
        try:
            yield
        finally:
            _flush()
            _restore()


def _divert() -> None:
    try:
        aside = os.dup(2)
    except OSError:  # standard error is closed
        aside = os.open(os.devnull, os.O_WRONLY)
    _kept.append(os.dup(1))
    os.dup2(aside, 1)
    os.close(aside)


def _restore() -> None:
    kept = _kept.pop()
    os.dup2(kept, 1)
    os.close(kept)


def _restore_in_child() -> None:
    """Another thread of the parent may have been here when it forked."""
    while _kept:
        _restore()


def _flush() -> None:
    """Write out what Python and the C library hold back, to where it was meant to go."""
    for stream in (sys.__stdout__, sys.stdout):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()  # type: ignore[union-attr]
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).fflush(None)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_restore_in_child)
