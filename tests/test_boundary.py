"""What the program that calls imgcrypt does not notice of it, and what it is told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import imgcrypt
from imgcrypt import cipher, runtime
from imgcrypt.errors import ImgcryptError, NetError
from imgcrypt.runtime import zoo

IMAGE = np.arange(48 * 40, dtype=np.uint8).reshape(48, 40)
KEY = imgcrypt.Key.generate()


def test_the_callers_errors_of_arithmetic_do_not_reach_ours() -> None:
    with np.errstate(all="raise"):
        for lossless in (False, True):
            blob = imgcrypt.encrypt(IMAGE, KEY, lossless=lossless)
            assert imgcrypt.decrypt(blob, KEY).shape == IMAGE.shape
            assert imgcrypt.recover(blob[:-200], KEY).image.shape == IMAGE.shape
        assert np.geterr()["over"] == "raise"


def test_a_lack_of_memory_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    blob = imgcrypt.encrypt(IMAGE, KEY, lossless=True)

    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(cipher, "encipher", fail)
    monkeypatch.setattr(cipher, "decipher", fail)
    for call in (lambda: imgcrypt.encrypt(IMAGE, KEY, lossless=True), lambda: imgcrypt.decrypt(blob, KEY)):
        with pytest.raises(ImgcryptError, match="does not fit into memory"):
            call()


class Failing:
    """A session that fails as onnxruntime does."""

    def __init__(self, message: str) -> None:
        self.message = message

    def run(self, *_: object) -> None:
        raise RuntimeError(self.message)


@pytest.mark.parametrize(
    ("message", "error", "text"),
    [
        ("std::bad_alloc", ImgcryptError, "does not fit into memory"),
        ("[ONNXRuntimeError] : Failed to allocate memory for requested buffer", ImgcryptError, "does not fit"),
        ("[ONNXRuntimeError] : 1 : FAIL\nmore", NetError, r"does not run here \(\[ONNXRuntimeError\] : 1 : FAIL\)"),
    ],
)
def test_onnxruntimes_errors_are_ours(
    monkeypatch: pytest.MonkeyPatch, message: str, error: type[Exception], text: str
) -> None:
    net = runtime.load(zoo.choose("fclbcnn", None, 1))
    monkeypatch.setitem(net.sessions, "sampler", Failing(message))
    with pytest.raises(error, match=text):
        imgcrypt.encrypt(IMAGE, KEY, net="fclbcnn")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no process to a core")
def test_the_command_ends_with_one_core(tmp_path: Path) -> None:
    core = min(os.sched_getaffinity(0))
    program = f"import os; os.sched_setaffinity(0, {{{core}}}); from imgcrypt.__main__ import main; main()"

    def run(*arguments: str) -> None:
        subprocess.run([sys.executable, "-c", program, *arguments], cwd=tmp_path, check=True, timeout=120)

    run("keygen", "-o", "key.txt")
    run("demo")
    run("enc", "imgcrypt-demo.png", "-k", "key.txt", "-o", "demo.imgc")
    run("dec", "demo.imgc", "-k", "key.txt", "-o", "back.png")
    assert (tmp_path / "back.png").exists()


@pytest.mark.skipif(os.name != "posix", reason="signals are sent as POSIX has them")
@pytest.mark.parametrize("delay", [0, 0.1, 0.3, 0.6])
def test_an_interrupt_at_any_time_is_no_traceback(tmp_path: Path, delay: float) -> None:
    # Before the package is reached, an interrupt is the interpreter's affair.
    program = "from imgcrypt.__main__ import main; print('here', flush=True); main()"
    key = tmp_path / "key.txt"
    KEY.save(key)
    # It waits for standard input for good, if it gets that far.
    process = subprocess.Popen(
        [sys.executable, "-c", program, "enc", "-", "-k", str(key), "-o", str(tmp_path / "out.imgc")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    _, complaints = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Traceback" not in complaints
    assert not (tmp_path / "out.imgc").exists()
