"""The nets of others: what they sample, what they are before training, what they keep to."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="training needs imgcrypt[train]")

from torch import Tensor  # noqa: E402

from imgcrypt.errors import NetError  # noqa: E402
from imgcrypt.nets import baselines, train  # noqa: E402
from imgcrypt.nets.fclbcnn import quantize  # noqa: E402

METHODS = list(baselines.METHODS)


def gray_pictures(count: int) -> Tensor:
    """Smooth pictures of 2 x 3 blocks in three equal channels."""
    generator = torch.Generator().manual_seed(1)
    coarse = torch.rand(count, 1, 9, 12, generator=generator)
    return torch.nn.functional.interpolate(coarse, (66, 99), mode="bicubic").clamp(0, 1).repeat(1, 3, 1, 1)


@pytest.mark.parametrize("method", METHODS)
def test_shapes_and_equal_channels(method: str) -> None:
    torch.manual_seed(0)
    net = train.build(method, 0.01, gray=True).eval()
    pictures = gray_pictures(2)
    measured = net.measure(pictures)
    assert measured.shape == (2, 10, 2, 3)
    assert net.block_bytes == 10
    rebuilt = net(pictures)
    assert rebuilt.shape == pictures.shape
    assert torch.equal(rebuilt[:, 0], rebuilt[:, 2])


def test_rows_are_orthonormal_and_the_same_each_time() -> None:
    one, other = (baselines.RandomSampler(43).cells.weight.flatten(1) for _ in range(2))
    assert torch.equal(one, other)
    torch.testing.assert_close(one @ one.T, torch.eye(43), atol=1e-5, rtol=0)


@pytest.mark.parametrize("method", METHODS)
def test_training_starts_at_the_linear_solution(method: str) -> None:
    torch.manual_seed(0)
    net, pictures = train.build(method, 0.04, gray=True), gray_pictures(30)
    net.warm_start(pictures)
    measured = quantize(net.measure(pictures))
    linear = torch.nn.functional.pixel_shuffle(net.reconstructor.linear(measured), 33)
    # ReconNet cuts off what is below zero, MSRNet puts back what the ridge held off.
    torch.testing.assert_close(net.reconstructor(measured)[:, :1].clamp(0), linear.clamp(0), atol=0.02, rtol=0)


def test_thinner_convolutions_are_the_same() -> None:
    torch.manual_seed(0)
    maps, many = torch.rand(2, 1, 33, 33), torch.rand(2, 5, 33, 33)
    first, last = baselines.ConvFromOne(4, 11), baselines.ConvToOne(5, 7)
    torch.nn.init.normal_(last.conv.weight)
    whole = first.conv.weight.permute(0, 3, 2, 1)
    expected = torch.nn.functional.conv2d(maps, whole, first.conv.bias, padding=5)
    torch.testing.assert_close(first(maps), expected, atol=1e-4, rtol=0)
    whole = last.conv.weight.permute(3, 1, 2, 0)
    torch.testing.assert_close(last(many), torch.nn.functional.conv2d(many, whole, padding=3), atol=1e-4, rtol=0)


@pytest.mark.parametrize("method", METHODS)
def test_warm_start_fills_the_bytes_and_leaves_the_matrix_alone_in_training(method: str) -> None:
    torch.manual_seed(0)
    net, pictures = train.build(method, 0.04, gray=True), gray_pictures(30)
    net.warm_start(pictures)
    measured = net.measure(pictures)
    torch.testing.assert_close((measured - 0.5).abs().amax((0, 2, 3)), torch.full((43,), 0.5))
    linear = net.reconstructor.linear(quantize(measured))
    blocks = pictures[:, :1].reshape(30, 2, 33, 3, 33).permute(0, 2, 4, 1, 3).reshape(30, 33 * 33, 2, 3)
    # The layer sees the mean of each block at least.
    assert (linear - blocks).square().mean() < 0.5 * (blocks - blocks.mean()).square().mean()
    matrix, weights = net.sampler.cells.weight.clone(), net.reconstructor.linear.weight.clone()
    trainer = train.Trainer(net, "cpu", 10)
    for _ in range(2):  # the first step has no learning rate yet
        trainer.train(pictures[:1])
    assert torch.equal(net.sampler.cells.weight, matrix)
    assert not torch.equal(net.reconstructor.linear.weight, weights)
    assert not torch.equal(trainer.average.reconstructor.linear.weight, weights)


def test_blocks_are_rebuilt_alone_and_in_their_places() -> None:
    torch.manual_seed(0)
    net = train.build("reconnet", 0.01, gray=True)
    pictures = gray_pictures(1)
    whole = net(pictures)
    part = net(pictures[:, :, 33:66, 66:99])
    torch.testing.assert_close(whole[:, :, 33:66, 66:99], part)


def test_msrnet_agrees_with_its_measurements() -> None:
    torch.manual_seed(0)
    net, pictures = train.build("msrnet", 0.04, gray=True), gray_pictures(30)
    net.warm_start(pictures)
    measured = quantize(net.measure(pictures))
    torch.testing.assert_close(net.measure(net.reconstructor(measured)), measured, atol=1e-4, rtol=0)


def test_color_and_other_rates_are_refused() -> None:
    with pytest.raises(NetError, match="ask for a gray net"):
        train.build("dr2net", 0.25, gray=False)
    with pytest.raises(NetError, match=r"0\.01, 0\.04, 0\.1, 0\.25"):
        train.build("dr2net", 0.5, gray=True)
