"""onnxruntime's sessions: on the CPU or by CUDA, with as many threads as this process may use."""

from __future__ import annotations

import importlib
import os
from typing import Any

from imgcrypt import loading, threads
from imgcrypt.errors import ProviderError

PROVIDERS = ("auto", "cpu", "cuda")


def session(model: bytes, provider: str) -> Any:
    """A session of a model.

    Args:
        model: the bytes of an ONNX file.
        provider: one of PROVIDERS; ``auto`` takes CUDA where onnxruntime offers it and it starts, else the CPU.

    Raises:
        ProviderError: CUDA was asked for and does not start.
    """
    # From 1.29 on, onnxruntime reports its use to its makers, from a thread that also hangs a forked child at its
    # exit. Neither belongs in a tool that encrypts pictures.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    onnxruntime = loading.whole(lambda: importlib.import_module("onnxruntime"))
    onnxruntime.disable_telemetry_events()
    onnxruntime.set_default_logger_severity(4)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    # Left to itself, onnxruntime counts the machine's cores, not those this process may use, and pins to them; and its
    # threads spin while they wait, which takes the cores from everybody else who shares them.
    options.intra_op_num_threads = threads.count()
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if provider != "cpu" and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        onnxruntime.preload_dlls()
        # Listed is not yet usable: without a driver, the session falls back to the CPU or refuses to start.
        try:
            started = onnxruntime.InferenceSession(
                model, options, providers=["CUDAExecutionProvider", "CPUExecutionProvider"]
            )
            if started.get_providers()[0] == "CUDAExecutionProvider":
                return started
        except Exception as error:  # onnxruntime raises bare RuntimeErrors and its own classes alike
            if provider == "cuda":
                raise ProviderError(
                    f"CUDA does not start ({str(error).splitlines()[0]}); use the provider cpu"
                ) from None
    if provider == "cuda":
        raise ProviderError(
            "onnxruntime cannot run on CUDA here; install imgcrypt[gpu] and a driver, or use the provider cpu"
        )
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
