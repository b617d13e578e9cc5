from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="training needs imgcrypt[train]")

from imgcrypt.nets import fclbcnn  # noqa: E402


@pytest.mark.parametrize(("grid", "depth"), [(3, 64), (3, 30), (1, 10)])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 3)])
def test_shapes(grid: int, depth: int, height: int, width: int) -> None:
    net = fclbcnn.Fclbcnn(grid, depth)
    picture = torch.rand(2, 3, 33 * height, 33 * width)
    assert net.sampler(picture).shape == (2, depth, grid * height, grid * width)
    assert net(picture).shape == picture.shape
    assert net.block_bytes == grid**2 * depth


def test_quantize_gives_bytes_and_passes_the_gradient() -> None:
    values = torch.tensor([-0.5, 0.0, 0.1, 0.5001, 1.0, 7.0], requires_grad=True)
    quantized = fclbcnn.quantize(values)
    assert torch.equal((quantized * 255).round(), torch.tensor([0, 0, 26, 128, 255, 255]))
    torch.testing.assert_close(quantized * 255, (quantized * 255).round())
    quantized.sum().backward()
    assert torch.equal(values.grad, torch.ones(6))


def test_warm_start_finds_the_linear_solution() -> None:
    torch.manual_seed(0)
    # Pictures that are linear in a few numbers can be sampled and rebuilt almost exactly.
    basis = torch.rand(6, 3, 33, 33)
    pictures = torch.einsum("nk,kchw->nchw", torch.rand(400, 6) / 6, basis)
    net = fclbcnn.Fclbcnn(grid=3, depth=10)
    before = (net(pictures) - pictures).square().mean()
    net.warm_start(pictures)
    after = (net(pictures) - pictures).square().mean()
    assert after < 2e-5 < before


def test_a_grid_that_does_not_fit_the_block_is_refused() -> None:
    with pytest.raises(ValueError, match="33 pixels"):
        fclbcnn.Fclbcnn(grid=2, depth=68)
