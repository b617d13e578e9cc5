"""The net for any rate before it is exported: its transform, its classes, its quantizer, and a training step."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="training needs imgcrypt[train]")

import cv2  # noqa: E402
import typer  # noqa: E402
from torch import Tensor  # noqa: E402

from imgcrypt.codec import bitplanes  # noqa: E402
from imgcrypt.nets import sampling, train  # noqa: E402
from imgcrypt.nets.anyrate import Anyrate  # noqa: E402
from imgcrypt.nets.sampling import FULL, PLANES, Sampler  # noqa: E402

CHANNELS = pytest.mark.parametrize("channels", [1, 3])
MODES = pytest.mark.parametrize("mode", [0, 1])
ROOT = math.sqrt(2)

seeds = st.integers(0, 2**32 - 1)


def smooth(count: int, side: int = 128) -> Tensor:
    """Smooth pictures (N, 3, side, side) in [0, 1]."""
    coarse = torch.rand(count, 3, side // 8, side // 8, generator=torch.Generator().manual_seed(1))
    return torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic").clamp(0, 1)


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """For nets this small, threads cost more than they bring."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    yield
    monkeypatch.undo()
    torch.set_num_threads(before)


@pytest.fixture
def few_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "CLASSES", 8)


@pytest.fixture
def net(few_classes: None) -> Anyrate:
    """A small net for color, fitted to a few pictures."""
    torch.manual_seed(0)
    found = Anyrate(3, stages=2, width=4)
    found.warm_start(smooth(6, 64))
    return found


# --- sampling ---------------------------------------------------------------------------------------------------------


@MODES
def test_transform_is_orthonormal_and_blockwise(mode: int) -> None:
    sampler, side = Sampler(1), sampling.BLOCKS[mode]
    matrix = sampler.transforms[mode]
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(32), atol=1e-5, rtol=0)
    torch.manual_seed(0)
    planes = torch.rand(2, 1, 64, 96) * 255
    coefficients = sampler.transform(planes, mode)
    torch.testing.assert_close(sampler.inverse(coefficients, mode), planes, atol=1e-3, rtol=0)
    block = planes[1, 0, side : 2 * side, 2 * side : 3 * side].numpy()
    found = coefficients[1, 0, side : 2 * side, 2 * side : 3 * side].numpy()
    np.testing.assert_allclose(found, cv2.dct(block), atol=2e-3)


