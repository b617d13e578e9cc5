"""CUDA is tried only where it can run, and what its loader prints never gets into standard output."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from imgcrypt import cuda
from imgcrypt.errors import ProviderError

NOISY = """
import ctypes, os, sys, threading
from imgcrypt import cuda

def complain():
    print("by Python")
    os.write(1, b"by the system\\n")
    ctypes.CDLL(None).puts(b"by C")
"""
needs_posix = pytest.mark.skipif(os.name != "posix", reason="descriptors and C's own buffers are tried by POSIX calls")


def run(program: str, **streams: Any) -> tuple[bytes, bytes]:
    done = subprocess.run(
        [sys.executable, "-c", NOISY + program], **({"capture_output": True} | streams), timeout=60, check=True
    )
    return done.stdout, done.stderr


@needs_posix
def test_complaints_go_to_standard_error_and_data_to_standard_output() -> None:
    out, err = run("""
print("before")
ctypes.CDLL(None).puts(b"before in C")
with cuda.guarded_output():
    complain()
print("after")
""")
    assert sorted(out.split()) == sorted(b"before before in C after".split())
    assert sorted(err.splitlines()) == [b"by C", b"by Python", b"by the system"]


@needs_posix
def test_without_the_guard_the_complaints_are_in_the_data() -> None:
    assert sorted(run("complain()")[0].splitlines()) == [b"by C", b"by Python", b"by the system"]


@needs_posix
def test_output_is_back_after_an_error_and_after_nested_guards() -> None:
    out, err = run("""
try:
    with cuda.guarded_output():
        with cuda.guarded_output():
            complain()
        complain()
        raise ValueError
except ValueError:
    print("after")
""")
    assert out == b"after\n"
    assert len(err.splitlines()) == 6


@needs_posix
def test_many_threads() -> None:
    out, err = run("""
def guard():
    for _ in range(50):
        with cuda.guarded_output():
            os.write(1, b".")
threads = [threading.Thread(target=guard) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print("after", len(os.listdir("/dev/fd")) < 20)
""")
    assert (out, err) == (b"after True\n", b"." * 400)


@needs_posix
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_child_forked_under_a_guard_has_its_output() -> None:
    out, _ = run("""
import warnings
warnings.simplefilter("ignore")
up, down = threading.Event(), threading.Event()
def guard():
    with cuda.guarded_output():
        up.set()
        down.wait()
thread = threading.Thread(target=guard)
thread.start()
up.wait()
if os.fork() == 0:
    os.write(1, b"child ")
    with cuda.guarded_output():
        complain()
    os._exit(0)
os.wait()
down.set()
thread.join()
os.write(1, b"parent")
""")
    assert out == b"child parent"


@needs_posix
@pytest.mark.parametrize("closed", [(1,), (2,), (1, 2)])
def test_closed_descriptors(closed: tuple[int, ...]) -> None:
    program = f"""
for descriptor in {closed}: os.close(descriptor)
sys.stdout = sys.stderr = None
with cuda.guarded_output():
    try: os.write(1, b"noise")
    except OSError: pass
if 1 not in {closed}: os.write(1, b"data")
"""
    assert run(program)[0] == (b"" if 1 in closed else b"data")


class Fake(SimpleNamespace):
    """onnxruntime, as far as cuda.session sees it."""

    def __init__(self, runs_on: list[str] | Exception, offers: str = "CUDAExecutionProvider") -> None:
        self.runs_on, self.offers, self.preloaded = runs_on, offers, 0

    def get_available_providers(self) -> list[str]:
        return [self.offers, "CPUExecutionProvider"]

    def preload_dlls(self) -> None:
        self.preloaded += 1

    def InferenceSession(self, model: bytes, options: object, providers: list[str]) -> Any:  # noqa: N802
        assert (model, options, providers[0]) == (b"model", "options", "CUDAExecutionProvider")
        if isinstance(self.runs_on, Exception):
            raise self.runs_on
        return SimpleNamespace(get_providers=lambda: self.runs_on)


def start(monkeypatch: pytest.MonkeyPatch, fake: Fake, device: str | None = None) -> Any:
    monkeypatch.setitem(sys.modules, "onnxruntime", fake)  # type: ignore[arg-type]
    monkeypatch.setattr(cuda, "no_device", lambda: device)
    return cuda.session(b"model", "options")


def test_session_on_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake(["CUDAExecutionProvider", "CPUExecutionProvider"])
    assert start(monkeypatch, fake).get_providers()[0] == "CUDAExecutionProvider"
    assert fake.preloaded == 1


@pytest.mark.parametrize(
    ("fake", "device", "sentence"),
    [
        (
            Fake(["CPUExecutionProvider"], offers="AzureExecutionProvider"),
            None,
            r"has no CUDA; install imgcrypt\[gpu\]",
        ),
        (Fake(["CPUExecutionProvider"]), "there is no NVIDIA driver here", "no NVIDIA driver here; choose the prov"),
        (Fake(["CPUExecutionProvider"]), None, "its libraries are missing"),
        (Fake(RuntimeError("no libcublas\nmore")), None, r"does not start \(no libcublas\)"),
        (Fake(RuntimeError()), None, r"does not start \(RuntimeError\)"),
    ],
)
def test_refusals(monkeypatch: pytest.MonkeyPatch, fake: Fake, device: str | None, sentence: str) -> None:
    with pytest.raises(ProviderError, match=sentence):
        start(monkeypatch, fake, device)


def test_nothing_is_loaded_where_no_device_is(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake(["CUDAExecutionProvider"])
    with pytest.raises(ProviderError):
        start(monkeypatch, fake, "there is no NVIDIA driver here")
    assert fake.preloaded == 0


class Driver:
    """The NVIDIA driver's library: ``cuInit`` answers the one number, and there are so many devices."""

    def __init__(self, answer: int, devices: int) -> None:
        self.answer, self.devices = answer, devices

    def cuInit(self, flags: int) -> int:  # noqa: N802
        return self.answer

    def cuDeviceGetCount(self, count: Any) -> int:  # noqa: N802
        count._obj.value = self.devices
        return 0


@pytest.mark.parametrize(
    ("driver", "reason"),
    [
        (Driver(0, 1), None),
        (Driver(100, 1), "does not start"),
        (Driver(0, 0), "sees no GPU"),
        (None, "no NVIDIA driver"),
    ],
)
def test_device(monkeypatch: pytest.MonkeyPatch, driver: Driver | None, reason: str | None) -> None:
    def load(name: str) -> Driver:
        if driver is None:
            raise OSError(name)
        return driver

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(cuda.ctypes, "CDLL", load)
    found = cuda.no_device()
    assert found is None if reason is None else reason in str(found)


def test_no_cuda_on_a_platform_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cuda.no_device() == "there is no CUDA for darwin"
