"""The nets as they run: tiles that do not show, providers, threads and forks."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st

import imgcrypt
from imgcrypt import ProviderError, cuda, runtime, threads
from imgcrypt.locks import ForkSafeLock
from imgcrypt.runtime import net as net_module
from imgcrypt.runtime import sessions, zoo
from imgcrypt.runtime.blocks import BlockNet

Picture = npt.NDArray[Any]
MakePicture = Callable[..., Picture]

ENTRY = zoo.choose("fclbcnn", None, 3)


def most_apart(one: Picture, other: Picture) -> int:
    assert one.shape == other.shape
    assert one.dtype == other.dtype == np.uint8
    return int(np.abs(one.astype(int) - other).max())


def blocks_of(height: int, width: int, picture: MakePicture) -> Picture:
    return picture(height * ENTRY.block, width * ENTRY.block)


@pytest.mark.parametrize("tile_blocks", [1, 2, 3, 4])
def test_tiles_give_the_untiled_result(tile_blocks: int, picture: MakePicture, monkeypatch: pytest.MonkeyPatch) -> None:
    net, image = runtime.load(ENTRY, "cpu"), blocks_of(7, 5, picture)
    measured = net.sample(image)
    rebuilt = net.reconstruct(measured, np.ones_like(measured))
    monkeypatch.setattr(net_module, "TILE_BLOCKS", tile_blocks)
    assert most_apart(net.sample(image), measured) <= 1
    assert most_apart(net.reconstruct(measured, np.ones_like(measured)), rebuilt) <= 1


def test_tiling_really_happens(picture: MakePicture, monkeypatch: pytest.MonkeyPatch) -> None:
    class Session:
        shapes: list[tuple[int, ...]] = []  # noqa: RUF012

        def run(self, _: None, inputs: dict[str, Picture]) -> list[Picture]:
            self.shapes.append(inputs["image"].shape)
            height, width, _ = inputs["image"].shape
            return [np.zeros((height // ENTRY.block, width // ENTRY.block, ENTRY.block_bytes), np.uint8)]

    monkeypatch.setattr(BlockNet, "session", lambda *_: Session())
    monkeypatch.setattr(net_module, "TILE_BLOCKS", 2)
    BlockNet(ENTRY, "cpu").sample(blocks_of(5, 3, picture))
    assert len(Session.shapes) == 3 * 2
    most = (2 + 2 * ENTRY.halo) * ENTRY.block
    assert all(max(shape[:2]) <= most for shape in Session.shapes)


@given(length=st.integers(1, 10_000), most=st.integers(1, 100))
def test_tiles_cover_each_block_once_and_stay_small(length: int, most: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(net_module, "TILE_BLOCKS", most)
        tiles = net_module.tiles(length)
    assert [block for first, last in tiles for block in range(first, last)] == list(range(length))
    sizes = {last - first for first, last in tiles}
    assert max(sizes) <= most
    assert max(sizes) - min(sizes) <= 1


def test_blocks_have_their_places(picture: MakePicture) -> None:
    net, image = runtime.load(ENTRY, "cpu"), blocks_of(2, 3, picture)
    measured = net.sample(image)
    assert measured.shape == (2, 3, ENTRY.block_bytes)
    rebuilt = net.reconstruct(measured, np.ones_like(measured))
    assert rebuilt.shape == image.shape
    for row in range(2):
        for column in range(3):
            at = np.s_[row * ENTRY.block : (row + 1) * ENTRY.block, column * ENTRY.block : (column + 1) * ENTRY.block]
            assert np.abs(rebuilt[at].mean((0, 1)) - image[at].mean((0, 1))).max() < 16


def test_measurements_that_are_not_valid_do_not_count() -> None:
    net, rng = runtime.load(ENTRY, "cpu"), np.random.default_rng(0)
    one, other = (rng.integers(0, 256, (2, 2, ENTRY.block_bytes), np.uint8) for _ in range(2))
    valid = rng.integers(0, 2, one.shape, np.uint8)
    mixed = np.where(valid, one, other)
    np.testing.assert_array_equal(net.reconstruct(one, valid), net.reconstruct(mixed, valid))
    assert most_apart(net.reconstruct(one, valid), net.reconstruct(mixed, np.ones_like(valid))) > 0


# --- providers --------------------------------------------------------------------------------------------------------


def offer(monkeypatch: pytest.MonkeyPatch, providers: list[str], start: Callable[..., Any] | None = None) -> None:
    """Let onnxruntime say that it offers ``providers``; ``start`` takes the place of its sessions that use CUDA."""
    session = onnxruntime.InferenceSession

    def make(model: bytes, options: Any, providers: list[str]) -> Any:
        return start() if start and "CUDAExecutionProvider" in providers else session(model, options, providers)

    monkeypatch.setattr(cuda, "no_device", lambda: None)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: providers)
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None, raising=False)
    monkeypatch.setattr(onnxruntime, "InferenceSession", make)


class FellBack:
    """What onnxruntime gives where CUDA is installed and there is no driver."""

    def get_providers(self) -> list[str]:
        return ["CPUExecutionProvider"]


def no_driver() -> Any:
    raise RuntimeError("CUDA failure 100: no CUDA-capable device is detected\nand some more lines")


BOTH = ["CUDAExecutionProvider", "CPUExecutionProvider"]


@pytest.mark.parametrize("provider", ["", "CUDA", "gpu", "CPUExecutionProvider"])
def test_unknown_provider_is_refused(provider: str) -> None:
    with pytest.raises(ProviderError, match="auto, cpu, cuda"):
        runtime.load(ENTRY, provider)


def test_cuda_that_is_not_installed_is_refused(picture: MakePicture, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, ["CPUExecutionProvider"])
    with pytest.raises(ProviderError, match=r"imgcrypt\[gpu\]"):
        BlockNet(ENTRY, "cuda").sample(blocks_of(1, 1, picture))


@pytest.mark.parametrize("start", [no_driver, FellBack])
def test_cuda_that_does_not_start_is_refused_but_auto_takes_the_cpu(
    start: Callable[..., Any],
    picture: MakePicture,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    offer(monkeypatch, BOTH, start)
    image = blocks_of(1, 1, picture)
    with pytest.raises(ProviderError, match="CUDA does not start") as caught:
        BlockNet(ENTRY, "cuda").sample(image)
    assert "\n" not in str(caught.value)
    assert caplog.records == []
    monkeypatch.setattr(sessions, "_say_once", sessions._say_once.__wrapped__)
    net = BlockNet(ENTRY, "auto")
    np.testing.assert_array_equal(net.sample(image), runtime.load(ENTRY, "cpu").sample(image))
    assert net.provider == "cpu"
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage().startswith("the net runs on the CPU: CUDA does not start")


def test_cpu_never_touches_cuda(picture: MakePicture, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, BOTH, lambda: pytest.fail("CUDA was started"))
    net = BlockNet(ENTRY, "cpu")
    net.sample(blocks_of(1, 1, picture))
    assert net.provider == "cpu"


def test_library_refuses_cuda_where_there_is_none(picture: MakePicture) -> None:
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("onnxruntime offers CUDA here")
    image, key = picture(50, 50), imgcrypt.Key.generate()
    with pytest.raises(ProviderError):
        imgcrypt.encrypt(image, key, net="fclbcnn", provider="cuda")
    for net in ("fclbcnn", None):
        with pytest.raises(ProviderError):
            imgcrypt.decrypt(imgcrypt.encrypt(image, key, net=net), key, provider="cuda")


# --- threads and forks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cores", [{0}, {1, 3}, {0, 1, 2, 3, 4}])
def test_sessions_use_as_many_threads_as_the_process_may(
    cores: set[int], picture: MakePicture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: cores, raising=False)
    for name in (threads.VARIABLE, *threads.OTHERS):
        monkeypatch.delenv(name, raising=False)
    net = BlockNet(ENTRY, "cpu")
    net.sample(blocks_of(1, 1, picture))
    assert net.session("sampler").get_session_options().intra_op_num_threads == len(cores)


def test_net_is_loaded_once_and_at_first_use(picture: MakePicture, monkeypatch: pytest.MonkeyPatch) -> None:
    assert runtime.load(ENTRY) is runtime.load(ENTRY, "auto")
    assert runtime.load(ENTRY, "cpu") is not runtime.load(ENTRY, "auto")
    made = []
    session = onnxruntime.InferenceSession
    monkeypatch.setattr(
        onnxruntime, "InferenceSession", lambda *args, **options: made.append(1) or session(*args, **options)
    )
    net = BlockNet(ENTRY, "cpu")
    assert made == []
    net.sample(blocks_of(1, 1, picture))
    net.sample(blocks_of(1, 1, picture))
    assert len(made) == 1


def test_loading_a_net_again_and_again_keeps_nothing() -> None:
    def locks() -> int:
        gc.collect()
        return sum(type(thing) is ForkSafeLock for thing in gc.get_objects())

    runtime.load(ENTRY)
    before = locks()
    assert before > 0
    for _ in range(50):
        runtime.load(ENTRY)
    assert locks() == before


def test_onnxruntime_is_loaded_with_its_telemetry_off() -> None:
    program = """
