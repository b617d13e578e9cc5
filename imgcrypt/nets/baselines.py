"""Nets of others, for comparison: ReconNet, DR2-Net and MSRNet.

All three sample blocks of 33 x 33 gray pixels by a random Gaussian matrix with orthonormal rows, and rebuild each
block on its own: a fully connected layer, then convolutions at full resolution. The sources:

* ReconNet: Kulkarni, Lohit, Turaga, Kerviche and Ashok, CVPR 2016.
* DR2-Net: Yao, Dai, Zhang, Ma, Zhang, Zhang and Tian, Neurocomputing 359, 2019.
* MSRNet: Lian, Fu, Chen and Shi, Acta Automatica Sinica 45 (11), 2019: a fully connected layer, residual blocks of
  parallel dilated convolutions, and a last step towards the measurements. Its widths are a choice made here.

Two points differ from the papers, so that the figures can be compared with those of this package: measurements have 8
bits, and no filter (BM3D) smooths the pictures after the net.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from imgcrypt.errors import NetError
from imgcrypt.nets.fclbcnn import BLOCK, BlockModel, patches, quantize, ridge

MEASUREMENTS = {0.01: 10, 0.04: 43, 0.10: 109, 0.25: 272}
"""Rate -> measurements of a block, as these papers round them."""
SEED = 0
"""Of the random matrix: nets of one rate share it."""


class Baseline(BlockModel):
    """A net of this kind for gray pictures in three equal channels."""

    LINEAR = ("reconstructor.linear.",)

    def __init__(self, method: str, depth: int) -> None:
        super().__init__(1, depth, RandomSampler(depth), METHODS[method](depth))

    @torch.no_grad()
    def warm_start(self, pictures: Tensor) -> None:
        """Fit the bytes' range to the pictures, and set the fully connected layer to its least-squares solution.

        DR2-Net's paper trains that layer alone first, which ends there too.

        Args:
            pictures: (N, 3, 33 h, 33 w) in [0, 1]; N h w should be some thousands.
        """
        sampler, reconstructor = self.sampler, self.reconstructor
        sampler.fit(pictures)
        blocks = patches(pictures.mean(1, keepdim=True), BLOCK)
        theta, rows_mean, blocks_mean = ridge(patches(quantize(sampler(pictures)), 1), blocks)
        reconstructor.linear.weight.copy_(theta.T.reshape(reconstructor.linear.weight.shape))
        reconstructor.linear.bias.copy_(blocks_mean - rows_mean @ theta)
        if isinstance(reconstructor, MsrNet):
            reconstructor.learn(sampler)


class RandomSampler(nn.Module):
    """Gray pictures (N, 3, 33 h, 33 w) in [0, 1] -> measurements (N, depth, h, w), about [0, 1]; never trained."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        gaussian = torch.randn(BLOCK**2, depth, generator=torch.Generator().manual_seed(SEED), dtype=torch.float64)
        rows = torch.linalg.qr(gaussian).Q.T
        self.cells = nn.Conv2d(1, depth, BLOCK, stride=BLOCK).requires_grad_(False)
        self.cells.weight.copy_(rows.reshape(self.cells.weight.shape))
        self.cells.bias.fill_(0.5)

    def forward(self, picture: Tensor) -> Tensor:
        return self.cells(picture.mean(1, keepdim=True))

    def fit(self, pictures: Tensor) -> None:
        """Scale each measurement so that its largest value on the pictures fills the byte, its mean at one half."""
        measured = self(pictures).transpose(0, 1).flatten(1)
        mean = measured.mean(1)
        gain = 0.5 / (measured - mean[:, None]).abs().amax(1)
        self.cells.weight.mul_(gain[:, None, None, None])
        self.cells.bias.sub_(mean).mul_(gain).add_(0.5)


class BlockReconstructor(nn.Module):
    """Measurements (N, depth, h, w) in [0, 1] -> gray pictures (N, 3, 33 h, 33 w), not clipped, block by block."""

    def __init__(self, depth: int, improve: nn.Module) -> None:
        super().__init__()
        self.linear = nn.Conv2d(depth, BLOCK**2, 1)
        self.improve = improve

    def forward(self, measurements: Tensor) -> Tensor:
        height, width = measurements.shape[2], measurements.shape[3]
        with torch.autocast(measurements.device.type, enabled=False):
            linear = self.linear(measurements)
        blocks = self.improve(linear.permute(0, 2, 3, 1).reshape(-1, 1, BLOCK, BLOCK))
        maps = blocks.reshape(-1, height, width, BLOCK**2).permute(0, 3, 1, 2)
        return F.pixel_shuffle(self.close(maps, measurements), BLOCK).repeat(1, 3, 1, 1)

    def close(self, maps: Tensor, measurements: Tensor) -> Tensor:
        """The last step: blocks (N, 33 * 33, h, w) -> the same shape."""
        return maps