def test_colors_turn_there_and_back(net: Anyrate) -> None:
    pictures = smooth(2, 64) * 255
    rotation = net.sampler.rotation
    torch.testing.assert_close(rotation @ rotation.T, torch.eye(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(net.sampler.picture(net.sampler.planes(pictures)), pictures, atol=1e-2, rtol=0)


def test_blocks_find_their_way_back() -> None:
    maps = torch.arange(2 * 3 * 64 * 96.0).reshape(2, 3, 64, 96)
    blocks = sampling._by_superblock(maps)
    assert torch.equal(blocks[1, 0, 2, 1], maps[1, 1, :32, 64:])
    assert torch.equal(sampling.in_place(blocks), maps)
    for mode, side in enumerate(sampling.BLOCKS):
        parts = sampling._split(blocks, mode)
        assert parts.shape == (2, 2, 3, (32 // side) ** 2, 3, side, side)
        assert torch.equal(parts[1, 0, 2, -1], blocks[1, 0, 2, :, -side:, -side:])
    assert torch.equal(sampling._join(parts.flatten(-3)), blocks)


def test_each_bit_halves_the_cell() -> None:
    tables = {name: getattr(Sampler(1), name).double() for name in ("low", "high", "centroid", "variance")}
    whole = torch.linspace(-40, 40, 400_001, dtype=torch.float64)
    density = torch.exp(-ROOT * whole.abs()) / ROOT * (whole[1] - whole[0])
    for bits in (0, 1, 2, 5, 10):
        cells = torch.arange(1 << bits) * (FULL >> bits) + bits * FULL
        low, high, centroid, variance = (tables[name][cells] for name in ("low", "high", "centroid", "variance"))
        assert (low < centroid).all()
        assert (centroid < high).all()
        torch.testing.assert_close(low[1:], high[:-1])
        torch.testing.assert_close(low, -high.flip(0))
        # The centroids and variances of a Laplace law of variance 1, by numbers; but in cells where there is little.
        at = torch.bucketize(whole, high)
        share = torch.zeros(1 << bits, dtype=torch.float64).index_add(0, at.clamp(max=len(high) - 1), density)
        mean = torch.zeros_like(share).index_add(0, at.clamp(max=len(high) - 1), density * whole) / share
        middle = (share > 1e-4) & (high - low > 0.01)
        torch.testing.assert_close(centroid[middle], mean[middle], atol=2e-3, rtol=0)
        assert float((share * (variance + centroid**2)).sum()) == pytest.approx(1, abs=2e-3)
        if bits:
            parents = tables["low"][(bits - 1) * FULL + cells % FULL], tables["high"][(bits - 1) * FULL + cells % FULL]
            assert (parents[0] <= low).all()
            assert (high <= parents[1]).all()


def test_each_further_bit_saves_less() -> None:
    found = sampling.gains(Sampler(1).variance)
    assert found.shape == (PLANES,)
    assert (found[1:] <= found[:-1]).all()
    assert found.max() <= 0
    # The sign alone leaves half of a Laplacian's variance.
    assert found[0] == -16


@given(step=st.integers(0, 200), mean=st.floats(-3000, 3000), ratio=st.floats(-30, 30), bits=st.integers(0, PLANES))
def test_coefficient_is_in_the_interval_that_its_bits_tell(step: int, mean: float, ratio: float, bits: int) -> None:
    sampler = Sampler(1)
    size = float(sampler.scale[step])
    coefficient = torch.tensor(min(max(mean + ratio * size, -8000.0), 8000.0))
    steps, means = torch.tensor(step, dtype=torch.int32), torch.tensor(mean)
    index = sampler.indices(coefficient, steps, means)
    assert 0 <= int(index) < FULL
    low, high, centroid, variance = sampler.known(index, torch.tensor(bits), steps, means)
    slack = 1e-3 * size + 1e-3
    assert low - slack <= coefficient <= high + slack
    assert low - slack <= centroid.clamp(-8192, 8192) <= high + slack
    assert 0 < variance <= size**2 * 1.001
    # Lower bits do not count.
    noisy = index ^ torch.randint(0, 1 << (PLANES - bits), ())
    assert all(
        map(torch.equal, sampler.known(noisy, torch.tensor(bits), steps, means), (low, high, centroid, variance))
    )


@CHANNELS
def test_layout_and_sampler_agree(channels: int) -> None:
    sampler, rng = Sampler(channels), np.random.default_rng(0)
    steps0, steps1 = (rng.integers(0, 256, (256, channels, side, side), np.uint8) for side in sampling.BLOCKS)
    sampler.steps[0] = torch.from_numpy(steps0).flatten(1)
    sampler.steps[1] = torch.from_numpy(np.tile(steps1, (1, 1, 2, 2))).flatten(1)
    sampler.means.copy_(torch.from_numpy(rng.normal(0, 300, sampler.means.shape)))
    sampler.gains.copy_(sampling.gains(sampler.variance))
    means = (sampler.means[0].numpy(), sampler.means[1].numpy())
    gains = sampler.gains.numpy().astype(np.int16)
    tables = bitplanes.Tables((steps0.reshape(256, -1), steps1.reshape(256, -1)), means, gains)
    for mode in (0, 1):
        one_or_four = rng.integers(0, 256, (2, 3, 4 if mode else 1), np.uint8)
        classes = np.broadcast_to(one_or_four, (2, 3, 4))
        steps, firsts = sampler.laws(torch.from_numpy(classes.copy()).long()[None], mode)
        expanded = tables.expand(classes, mode)
        np.testing.assert_array_equal(steps[0].flatten(2).numpy(), expanded)
        quarters = firsts[0, ..., ::16, ::16].flatten(-2).numpy()
        np.testing.assert_array_equal(quarters, tables.dc_means(classes, mode))
        assert int((firsts != 0).sum()) == (4 if mode else 1) * 2 * 3 * channels
        for level in (0, 100, 250, 511):
            bits = sampler.bits(steps, torch.tensor(level))
            np.testing.assert_array_equal(bits[0].flatten(2).numpy(), tables.bits[level][expanded])


def test_fit_tells_flat_blocks_from_busy_ones(few_classes: None) -> None:
    torch.manual_seed(0)
    noise = torch.randn(24, 1, 64, 64)
    pictures = 128 + noise * torch.tensor([2.0, 40.0]).repeat(12).reshape(-1, 1, 1, 1)
    sampler = Sampler(1)
    sampling.fit(sampler, pictures, rounds=3)
    again = Sampler(1)
    sampling.fit(again, pictures, rounds=3)
    for mode in (0, 1):
        classes = sampler.classes(sampler.coefficients(pictures, mode), mode)
        flat, busy = (set(classes[i::2].flatten().tolist()) for i in (0, 1))
        assert flat.isdisjoint(busy)
        sizes = sampler.sizes(mode)
        assert float(sizes[list(flat)].median()) == pytest.approx(2, rel=0.2)
        assert float(sizes[list(busy)].median()) == pytest.approx(40, rel=0.2)
    for one, other in zip(sampler.buffers(), again.buffers(), strict=True):
        assert torch.equal(one, other)


@CHANNELS
def test_every_flat_color_is_within_reach(channels: int, few_classes: None) -> None:
    # Training pictures alike in color would let a class expect nothing else.
    pictures = 128 + torch.randn(20, channels, 64, 64, generator=torch.Generator().manual_seed(0)) * 3
    sampler = Sampler(channels)
    sampling.fit(sampler, pictures, rounds=2)
    corners = torch.tensor(list(itertools.product([0.0, 255.0], repeat=channels)))
    flat = corners[:, :, None, None].expand(-1, -1, 32, 32)
    for mode in (0, 1):
        coefficients = sampler.coefficients(flat, mode)
        for one in range(8):
            steps, means = sampler.laws(torch.full((len(flat), 1, 1, 4), one), mode)
            index = sampler.indices(coefficients, steps, means)
            _, _, centroid, _ = sampler.known(index, torch.full_like(index, PLANES), steps, means)
            rebuilt = sampler.picture(sampler.inverse(sampling.in_place(centroid), mode))
            torch.testing.assert_close(rebuilt, flat, atol=20, rtol=0)


@given(seed=seeds, lost=st.floats(0, 1), wrong=st.floats(0, 1))
def test_damage_only_shortens(seed: int, lost: float, wrong: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    indices, bits = (torch.randint(0, most, (2, 1, 5, 6), generator=generator) for most in (FULL, PLANES + 1))
    changed, left = sampling.damage(indices, bits, lost, 0, generator)
    assert torch.equal(changed, indices)
    assert (left <= bits).all()
    assert (left >= 0).all()
    if lost in (0, 1):
        assert torch.equal(left, bits * (1 - int(lost)))
    changed, left = sampling.damage(indices, bits, 0, wrong, generator)
    assert torch.equal(left, bits)
    assert changed.min() >= 0
    assert changed.max() < FULL
    # Lost bytes are as many as asked for.
    many = torch.full((8, 512), 8)
    _, left = sampling.damage(torch.zeros_like(many), many, lost, 0, generator)
    assert float((left == 0).float().mean()) == pytest.approx(lost, abs=0.05)


# --- training ---------------------------------------------------------------------------------------------------------


@MODES
@CHANNELS
def test_training_starts_at_the_centroids(channels: int, mode: int, few_classes: None) -> None:
    torch.manual_seed(0)
    net, pictures = Anyrate(channels, stages=2, width=4), smooth(6, 64)
    net.warm_start(pictures)
    levels = torch.tensor([100, 150, 200, 230, 250, 270])
    with torch.no_grad():
        known = net.known(pictures[:, :channels] * 255, levels, mode)
        rebuilt = net.reconstructor(known, levels, mode)
    linear = net.sampler.picture(net.sampler.inverse(known[2], mode))
    assert rebuilt.shape == (6, channels, 64, 64)
    torch.testing.assert_close(rebuilt, linear, atol=0.02, rtol=0)
    errors = (rebuilt - pictures[:, :channels] * 255).square().mean((1, 2, 3)).sqrt()
    assert (errors[1:] > errors[:-1]).all()
    assert errors[0] < 5


def test_loss_is_the_seeds(net: Anyrate) -> None:
    pictures = smooth(4, 64)
    found = [float(net.loss(pictures, seed, mixed=False).detach()) for seed in (*range(6), *range(6))]
    assert all(map(math.isfinite, found))
    assert found[:6] == found[6:]
    assert len(set(found)) == 6


def test_gradient_reaches_every_weight(net: Anyrate) -> None:
    for stage in net.reconstructor.stages:
        torch.nn.init.normal_(stage.say.weight, std=0.1)
    sum(net.loss(smooth(4, 64), seed, mixed=False) for seed in (0, 1)).backward()
    for name, weights in net.named_parameters():
        if name == "reconstructor.stages.0.trust":  # only every second stage moves coefficients
            continue
        assert weights.grad is not None, name
        assert weights.grad.isfinite().all(), name
        assert weights.grad.abs().max() > 0, name
    assert not any(name.startswith("sampler") for name, _ in net.named_parameters())


def test_training_lowers_the_loss(few_classes: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "LEARNING_RATE", 2e-2)  # it rises over 200 steps, and here are 40
    torch.manual_seed(0)
    net, pictures = Anyrate(1, stages=2, width=4), smooth(4, 64)
    net.warm_start(pictures)
    trainer = train.Trainer(net, "cpu", 400)
    before = np.mean([float(net.loss(pictures, seed, mixed=False).detach()) for seed in range(6)])
    for _ in range(40):
        trainer.train(pictures)
    after = np.mean([float(net.loss(pictures, seed, mixed=False).detach()) for seed in range(6)])
    assert after < before - 0.005
    # The average has the sampler's tables, and is what is validated.
    assert torch.equal(trainer.average.sampler.steps, net.sampler.steps)
    assert trainer.average.reconstructor.sampler[0] is trainer.average.sampler
    scores = trainer.average.validate(pictures[:1, :, :50, :40])
    assert list(scores.values()) == sorted(scores.values(), reverse=True)


def test_the_command_trains_it_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "CLASSES", 8)
    monkeypatch.setattr(Anyrate, "WARM_CROPS", 2)
    rng = np.random.default_rng(0)
    for i in range(3):
        coarse = rng.integers(0, 256, (8, 9, 3), np.uint8)
        cv2.imwrite(str(tmp_path / f"{i}.png"), cv2.resize(coarse, (144, 130), interpolation=cv2.INTER_CUBIC))
    run = tmp_path / "run"
    train.main("anyrate", [tmp_path], run, gray=True, steps=1, batch=2, device="cpu")
    record = json.loads((run / "record.json").read_text())
    assert (record["net"], record["gray"], record["steps"], record["pictures"]) == ("anyrate", True, 1, 2)
    assert set(record["curve"][0][1]) == {f"threshold {each}" for each in (105, 150, 196, 240, 275)}
    train.main("anyrate", [tmp_path], run, gray=True, steps=2, batch=2, device="cpu", resume=True)
    assert json.loads((run / "record.json").read_text())["steps"] == 2
    with pytest.raises(typer.BadParameter, match="another net"):
        train.main("anyrate", [tmp_path], run, gray=False, steps=3, device="cpu", resume=True)
