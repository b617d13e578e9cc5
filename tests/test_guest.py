"""A guest in another program: its settings are as they were, its logging tells what is worth telling."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

STATE = """
import logging, os, signal, sys, threading, warnings
import cv2, numba, numpy, onnxruntime

def state():
    return {
        "environment": dict(os.environ),
        "filters": list(warnings.filters),
        "cv2's threads": cv2.getNumThreads(),
        "Numba's threads": numba.get_num_threads(),
        "Numba's layer": numba.config.THREADING_LAYER,
        "numpy's errors": numpy.geterr(),
        "print options": numpy.get_printoptions(),
        "root's handlers": list(logging.root.handlers),
        "root's level": logging.root.level,
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "working folder": os.getcwd(),
        "path": list(sys.path),
        "excepthook": (sys.excepthook, threading.excepthook),
        "switch interval": sys.getswitchinterval(),
        "recursion limit": sys.getrecursionlimit(),
        "random": __import__("random").getstate(),
        "numpy's random": numpy.random.get_state()[1].tolist(),
    }
"""
USE = """
import numpy as np
import imgcrypt
key, image = imgcrypt.Key.generate(), np.full((40, 50, 3), 9, np.uint8)
imgcrypt.decrypt(imgcrypt.encrypt(image, key), key)
with imgcrypt.Codec(key, net="fclbcnn", threads=1) as codec:
    codec.warm_up()
    list(codec.decrypt_many(codec.encrypt_many([image] * 3)))
blob = imgcrypt.encrypt(image, key, net="fclbcnn")
imgcrypt.decrypt(imgcrypt.encrypt(image, key, lossless=True), key)
imgcrypt.recover(blob[:-200], key)
imgcrypt.inspect(blob)
try:
    imgcrypt.decrypt(blob[:-1500], key)
except imgcrypt.ImgcryptError:
    pass
"""


def run(program: str, **environment: str) -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_use_changes_nothing_of_the_program() -> None:
    program = f"""{STATE}
warnings.filterwarnings("error")
cv2.setNumThreads(1)
numpy.seterr(all="raise")
before = state()
{USE}
after = state()
print([name for name in before if before[name] != after[name]])
"""
    assert run(program) == ("[]\n", "")


def test_environment_is_as_it_was_where_onnxruntime_is_loaded_by_us() -> None:
    program = f"""
import os
os.environ.pop("ORT_DISABLE_TELEMETRY", None)
before = dict(os.environ)
{USE}
print(dict(os.environ) == before)
"""
    assert run(program) == ("True\n", "")


def test_programs_own_session_still_speaks() -> None:
    """onnxruntime's level of logging is one for the whole process: a bad model's warning must still be printed."""
    program = f"""{USE}
import onnxruntime
options = onnxruntime.SessionOptions()
options.log_severity_level = 0
import imgcrypt.runtime.zoo as zoo
model = zoo.choose(None, None, 3).read("reconstructor")
onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
"""
    out, err = run(program)
    assert out == ""
    assert "onnxruntime" in err


def test_nothing_is_printed_where_no_logging_is_set_up() -> None:
    assert run(USE, IMGCRYPT_CACHE="no/absolute/path") == ("", "")


def test_logging_tells_of_a_cache_that_is_not_used() -> None:
    program = f'import logging; logging.basicConfig(format="%(name)s %(levelname)s %(message)s")\n{USE}'
    line = "imgcrypt.compiled WARNING IMGCRYPT_CACHE is no absolute path and is not used: no/absolute/path\n"
    assert run(program, IMGCRYPT_CACHE="no/absolute/path") == ("", line)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_fork_in_a_worker_thread_is_quiet() -> None:
    program = f"""{USE}
import threading

def fork():
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            imgcrypt.decrypt(imgcrypt.encrypt(image, key), key)
            imgcrypt.decrypt(imgcrypt.encrypt(image, key, lossless=True), key)
            status = 7
        finally:
            os._exit(status)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

import os, warnings
warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
thread = threading.Thread(target=fork)
thread.start()
thread.join()
"""
    assert run(program) == ("7\n", "")
