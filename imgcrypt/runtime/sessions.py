"""onnxruntime's sessions: on the CPU or by CUDA, with as many threads as this process may use."""

from __future__ import annotations

import functools
import importlib
import logging
import os
from typing import Any

from imgcrypt import cuda, environment, loading, threads
from imgcrypt.errors import DependencyError, NetError, ProviderError

QUIET = 4
"""onnxruntime's severity "fatal": what fails comes back as an exception, and is not printed besides."""
_logger = logging.getLogger(__name__)


def session(model: bytes, provider: str) -> Any:
    """A session of a model.

    Args:
        model: the bytes of an ONNX file.
        provider: one of imgcrypt.inputs.PROVIDERS; ``auto`` takes CUDA where onnxruntime offers it and it starts,
            else the CPU.

    Raises:
        ProviderError: CUDA was asked for and does not start.
        DependencyError: onnxruntime does not load.
        NetError: it does not take the model.
    """
    onnxruntime = loading.whole(_import)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = QUIET
    # Left to itself, onnxruntime counts the machine's cores, not those this process may use, and pins to them; and its
    # threads spin while they wait, which takes the cores from everybody else who shares them.
    options.intra_op_num_threads = threads.count()
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if provider == "cuda":
        return cuda.session(model, options)
    if provider == "auto" and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        try:
            return cuda.session(model, options)
        except ProviderError as error:
            _say_once(f"the net runs on the CPU: {error}")
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has classes of its own, and bare RuntimeErrors
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise NetError(f"onnxruntime cannot load the net ({reason}); install imgcrypt again") from None


@functools.cache
def _say_once(sentence: str) -> None:
    _logger.warning("%s", sentence)


def _import() -> Any:
    with environment.restored("ORT_DISABLE_TELEMETRY"):
        # From 1.29 on, onnxruntime reports its use to its makers, from a thread that also hangs a forked child at its
        # exit. Neither belongs in a tool that encrypts pictures. The variable counts when onnxruntime is loaded.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        try:
            return importlib.import_module("onnxruntime")
        except ImportError as error:
            raise DependencyError(
                f"onnxruntime, which runs the nets, does not load ({error}); install it again, or keep the picture "
                "lossless"
            ) from None
