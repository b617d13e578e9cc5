"""The default net: any size, rate and PSNR, two ways to rebuild, tiles that do not show, payloads that are none."""

from __future__ import annotations

import dataclasses
import itertools
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import imgcrypt
from imgcrypt import DamagedError, NetError, padding, pictures, runtime
from imgcrypt.errors import ImgcryptError
from imgcrypt.keys import RawKey
from imgcrypt.metrics import psnr
from imgcrypt.runtime import layered, zoo
from imgcrypt.runtime.layered import LayeredNet

Picture = npt.NDArray[Any]
MakePicture = Callable[..., Picture]

KEY = RawKey(bytes(range(32)))
CHANNELS = pytest.mark.parametrize("channels", [1, 3])


def net() -> LayeredNet:
    found = runtime.load(zoo.choose(None, None, 3), "cpu")
    assert isinstance(found, LayeredNet)
    return found


def back(payload: Picture, image: Picture, quality: str = "best") -> Picture:
    height, width, channels = image.shape
    return net().rebuild(payload, None, height, width, channels, quality)


def no_ends(_: int) -> list[int]:
    return []


def used(payload: Picture) -> int:
    """Bytes of a payload without its padding."""
    layers = layered.unpack(payload)
    return 1 + 4 * len(layers) + sum(map(len, layers))


def most_apart(one: Picture, other: Picture) -> int:
    assert one.shape == other.shape
    assert one.dtype == other.dtype == np.uint8
    return int(np.abs(one.astype(int) - other).max())


def colors(image: Picture) -> Picture:
    return image[:, :, None] if image.ndim == 2 else image


@pytest.fixture(scope="module")
def astronaut() -> Picture:
    """256 x 256 of the bundled photograph, in color."""
    image = pictures.read((Path(imgcrypt.__file__).parent / "data" / "astronaut.png").read_bytes()).pixels
    return np.ascontiguousarray(image[:256, 100:356, :3])


# --- any size, any rate -----------------------------------------------------------------------------------------------


@CHANNELS
@pytest.mark.parametrize("size", [(1, 1), (1, 2000), (33, 65), (64, 32)])
def test_any_size_and_rate_comes_back(channels: int, size: tuple[int, int], picture: MakePicture) -> None:
    image = colors(picture(*size, channels, texture=False))
    before = image.copy()
    for rate in (0.005, 0.05, 0.35, 0.75):
        payload = net().measure(image, rate)
        assert len(payload) == max(int(rate * image.size), layered.LEAST)
        for quality in ("best", "fast"):
            rebuilt = back(payload, image, quality)
            assert (rebuilt.shape, rebuilt.dtype) == (image.shape, np.uint8)
            assert psnr(image, rebuilt) >= 20
    np.testing.assert_array_equal(image, before)


@CHANNELS
def test_quality_rises_with_the_rate_and_bytes_are_used(channels: int, astronaut: Picture) -> None:
    image = np.ascontiguousarray(astronaut[:, :, :channels])
    found = []
    for rate in (0.01, 0.02, 0.05, 0.1, 0.2, 0.4):
        payload = net().measure(image, rate)
        assert 0.985 * len(payload) <= used(payload) <= len(payload)
        found.append(psnr(image, back(payload, image)))
    assert found[0] >= 22
    assert found[-1] >= 45
    assert all(more > less + 0.5 for less, more in itertools.pairwise(found))


@CHANNELS
def test_the_net_gains(channels: int, astronaut: Picture) -> None:
    image = np.ascontiguousarray(astronaut[:, :, :channels])
    for rate in (0.02, 0.08):
        payload = net().measure(image, rate)
        assert psnr(image, back(payload, image)) > psnr(image, back(payload, image, "fast")) + 0.05


def test_rate_left_open_is_the_manifests(astronaut: Picture) -> None:
    own = net()
    assert own.entry.color_rate is not None
    np.testing.assert_array_equal(own.measure(astronaut, None), own.measure(astronaut, own.entry.color_rate))


def test_first_layer_is_a_small_preview(astronaut: Picture) -> None:
    for share in (0.002, 0.007):
        end = int(share * astronaut.size)
        for length in (10_000, 60_000):
            payload = net().fill(astronaut, length, [end])
            assert len(payload) == length
            first = layered.beginning(payload[:end].tobytes())
            assert len(first) == 1
            assert 0.3 * end < len(first[0])
            assert psnr(astronaut, back(layered.pack(first, 0), astronaut)) > 18


def test_layers_end_where_they_should(astronaut: Picture) -> None:
    ends = [700, 4000, 15_000]
    payload = net().fill(astronaut, 30_000, ends)
    layers = layered.unpack(payload)
    assert len(layers) in (4, 5)
    assert 0.97 * 30_000 < used(payload) <= 30_000
    found = [back(layered.pack(layered.beginning(payload[:end].tobytes()), 0), astronaut, "fast") for end in ends]
    qualities = [psnr(astronaut, each) for each in found] + [psnr(astronaut, back(payload, astronaut, "fast"))]
    assert all(more > less + 3 for less, more in itertools.pairwise(qualities))
    assert [len(layered.beginning(payload[:end].tobytes())) for end in ends] == [1, 2, 3]


def test_ends_that_no_layer_can_keep_cost_nothing_but_the_layers(astronaut: Picture) -> None:
    payload = net().fill(astronaut, 10_000, [6, 7])
    assert psnr(astronaut, back(payload, astronaut)) > psnr(astronaut, back(net().fill(astronaut, 9000, []), astronaut))