import os, sys
import numpy as np
import imgcrypt

class Probe:
    def find_spec(self, name, *_):
        if name == "onnxruntime":
            print(os.environ.get("ORT_DISABLE_TELEMETRY"))

sys.meta_path.insert(0, Probe())
imgcrypt.encrypt(np.zeros((4, 4, 3), np.uint8), imgcrypt.Key.generate(), net="fclbcnn")
"""
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, timeout=120)
    assert (done.stdout, done.stderr) == ("1\n", "")


def test_eight_threads_at_once_get_the_same_result(picture: MakePicture, monkeypatch: pytest.MonkeyPatch) -> None:
    image = blocks_of(3, 4, picture)
    shared = runtime.load(ENTRY, "cpu")
    expected = shared.reconstruct(shared.sample(image), np.ones_like(shared.sample(image)))
    made = []
    session = sessions.session
    monkeypatch.setattr(sessions, "session", lambda *args: made.append(1) or session(*args))
    net, barrier = BlockNet(ENTRY, "cpu"), threading.Barrier(8)
    results: list[Picture] = []

    def work() -> None:
        barrier.wait()
        for _ in range(3):
            measured = net.sample(image)
            results.append(net.reconstruct(measured, np.ones_like(measured)))

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(results) == 24
    assert max(most_apart(result, expected) for result in results) <= 1
    assert len(made) == 2


FORKING = """
import contextlib, os, signal, sys
import numpy as np
import imgcrypt
from imgcrypt import runtime
from imgcrypt.runtime import zoo

