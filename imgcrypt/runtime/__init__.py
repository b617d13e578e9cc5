"""The nets as onnxruntime runs them (``load``), and the files of those that ship (``zoo``)."""

from __future__ import annotations

import ctypes
import os

from imgcrypt.errors import ProviderError
from imgcrypt.locks import ForkSafeLock
from imgcrypt.runtime.blocks import BlockNet
from imgcrypt.runtime.layered import LayeredNet
from imgcrypt.runtime.net import Net
from imgcrypt.runtime.sessions import PROVIDERS
from imgcrypt.runtime.zoo import Entry

NETS: dict[str, type[Net]] = {"blocks": BlockNet, "layers": LayeredNet}
"""What runs a net, by the layout of payloads that the manifest names for it."""

_loading = ForkSafeLock()
_nets: dict[tuple[Entry, str], Net] = {}


def load(entry: Entry, provider: str = "auto") -> Net:
    """The net, shared by all callers in this process.

    Args:
        entry: from imgcrypt.runtime.zoo.
        provider: ``cpu``; ``cuda``; or ``auto``, CUDA where onnxruntime offers it and it starts, else the CPU.

    Raises:
        ProviderError: there is no such provider, or it does not start.
    """
    if provider not in PROVIDERS:
        raise ProviderError(f"no provider is called {provider!r}; choose from {', '.join(PROVIDERS)}")
    with _loading:
        if (entry, provider) not in _nets:
            _nets[entry, provider] = NETS[entry.layout](entry, provider)
        return _nets[entry, provider]


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
