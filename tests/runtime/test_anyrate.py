"""The nets for any rate as they run: any size and rate, tiles that do not show, damage, and a PSNR to aim at."""

from __future__ import annotations

import dataclasses
import itertools
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
from imgcrypt import DamagedError, NetError, pictures, runtime
from imgcrypt.codec import bitplanes
from imgcrypt.keys import RawKey
from imgcrypt.metrics import psnr
from imgcrypt.runtime import anyrate, zoo
from imgcrypt.runtime.anyrate import AnyrateNet

Picture = npt.NDArray[Any]
MakePicture = Callable[..., Picture]

KEY = RawKey(bytes(range(32)))
CHANNELS = pytest.mark.parametrize("channels", [1, 3])


def net(channels: int) -> AnyrateNet:
    found = runtime.load(zoo.choose("anyrate", None, channels), "cpu")
    assert isinstance(found, AnyrateNet)
    return found


def through(image: Picture, rate: float, lost: Picture | None = None) -> Picture:
    """The picture (H, W, C) sampled at a rate and rebuilt, without the bytes that are lost, a mask."""
    own = net(image.shape[2])
    payload = own.measure(image, rate)
    valid = None if lost is None else (~lost).astype(np.uint8)
    return own.rebuild(payload if lost is None else np.where(lost, 0, payload), valid, *image.shape[:2])


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
        payload = net(channels).measure(image, rate)
        assert len(payload) == bitplanes.size(rate, *size, channels)
        back = net(channels).rebuild(payload, None, *size)
        assert back.shape == image.shape
        assert back.dtype == np.uint8
        assert psnr(image, back) >= 20
    np.testing.assert_array_equal(image, before)


@CHANNELS
def test_quality_rises_with_the_rate(channels: int, astronaut: Picture) -> None:
    image = np.ascontiguousarray(astronaut[:, :, :channels])
    found = [psnr(image, through(image, rate)) for rate in (0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.75)]
    assert found[0] >= 22
    assert found[-1] >= 45
    assert all(more > less + 0.5 for less, more in itertools.pairwise(found))


@CHANNELS
def test_quality_has_no_step_where_the_blocks_change(channels: int, astronaut: Picture) -> None:
    image = np.ascontiguousarray(astronaut[:, :, :channels])
    for bytes_each in (bitplanes.SWITCH[channels], 2 * bitplanes.SWITCH[channels]):
        rate = bytes_each * 64 / image.size
        below, above = (psnr(image, through(image, rate * change)) for change in (0.99, 1.01))
        assert abs(above - below) < 1


def test_rate_left_open_is_the_manifests(astronaut: Picture) -> None:
    own = net(3)
    assert own.entry.color_rate is not None
    np.testing.assert_array_equal(own.measure(astronaut, None), own.measure(astronaut, own.entry.color_rate))


@CHANNELS
def test_payload_that_is_too_short_is_refused(channels: int) -> None:
    own = net(channels)
    for size, least in (((1, 1), 5), ((32, 33), 10), ((65, 65), 45)):
        assert own.rebuild(np.zeros(least, np.uint8), None, *size).shape == (*size, channels)
        with pytest.raises(DamagedError, match="does not fit"):
            own.rebuild(np.zeros(least - 1, np.uint8), None, *size)


