"""The nets as onnxruntime runs them (``load``), and the files of those that ship (``zoo``)."""

from __future__ import annotations

import ctypes
import os

from imgcrypt import inputs, threads
from imgcrypt.locks import ForkSafeLock
from imgcrypt.runtime.blocks import BlockNet
from imgcrypt.runtime.layered import LayeredNet
from imgcrypt.runtime.net import Net
from imgcrypt.runtime.zoo import Entry

NETS: dict[str, type[Net]] = {"blocks": BlockNet, "layers": LayeredNet}
"""What runs a net, by the layout of payloads that the manifest names for it."""

_loading = ForkSafeLock()
_nets: dict[tuple[Entry, str, int], Net] = {}


def load(entry: Entry, provider: str = "auto") -> Net:
    """The net, shared by all callers in this process.

    Args:
        entry: from imgcrypt.runtime.zoo.
        provider: ``cpu``; ``cuda``; or ``auto``, CUDA where onnxruntime offers it and it starts, else the CPU.

    Raises:
        ProviderError: there is no such provider, or it does not start.
    """
    # A session has as many threads as there were when it was made.
    wanted = entry, inputs.provider(provider), threads.count()
    with _loading:
        if wanted not in _nets:
            _nets[wanted] = NETS[entry.layout](entry, provider)
        return _nets[wanted]


def release() -> None:
    """Give back to the system what the nets take; the next call loads anew what it needs."""
    with _loading:
        _nets.clear()


def _abandon() -> None:
    """Let a forked child make sessions of its own.

    A session's threads do not survive the fork, and freeing it in the child would wait for them for good: so the
    parent's are given a reference that nobody drops, which keeps them until the child ends.
    """
    for net in _nets.values():
        for session in net.sessions.values():
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(session))
    _nets.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon)
