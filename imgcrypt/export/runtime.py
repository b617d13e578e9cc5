"""The nets as onnxruntime runs them: whole pictures, in tiles of bounded memory, on the CPU or by CUDA."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from imgcrypt.errors import DamagedError, ProviderError
from imgcrypt.locks import ForkSafeLock

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Picture = NDArray[np.uint8]

    from imgcrypt.export.zoo import Entry

PROVIDERS = ("auto", "cpu", "cuda")
TILE_BLOCKS = 32
"""Blocks along a tile's side: about 1,000 pixels, 150 MB of activations."""

_loading = ForkSafeLock()
_nets: dict[tuple[Entry, str], Net] = {}


class Net:
    """A sampler and a reconstructor, each a session made at first use. Safe to call from many threads."""

    def __init__(self, entry: Entry, provider: str) -> None:
        self.entry = entry
        self._wanted = provider
        self._sessions: dict[str, Any] = {}
        self._loading = ForkSafeLock()

    @property
    def provider(self) -> str:
        """The provider that really runs the sessions made so far: ``cpu`` or ``cuda``."""
        active = {session.get_providers()[0] for session in self._sessions.values()}
        return "cuda" if active == {"CUDAExecutionProvider"} else "cpu"

    def measure(self, colors: Picture, rate: float | None) -> Picture:
        """The payload of a picture (H, W, 3) or (H, W, 1) of any size: uint8 (n,). The net has but one rate."""
        import numpy as np

        missing = [(0, -length % self.entry.block) for length in colors.shape[:2]]
        padded = np.pad(np.broadcast_to(colors, (*colors.shape[:2], 3)), [*missing, (0, 0)], "edge")
        return self.sample(np.asarray(padded, np.uint8)).reshape(-1)

    def rebuild(self, payload: Picture, valid: Picture | None, height: int, width: int) -> Picture:
        """The picture (height, width, 3) of a payload.

        Args:
            payload: uint8 (n,).
            valid: uint8 (n,), 1 where a byte is known, else 0; or ``None`` if all are.
            height, width: of the picture.

        Raises:
            DamagedError: the payload is not of the length that such a picture has.
        """
        import numpy as np

        shape = (-(-height // self.entry.block), -(-width // self.entry.block), self.entry.block_bytes)
        if len(payload) != shape[0] * shape[1] * shape[2]:
            raise DamagedError("the file's payload does not fit its picture; it was not made by imgcrypt")
        measurements = payload.reshape(shape)
        known = np.ones_like(measurements) if valid is None else valid.reshape(shape)
        return self.reconstruct(measurements, known)[:height, :width]

    def sample(self, picture: Picture) -> Picture:
        """RGB uint8 (block h, block w, 3) -> measurements uint8 (h, w, block_bytes)."""
        block = self.entry.block
        height, width = picture.shape[0] // block, picture.shape[1] // block

        def run(top: int, bottom: int, left: int, right: int) -> Any:
            part = picture[top * block : bottom * block, left * block : right * block]
            return self._session("sampler").run(None, {"image": part})[0]

        return self._tiled(height, width, (1, self.entry.block_bytes), run)

    def reconstruct(self, measurements: Picture, valid: Picture) -> Picture:
        """Measurements uint8 (h, w, block_bytes), and 1 where they are valid, else 0 -> uint8 (block h, block w, 3)."""
        height, width = measurements.shape[:2]

        def run(top: int, bottom: int, left: int, right: int) -> Any:
            inputs = {"measurements": measurements[top:bottom, left:right], "valid": valid[top:bottom, left:right]}
            return self._session("reconstructor").run(None, inputs)[0]

        return self._tiled(height, width, (self.entry.block, 3), run)

    def _tiled(
        self, height: int, width: int, scale: tuple[int, int], run: Callable[[int, int, int, int], Any]
    ) -> Picture:
        """Run on tiles of blocks that overlap by the nets' reach, and keep the inner part of each."""
        import numpy as np

        side, channels = scale
        out = np.empty((height * side, width * side, channels), np.uint8)
        for top, bottom in tiles(height):
            for left, right in tiles(width):
                halo = self.entry.halo
                outer_top, outer_left = max(top - halo, 0), max(left - halo, 0)
                part = run(outer_top, min(bottom + halo, height), outer_left, min(right + halo, width))
                out[top * side : bottom * side, left * side : right * side] = part[
                    (top - outer_top) * side : (bottom - outer_top) * side,
                    (left - outer_left) * side : (right - outer_left) * side,
                ]
        return out

    def _session(self, part: str) -> Any:
        with self._loading:
            if part not in self._sessions:
                self._sessions[part] = _session(self.entry.read(part), self._wanted)
            return self._sessions[part]


def load(entry: Entry, provider: str = "auto") -> Net:
    """The net, shared by all callers in this process.

    Args:
        entry: from imgcrypt.export.zoo.
        provider: ``cpu``; ``cuda``; or ``auto``, CUDA where onnxruntime offers it and it starts, else the CPU.

    Raises:
        ProviderError: there is no such provider, or it does not start.
    """
    if provider not in PROVIDERS:
        raise ProviderError(f"no provider is called {provider!r}; choose from {', '.join(PROVIDERS)}")
    with _loading:
        if (entry, provider) not in _nets:
            _nets[entry, provider] = _class(entry)(entry, provider)
        return _nets[entry, provider]


def _class(entry: Entry) -> type[Net]:
    if not entry.any_rate:
        return Net
    from imgcrypt.export.anyrate import AnyrateNet

    return AnyrateNet


def _abandon() -> None:
    """Let a forked child make sessions of its own.

    A session's threads do not survive the fork, and freeing it in the child would wait for them for good: so the
    parent's are given a reference that nobody drops, which keeps them until the child ends.
    """
    for net in _nets.values():
        for session in net._sessions.values():
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(session))
    _nets.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon)


def _session(model: bytes, provider: str) -> Any:
    # From 1.29 on, onnxruntime reports its use to its makers, from a thread that also hangs a forked child at its
    # exit. Neither belongs in a tool that encrypts pictures.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    onnxruntime.set_default_logger_severity(4)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    # Left to itself, onnxruntime counts the machine's cores, not those this process may use, and pins to them.
    options.intra_op_num_threads = threads()
    options.inter_op_num_threads = 1
    if provider != "cpu" and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        onnxruntime.preload_dlls()
        # Listed is not yet usable: without a driver, the session falls back to the CPU or refuses to start.
        try:
            session = onnxruntime.InferenceSession(
                model, options, providers=["CUDAExecutionProvider", "CPUExecutionProvider"]
            )
            if session.get_providers()[0] == "CUDAExecutionProvider":
                return session
        except Exception as error:  # onnxruntime raises bare RuntimeErrors and its own classes alike
            if provider == "cuda":
                raise ProviderError(f"CUDA does not start ({str(error).splitlines()[0]}); use --provider cpu") from None
    if provider == "cuda":
        raise ProviderError(
            "onnxruntime cannot run on CUDA here; install imgcrypt[gpu] and a driver, or use --provider cpu"
        )
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def threads() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def tiles(length: int) -> list[tuple[int, int]]:
    """Split a length into parts of nearly equal size, none above TILE_BLOCKS."""
    count = -(-length // TILE_BLOCKS)
    return [(i * length // count, (i + 1) * length // count) for i in range(count)]