@settings(max_examples=20)
@given(
    channels=st.sampled_from([1, 3]),
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    length=st.integers(0, 5000),
    known=st.floats(0, 1) | st.none(),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_bytes_are_a_picture(
    channels: int, size: tuple[int, int], length: int, known: float | None, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    payload = rng.integers(0, 256, bitplanes.size(0, *size, channels) + length, np.uint8)
    valid = None if known is None else (rng.random(len(payload)) < known).astype(np.uint8)
    back = net(channels).rebuild(payload, valid, *size)
    assert (back.shape, back.dtype) == ((*size, channels), np.uint8)


# --- tiles and threads ------------------------------------------------------------------------------------------------


@CHANNELS
@pytest.mark.parametrize(("tile_blocks", "rate"), [(1, 0.02), (2, 0.3), (3, 0.02)])
def test_tiles_give_the_untiled_result(
    channels: int, tile_blocks: int, rate: float, picture: MakePicture, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, image = net(channels), colors(picture(7 * 32, 4 * 32, channels))
    payload = own.measure(image, rate)
    rebuilt = own.rebuild(payload, None, *image.shape[:2])
    monkeypatch.setattr("imgcrypt.runtime.net.TILE_BLOCKS", tile_blocks)
    assert most_apart(own.rebuild(payload, None, *image.shape[:2]), rebuilt) <= 1
    again = own.measure(image, rate)
    # Where a class or an index is a close call it may turn out otherwise, which changes next to nothing.
    assert len(again) == len(payload)
    assert abs(psnr(image, own.rebuild(again, None, *image.shape[:2])) - psnr(image, rebuilt)) < 0.1


def test_tiling_really_happens(picture: MakePicture, monkeypatch: pytest.MonkeyPatch) -> None:
    own, shapes = net(1), []
    session = AnyrateNet.session

    class Session:
        def __init__(self, part: str) -> None:
            self.part = part

        def run(self, names: None, inputs: dict[str, Picture]) -> Any:
            shapes.append((self.part, *next(iter(inputs.values())).shape[:2]))
            return session(own, self.part).run(names, inputs)

    monkeypatch.setattr(AnyrateNet, "session", lambda _, part: Session(part))
    monkeypatch.setattr("imgcrypt.runtime.net.TILE_BLOCKS", 2)
    payload = own.measure(colors(picture(9 * 32, 3 * 32, 1)), 0.1)
    assert len(shapes) == 5 * 2
    assert all(max(shape[1:]) <= 2 * 32 for shape in shapes)
    shapes.clear()
    own.rebuild(payload, None, 9 * 32, 3 * 32)
    assert len(shapes) == 5 * 2
    assert all(max(shape[1:]) <= 2 + 2 * own.entry.halo for shape in shapes)


def test_threads_at_once_get_the_same_result(picture: MakePicture) -> None:
    image = colors(picture(64, 96))
    expected = through(image, 0.1)
    own, barrier = AnyrateNet(net(3).entry, "cpu"), threading.Barrier(4)
    results: list[Picture] = []

    def work() -> None:
        barrier.wait()
        for _ in range(3):
            results.append(own.rebuild(own.measure(image, 0.1), None, *image.shape[:2]))

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(results) == 12
    assert max(most_apart(result, expected) for result in results) <= 1


# --- damage -----------------------------------------------------------------------------------------------------------


@CHANNELS
def test_lost_bytes_cost_decibels_not_the_picture(channels: int, astronaut: Picture) -> None:
    image = np.ascontiguousarray(astronaut[:, :, :channels])
    for rate in (0.02, 0.2):
        size, rng = bitplanes.size(rate, *image.shape), np.random.default_rng(0)
        order = rng.permutation(size)
        found = [psnr(image, through(image, rate, order < share * size)) for share in (0, 0.02, 0.1, 0.4)]
        assert all(less > more for less, more in itertools.pairwise(found))
        assert found[-1] >= 17
        assert psnr(image, through(image, rate)) == pytest.approx(found[0], abs=0.01)


@CHANNELS
def test_block_whose_bits_are_all_lost_looks_like_those_around(channels: int, picture: MakePicture) -> None:
    image = np.ascontiguousarray(colors(picture(400, 400, channels, texture=False))[:96, :96])
    payload = net(channels).measure(image, 0.03)
    known = bitplanes.unpack(net(channels).tables, payload, None, 3, 3)
    assert known.mode == 0
    bits = known.bits.sum(2, dtype=int)
    # The bytes of the middle one of nine superblocks.
    row = 9 + -(-int(bits[0].sum()) // 8)
    first, last = int(bits[1, 0]), int(bits[1, :2].sum())
    assert last > first
    lost = np.zeros(len(payload), bool)
    lost[row + first // 8 : row + -(-last // 8)] = True
    back, middle = through(image, 0.03, lost), np.s_[32:64, 32:64]
    assert np.abs(back[middle].mean((0, 1)) - image[middle].mean((0, 1))).max() < 40


@given(
    size=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    channels=st.sampled_from([1, 3]),
    mode=st.integers(0, 1),
    share=st.floats(0, 1),
    seed=st.integers(0, 2**32 - 1),
)
def test_lost_dc_coefficients_are_told_by_those_around(
    size: tuple[int, int], channels: int, mode: int, share: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    firsts = rng.normal(0, 500, (*size, channels, 4)).astype(np.float32)
    known = rng.random(firsts.shape) < share
    filled = anyrate._fill(firsts, known, mode)[..., : 4 if mode else 1]
    assert np.isfinite(filled).all()
    for channel in range(channels):
        there = firsts[:, :, channel][known[:, :, channel] & (np.arange(4) < (4 if mode else 1))]
        if len(there):
            slack = 1e-3 * np.abs(there).max()
            assert there.min() - slack <= filled[:, :, channel].min()
            assert filled[:, :, channel].max() <= there.max() + slack


def test_gap_in_a_ramp_of_dc_coefficients_is_closed() -> None:
    # Four blocks in each superblock: the columns of blocks are 0, 1, 2, ...
    ramp = (2 * np.arange(5.0)[:, None, None] + np.arange(4) % 2 + np.zeros((5, 5, 1, 4))).astype(np.float32)
    known = np.ones(ramp.shape, bool)
    known[2, 2, 0] = [False, True, True, False]
    filled = anyrate._fill(ramp, known, 1)[2, 2, 0]
    np.testing.assert_allclose(filled[[0, 3]], [4, 5], atol=0.5)


@CHANNELS
def test_lost_classes_are_repaired_and_unreadable_ones_leave_means(channels: int, astronaut: Picture) -> None:
    image = np.ascontiguousarray(astronaut[:, :, :channels])
    lost = np.zeros(bitplanes.size(0.05, *image.shape), bool)
    lost[:64] = True
    assert most_apart(through(image, 0.05, lost), through(image, 0.05)) <= 1
    lost[-64:] = True
    assert through(image, 0.05, lost).shape == image.shape
    assert through(image, 0.05, np.ones_like(lost)).shape == image.shape


# --- a PSNR to aim at -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("target", [28, 36.5])
def test_target_is_reached_by_the_smallest_rate(channels: int, target: float, astronaut: Picture) -> None:
    image = {
        1: astronaut[:, :, 1],
        3: astronaut,
        4: np.dstack([astronaut, np.random.default_rng(0).integers(0, 256, (256, 256), np.uint8)]),
    }[channels][:128, :128]
    seen = np.ascontiguousarray(np.atleast_3d(image)[:, :, :3])
    blob = imgcrypt.encrypt(image, KEY, target_psnr=target)
    back = imgcrypt.decrypt(blob, KEY)
    assert psnr(seen, np.atleast_3d(back)[:, :, :3]) >= target
    if channels == 4:
        np.testing.assert_array_equal(back[:, :, 3], image[:, :, 3])
    rate = imgcrypt.inspect(blob).rate
    assert rate is not None
    assert psnr(seen, through(seen, rate / 1.03)) < target


def test_target_that_any_rate_reaches_takes_the_lowest() -> None:
    image = np.full((64, 64), 99, np.uint8)
    blob = imgcrypt.encrypt(image, KEY, target_psnr=20)
    assert imgcrypt.inspect(blob).payload_bytes <= bitplanes.size(1.01 * zoo.RATES[0], 64, 64, 1)


@pytest.mark.parametrize("target", [90, 1e300])
def test_target_out_of_reach_is_refused(target: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    with pytest.raises(NetError, match=r"comes back with [0-9.]+ dB at the highest rate"):
        imgcrypt.encrypt(noise, KEY, target_psnr=target)


def test_net_of_one_rate_cannot_aim() -> None:
    with pytest.raises(NetError, match=r"fclbcnn-0\.18 has but one rate"):
        imgcrypt.encrypt(np.zeros((4, 4, 3), np.uint8), KEY, target_psnr=30, net="fclbcnn")


def test_tables_that_are_not_the_manifests_are_refused(tmp_path: Path) -> None:
    entry = net(1).entry
    assert entry.tables is not None
    path = tmp_path / "tables.npz"
    path.write_bytes(entry.tables.read_bytes() + b"x")
    other = AnyrateNet(dataclasses.replace(entry, tables=path), "cpu")
    with pytest.raises(NetError, match="not the file that its manifest names"):
        other.measure(np.zeros((4, 4, 1), np.uint8), 0.1)