class ReconNet(BlockReconstructor):
    """Two units of three convolutions. They start as the identity."""

    def __init__(self, depth: int) -> None:
        layers = []
        for _ in range(2):
            first, second, third = ConvFromOne(64, 11), nn.Conv2d(64, 32, 1), ConvToOne(32, 7)
            with torch.no_grad():
                first.conv.weight[0] = 0
                first.conv.weight[0, 5, 5] = 1
                second.weight[0] = 0
                second.weight[0, 0] = 1
                third.conv.weight[3, 0, 3] = 1
                first.conv.bias[0] = second.bias[0] = 0
            layers += [first, nn.ReLU(), second, nn.ReLU(), third, nn.ReLU()]
        super().__init__(depth, nn.Sequential(*layers[:-1]))


class Dr2Net(BlockReconstructor):
    """Four residual blocks of the same convolutions, with batch normalization."""

    def __init__(self, depth: int) -> None:
        blocks = [
            nn.Sequential(
                ConvFromOne(64, 11, bias=False),
                nn.BatchNorm2d(64),
                nn.ReLU(),
                nn.Conv2d(64, 32, 1, bias=False),
                nn.BatchNorm2d(32),
                nn.ReLU(),
                ConvToOne(32, 7),
            )
            for _ in range(4)
        ]
        super().__init__(depth, nn.Sequential(*map(Residual, blocks)))


class MsrNet(BlockReconstructor):
    """Three residual blocks of parallel dilated convolutions; then each block gets what it was measured to have."""

    def __init__(self, depth: int) -> None:
        blocks = [
            nn.Sequential(
                Parallel([nn.Conv2d(1, 32, 3, padding=dilation, dilation=dilation) for dilation in (1, 2, 4)]),
                nn.ReLU(),
                nn.Conv2d(96, 32, 1),
                nn.ReLU(),
                ConvToOne(32, 7),
            )
            for _ in range(3)
        ]
        super().__init__(depth, nn.Sequential(*map(Residual, blocks)))
        self.sampling = nn.Conv2d(BLOCK**2, depth, 1).requires_grad_(False)
        self.back = nn.Conv2d(depth, BLOCK**2, 1, bias=False).requires_grad_(False)

    def learn(self, sampler: RandomSampler) -> None:
        """Take over the matrix of the sampler, scaled as it is, and its pseudo-inverse."""
        matrix = sampler.cells.weight.flatten(1)
        self.sampling.weight.copy_(matrix[:, :, None, None])
        self.sampling.bias.copy_(sampler.cells.bias)
        self.back.weight.copy_((matrix / matrix.square().sum(1, keepdim=True)).T[:, :, None, None])

    def close(self, maps: Tensor, measurements: Tensor) -> Tensor:
        with torch.autocast(maps.device.type, enabled=False):
            maps = maps.float()
            return maps + self.back(measurements - self.sampling(maps))


class Residual(nn.Module):
    """Adds what the layers inside give."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, blocks: Tensor) -> Tensor:
        return blocks + self.layers(blocks)


class Parallel(nn.Module):
    """Joins the maps of several layers."""

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, blocks: Tensor) -> Tensor:
        return torch.cat([layer(blocks) for layer in self.layers], 1)


class ConvFromOne(nn.Module):
    """A ``side x side`` convolution of a single map, whose shifted copies are the channels of a thinner one.

    That is the same, but trains three times as fast on a CPU; so with :class:`ConvToOne`.
    """

    def __init__(self, features: int, side: int, bias: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(side, features, (side, 1), padding=(side // 2, 0), bias=bias)

    def forward(self, maps: Tensor) -> Tensor:
        side, width = self.conv.in_channels, maps.shape[3]
        padded = F.pad(maps, (side // 2, side // 2))
        return self.conv(torch.cat([padded[..., i : i + width] for i in range(side)], 1))


class ConvToOne(nn.Module):
    """A ``side x side`` convolution to a single map, without bias. It starts at zero."""

    def __init__(self, features: int, side: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(features, side, (side, 1), padding=(side // 2, 0), bias=False)
        nn.init.zeros_(self.conv.weight)

    def forward(self, maps: Tensor) -> Tensor:
        side, width = self.conv.out_channels, maps.shape[3]
        padded = F.pad(self.conv(maps), (side // 2, side // 2))
        return torch.stack([padded[:, i : i + 1, :, i : i + width] for i in range(side)]).sum(0)


METHODS = {"reconnet": ReconNet, "dr2net": Dr2Net, "msrnet": MsrNet}
"""Name -> reconstructor."""


def build(method: str, rate: float, gray: bool) -> Baseline:
    """An untrained net of this method and rate, for gray pictures.

    Raises:
        NetError: the rate is not served, or the net is to be for color.
    """
    if not gray:
        raise NetError(f"{method} is for gray pictures alone; ask for a gray net")
    if rate not in MEASUREMENTS:
        raise NetError(f"rate {rate} is not served; choose one of {', '.join(map(str, MEASUREMENTS))}")
    return Baseline(method, MEASUREMENTS[rate])
