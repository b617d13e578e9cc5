"""The paper's sampling and reconstruction net: fully connected layer, bilinear interpolation and CNN.

Source: Chen, Guo and Jing, Acta Physica Sinica 69 (24), 2020, abstract and figure 2. A picture of
3 x 33 x 33 blocks is interpolated to 24 x 24 and sampled by a CNN (576 measurements a block are rate 0.18
of its 3 x 33 x 33 samples, and 0.53 of a gray block's 33 x 33), and rebuilt by two branches: bilinear
interpolation + CNN (contours) and a fully connected layer (colors).

Three points where this code goes further than the text:

* The sampling CNN ends in a strided convolution that takes ``depth`` measurements from each cell of a
  block. A shift-invariant CNN would give every measurement the same meaning and could not carry color.
* The convolutions of the reconstruction see the whole picture, not one block, and see the fully
  connected branch's picture too (a residual join), so that block edges vanish.
* They run at a third of the resolution (pixel unshuffle), nine times cheaper.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from imgcrypt.errors import NetError

BLOCK = 33
"""Side of a block in pixels."""
SIDE = 24
"""Side of a block after interpolation."""


LUMA = torch.tensor([0.299, 0.587, 0.114])
"""Gray from RGB: ITU-R BT.601."""
COLOR_SHAPES = {0.08: (3, 30), 0.10: (3, 36), 0.18: (3, 64)}
"""Rate -> grid and depth of a net for color; on gray pictures its rate is three times that."""
GRAY_SHAPES = {0.01: (1, 10), 0.04: (1, 43), 0.10: (3, 12)}
"""Rate -> grid and depth of a net for gray alone."""


class BlockModel(nn.Module):
    """What training and export know of a net that samples block by block.

    A sampler, a reconstructor, and 8-bit measurements between them. A block has ``grid x grid`` cells of ``depth``
    measurements each, so that the rate of a color picture is ``grid**2 * depth / (3 * 33**2)``.
    """

    LINEAR: tuple[str, ...]
    """What the names of the weights begin with that :meth:`warm_start` solves."""
    CROP = 3 * BLOCK
    """Pixels a side of the training's pictures."""
    WARM_CROPS = 1500
    """Crops from which :meth:`warm_start` solves the linear layers."""
    BRANCHES: tuple[str, ...] = ()
    """What :meth:`branches` gives beside their sum, as the exported reconstructor calls it."""
    GRAY_SHARE = 0.25
    """Share of gray crops in the training of a net for color, so that it serves both kinds of picture."""
    LARGEST_GRADIENT = 0.05
    """Norm to which a rare steep batch is cut back, some times the usual one."""
    noise = 0.0
    """Standard deviation of the Gaussian noise on the measurements of :meth:`loss`, of which 0 to 1 is the range."""

    def __init__(self, grid: int, depth: int, sampler: nn.Module, reconstructor: nn.Module) -> None:
        super().__init__()
        self.grid, self.depth = grid, depth
        self.block_bytes = grid**2 * depth
        self.sampler, self.reconstructor = sampler, reconstructor

    def forward(self, picture: Tensor) -> Tensor:
        """Sample, quantize to 8 bits and rebuild: (N, 3, 33 h, 33 w) in [0, 1] -> the same shape, not clipped."""
        return self.rebuild(self.measure(picture))

    def measure(self, picture: Tensor) -> Tensor:
        """The measurements before quantization, in full precision whatever the mode: (N, depth, grid h, grid w)."""
        with torch.autocast(picture.device.type, enabled=False):
            return self.sampler(picture)

    def rebuild(self, measurements: Tensor) -> Tensor:
        """Quantize measurements to 8 bits and rebuild the picture, not clipped."""
        return self.reconstructor(quantize(measurements))

    def branches(self, measurements: Tensor) -> tuple[Tensor, ...]:
        """Pictures of quantized measurements whose sum is the reconstruction, one for each branch of the net."""
        return (self.reconstructor(measurements),)

    def loss(self, pictures: Tensor, seed: int, mixed: bool) -> Tensor:
        """What to minimize: the mean squared error of pictures (N, 3, 33 h, 33 w) in [0, 1].

        Args:
            pictures: as they should come back.
            seed: of the noise on measurements, if there is any.
            mixed: whether convolutions run in bfloat16.
        """
        measurements = received = self.measure(pictures)
        if self.noise:
            drawn = torch.randn(measurements.shape, generator=torch.Generator().manual_seed(seed))
            received = measurements + self.noise * drawn.to(measurements)
        with torch.autocast(pictures.device.type, torch.bfloat16, enabled=mixed):
            rebuilt = self.rebuild(received)
        # Quantization passes the gradient as if it did not clip, so something must hold measurements in range.
        outside = (measurements - measurements.clamp(0, 1)).square().mean()
        return F.mse_loss(rebuilt.float(), pictures) + outside

    def validate(self, picture: Tensor) -> dict[str, float]:
        """PSNR in dB, after rounding, of a picture (1, 3, H, W) in [0, 1] and of it in gray, as the channels' mean."""
        height, width = (length // BLOCK * BLOCK for length in picture.shape[2:])
        picture = picture[:, :, :height, :width]
        gray = (
            (picture * LUMA.to(picture).view(3, 1, 1)).sum(1, keepdim=True).mul(255).round().div(255).expand_as(picture)
        )
        found = {}
        for kind, wanted in (("color", picture), ("gray", gray.expand_as(picture))):
            rebuilt = self(wanted)
            if kind == "gray":
                rebuilt = rebuilt.mean(1, keepdim=True).expand_as(picture)
            rebuilt = (rebuilt.clamp(0, 1) * 255).round() / 255
            found[kind] = float(-10 * (rebuilt - wanted).square().mean().log10())
        return found


class Fclbcnn(BlockModel):
    """Sampler and reconstructor for one rate, with 1 or 3 cells along a block's side."""

    LINEAR = ("sampler.cells.", "reconstructor.colors.")
    BRANCHES = ("colors", "contours")

    def __init__(self, grid: int = 3, depth: int = 64, features: int = 16, width: int = 64) -> None:
        if BLOCK % grid or SIDE % grid:
            raise ValueError(f"a grid of {grid} cells divides neither {BLOCK} pixels nor {SIDE}; use 1 or 3")
        super().__init__(grid, depth, Sampler(grid, depth, features), Reconstructor(grid, depth, width))

    def branches(self, measurements: Tensor) -> tuple[Tensor, ...]:
        return self.reconstructor.branches(measurements)

    @torch.no_grad()
    def warm_start(self, pictures: Tensor) -> None:
        """Set the linear layers to the best linear sampling and reconstruction of the given pictures.

        The sampler's cells come from a reduced-rank regression (Izenman 1975) of the pixels on the
        interpolated maps, the fully connected layer from the ridge regression of the blocks on their
        measurements. Training starts many decibels higher than from random weights.

        Args:
            pictures: (N, 3, 33 h, 33 w) in [0, 1]; N h w should be some thousands.
        """
        sampler, reconstructor, grid = self.sampler, self.reconstructor, self.grid
        maps = patches(sampler.maps(pictures), SIDE // grid)
        theta, maps_mean, _ = ridge(maps, patches(pictures, BLOCK // grid))
        fitted = (maps - maps_mean) @ theta
        _, axes = torch.linalg.eigh(fitted.T @ fitted / len(fitted))
        axes = axes.flip(1)[:, : self.depth]  # largest variance first
        # The largest value seen fills the byte: these distributions have long tails, and clipping costs much.
        gain = theta @ axes / (2 * (fitted @ axes).abs().amax(0))
        sampler.cells.weight.copy_(gain.T.reshape(sampler.cells.weight.shape))
        sampler.cells.bias.copy_(0.5 - maps_mean @ gain)

        measurements = quantize(sampler(pictures))
        theta, rows_mean, blocks_mean = ridge(patches(measurements, grid), patches(pictures, BLOCK))
        reconstructor.colors.weight.copy_(theta.T.reshape(reconstructor.colors.weight.shape))
        reconstructor.colors.bias.copy_(blocks_mean - rows_mean @ theta)
        reconstructor.contours[-1].weight.zero_()
        reconstructor.contours[-1].bias.zero_()


def build(rate: float, gray: bool) -> Fclbcnn:
    """An untrained net of one rate, for color or for gray pictures alone.

    Raises:
        NetError: the rate is not served.
    """
    shapes = GRAY_SHAPES if gray else COLOR_SHAPES
    if rate not in shapes:
        raise NetError(f"rate {rate} is not served; choose one of {', '.join(map(str, shapes))}")
    return Fclbcnn(*shapes[rate])


class Sampler(nn.Module):
    """Pictures (N, 3, 33 h, 33 w) in [0, 1] -> measurements (N, depth, grid h, grid w), about [0, 1]."""

    def __init__(self, grid: int, depth: int, features: int) -> None:
        super().__init__()
        # A slope of 1 makes the net linear at the start, so that warm_start can solve for its last layer.
        self.contours = nn.Sequential(nn.Conv2d(3, features, 3, padding=1), nn.PReLU(features, init=1.0))
        self.cells = nn.Conv2d(3 + features, depth, SIDE // grid, stride=SIDE // grid)

    def forward(self, picture: Tensor) -> Tensor:
        return self.cells(self.maps(picture))

    def maps(self, picture: Tensor) -> Tensor:
        """The picture and its contours, interpolated: (N, 3 + features, 24 h, 24 w)."""
        maps = torch.cat([picture, self.contours(picture)], 1)
        size = [length // BLOCK * SIDE for length in picture.shape[2:]]
        return F.interpolate(maps, size=size, mode="bilinear", align_corners=False)


class Reconstructor(nn.Module):
    """Measurements (N, depth, grid h, grid w) in [0, 1] -> pictures (N, 3, 33 h, 33 w), not clipped."""

    def __init__(self, grid: int, depth: int, width: int) -> None:
        super().__init__()
        self.grid = grid
        # A stride of one block makes this convolution the fully connected layer of each block.
        self.colors = nn.Conv2d(depth, 3 * BLOCK**2, grid, stride=grid)
        self.squeeze = nn.Conv2d(depth, 32, 1)
        self.contours = nn.Sequential(
            nn.Conv2d(32 + 27, width, 3, padding=1),
            nn.PReLU(width),
            nn.Conv2d(width, width, 3, padding=1),
            nn.PReLU(width),
            nn.Conv2d(width, width, 3, padding=1),
            nn.PReLU(width),
            nn.Conv2d(width, 27, 3, padding=1),
        )

    def forward(self, measurements: Tensor) -> Tensor:
        colors, contours = self.branches(measurements)
        return colors + contours

    def branches(self, measurements: Tensor) -> tuple[Tensor, Tensor]:
        """The pictures of the fully connected branch and of the other one, which are added."""
        with torch.autocast(measurements.device.type, enabled=False):
            colors = F.pixel_shuffle(self.colors(measurements), BLOCK)
        height, width = measurements.shape[2] // self.grid, measurements.shape[3] // self.grid
        maps = F.interpolate(
            self.squeeze(measurements), size=(height * 11, width * 11), mode="bilinear", align_corners=False
        )
        contours = self.contours(torch.cat([maps, F.pixel_unshuffle(colors, 3)], 1))
        return colors, F.pixel_shuffle(contours, 3)


def quantize(measurements: Tensor) -> Tensor:
    """Clip to [0, 1] and round to multiples of 1/255; the gradient passes as if neither were done."""
    exact = measurements.float()
    return exact + ((exact.clamp(0, 1) * 255).round() / 255 - exact).detach()


def patches(maps: Tensor, side: int) -> Tensor:
    """The maps' patches of ``side x side``, one a row, in double precision."""
    return F.unfold(maps, side, stride=side).transpose(1, 2).flatten(0, 1).double()


def ridge(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Ridge regression of the rows of y on those of x: the matrix, and the means of x and y."""
    x_mean, y_mean = x.mean(0), y.mean(0)
    x, y = x - x_mean, y - y_mean
    covariance = x.T @ x
    covariance += 1e-6 * covariance.diagonal().mean() * torch.eye(len(covariance), dtype=x.dtype, device=x.device)
    return torch.linalg.solve(covariance, x.T @ y), x_mean, y_mean