key = imgcrypt.Key.generate()
image = np.arange(70 * 100 * 3, dtype=np.uint32).reshape(70, 100, 3).astype(np.uint8)
blob = imgcrypt.encrypt(image, key)
expected = imgcrypt.decrypt(blob, key).astype(int)

def check():
    signal.alarm(30)
    assert abs(imgcrypt.decrypt(blob, key) - expected).max() <= 1
    signal.alarm(0)

def code(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
"""


def run(program: str) -> str:
    """The standard output of a program that begins with FORKING; it fails on any standard error."""
    done = subprocess.run([sys.executable, "-c", FORKING + program], capture_output=True, text=True, timeout=180)
    assert done.stderr == ""
    return done.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_children_use_the_net_after_their_parent_did() -> None:
    program = """
parents = runtime.load(zoo.choose(None, None, 3))

def child():
    check()
    assert runtime.load(zoo.choose(None, None, 3)) is not parents
    back = imgcrypt.decrypt(imgcrypt.encrypt(image, key), key)
    assert abs(back - expected).max() <= 8
    grandchild = os.fork()
    if grandchild == 0:
        check()
        os._exit(7)
    os._exit(code(grandchild))

children = []
# The second time as if another thread were loading a net just now.
for lock in (contextlib.nullcontext(), runtime._loading):
    with lock:
        pid = os.fork()
        if pid == 0:
            child()
    children.append(pid)
print([code(pid) for pid in children])
check()
"""
    assert run(program) == "[7, 7]\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("use", ["check()", "pass"])
def test_forked_child_ends_by_itself(use: str) -> None:
    program = f"""
pid = os.fork()
if pid == 0:
    {use}
    signal.alarm(30)
    sys.exit(7)
print(code(pid))
check()
"""
    assert run(program) == "7\n"