# --- payloads ---------------------------------------------------------------------------------------------------------


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=5), st.integers(0, 300))
def test_layers_in_a_payload(layers: list[bytes], length: int) -> None:
    payload = layered.pack(layers, length)
    assert len(payload) == max(length, 1 + 4 * len(layers) + sum(map(len, layers)))
    assert layered.unpack(payload) == layers


@pytest.mark.parametrize(
    "data",
    [b"", b"\0", b"\1", b"\1\0\0\0", struct.pack("<BI", 1, 2) + b"a", struct.pack("<BI", 1, 2) + b"ab\0\1", b"\0" * 64],
)
def test_payload_that_holds_no_layers_is_refused(data: bytes) -> None:
    with pytest.raises(DamagedError, match="does not fit"):
        layered.unpack(np.frombuffer(data, np.uint8))


def test_layers_end_before_the_first_lost_byte() -> None:
    payload = layered.pack([b"abc", b"de"], 20)
    for at in range(20):
        valid = np.ones(20, np.uint8)
        valid[at] = 0
        if at < 12:
            with pytest.raises(DamagedError, match="too little is left"):
                layered.unpack(payload, valid)
        else:
            assert layered.unpack(payload, valid) == [b"abc", b"de"][: 1 if at < 14 else 2]


@settings(max_examples=40)
@given(
    channels=st.sampled_from([1, 3]),
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    layers=st.lists(st.binary(min_size=3, max_size=400), min_size=1, max_size=3),
)
def test_any_bytes_are_a_picture_or_refused(channels: int, size: tuple[int, int], layers: list[bytes]) -> None:
    payload = layered.pack(layers, 0)
    try:
        found = net().rebuild(payload, None, *size, channels)
    except ImgcryptError:
        return
    assert (found.shape, found.dtype) == ((*size, channels), np.uint8)


def test_picture_that_its_bytes_cannot_fill_is_refused(astronaut: Picture) -> None:
    payload = net().measure(astronaut, 0.01)
    with pytest.raises(DamagedError, match="does not fit"):
        net().rebuild(payload, None, 2**31, 2**31, 3)


# --- tiles and threads ------------------------------------------------------------------------------------------------


@CHANNELS
@pytest.mark.parametrize("tile_blocks", [1, 2, 3])
def test_tiles_give_the_untiled_result(
    channels: int, tile_blocks: int, picture: MakePicture, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = colors(picture(7 * 32 - 5, 4 * 32 + 3, channels))
    payload = net().measure(image, 0.05)
    rebuilt = back(payload, image)
    monkeypatch.setattr("imgcrypt.runtime.net.TILE_BLOCKS", tile_blocks)
    assert most_apart(back(payload, image), rebuilt) <= 1


def test_threads_at_once_get_the_same_result(picture: MakePicture) -> None:
    image = colors(picture(64, 96))
    own, barrier = LayeredNet(net().entry, "cpu"), threading.Barrier(4)
    expected = back(net().measure(image, 0.1), image)
    results: list[Picture] = []

    def work() -> None:
        barrier.wait()
        for _ in range(3):
            results.append(own.rebuild(own.measure(image, 0.1), None, *image.shape))

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(results) == 12
    assert max(most_apart(result, expected) for result in results) <= 1


# --- a PSNR to aim at -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("target", [28, 42, 55])
def test_target_is_reached_and_little_more(channels: int, target: float, astronaut: Picture) -> None:
    image = {
        1: astronaut[:, :, 1],
        3: astronaut,
        4: np.dstack([astronaut, np.random.default_rng(0).integers(0, 256, (256, 256), np.uint8)]),
    }[channels][:128, :128]
    seen = np.ascontiguousarray(np.atleast_3d(image)[:, :, :3])
    blob = imgcrypt.encrypt(image, KEY, target_psnr=target)
    opened = imgcrypt.decrypt(blob, KEY)
    assert target <= psnr(seen, np.atleast_3d(opened)[:, :, :3])
    if channels == 4:
        np.testing.assert_array_equal(opened[:, :, 3], image[:, :, 3])
    payload = net().measure_for_psnr(seen, target, no_ends)
    assert target <= psnr(seen, back(payload, seen, "fast")) < target + 0.15
    assert len(payload) == padding.padded(used(payload))


@pytest.mark.parametrize("target", [20, 90, float("inf")])
def test_extreme_targets(target: float) -> None:
    for image in (np.full((64, 64, 1), 99, np.uint8), np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)):
        payload = net().measure_for_psnr(image, target, no_ends)
        assert psnr(image, back(payload, image, "fast")) >= target
    assert len(net().measure_for_psnr(np.full((64, 64, 1), 99, np.uint8), 20, no_ends)) < 20


def test_target_that_is_no_number_is_refused() -> None:
    with pytest.raises(NetError, match="number of dB"):
        net().measure_for_psnr(np.zeros((4, 4, 3), np.uint8), float("nan"), no_ends)


def test_net_of_one_rate_cannot_aim() -> None:
    with pytest.raises(NetError, match=r"fclbcnn-0\.18 has but one rate"):
        imgcrypt.encrypt(np.zeros((4, 4, 3), np.uint8), KEY, target_psnr=30, net="fclbcnn")


def test_tables_that_are_not_the_manifests_are_refused() -> None:
    with pytest.raises(NetError, match="not those that the manifest names"):
        LayeredNet(dataclasses.replace(net().entry, tables_sha256="00" * 32), "cpu")


@CHANNELS
def test_the_net_leaves_noise_as_it_is(channels: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (200, 300, channels), dtype=np.uint8)
    payload = net().measure_for_psnr(image, 42.0, no_ends)
    assert psnr(image, back(payload, image, "fast")) >= 42
    assert psnr(image, back(payload, image)) > 41.8
