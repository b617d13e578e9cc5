"""The sampling of the net ``anyrate``: block transform, classes, quantizer. Computed from pictures, not trained.

Sampling is linear: the discrete cosine transform of each block in the planes of a fixed rotation of the colors. A
superblock of 32 x 32 pixels is one block at low rates and four of 16 x 16 at higher ones. Every block has one of 256
classes, which say how large each of its coefficients is expected to be (classified transform coding: Chen and Smith,
IEEE Trans. Commun. 25, 1977). Each coefficient gets the bits whose worth reaches one threshold for the whole
picture (reverse water-filling), and a bit more only ever halves the interval that a coefficient is known to lie in.
docs/format.md, section 5.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from imgcrypt.codec.bitplanes import COMPANDER, PLANES, SCALE_ORIGIN, SCALE_STEPS, SIDE

BLOCKS = (32, 16)
"""Side of a block by mode: 0 for low rates, 1 for higher ones."""
CLASSES = 256
FULL = 1 << PLANES
FLOORS = (10.0, 3.0)
"""By mode: differences of expected sizes below so many gray levels do not tell classes apart."""
REACH = -math.log(2 / FULL) / COMPANDER
"""Expected sizes from which on all coefficients are in one cell of the quantizer, the last."""
BEYOND = 8192.0
"""Gray levels that no coefficient exceeds."""


class Sampler(nn.Module):
    """Everything that is computed from training pictures and not trained: see :func:`fit`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        size = channels * SIDE**2
        self.channels = channels
        self.register_buffer("rotation", torch.eye(channels))
        self.register_buffer("transforms", torch.stack([_blockwise(side) for side in BLOCKS]))
        # By mode and class, for each coefficient of a superblock all of whose blocks have this class.
        self.register_buffer("steps", torch.zeros(len(BLOCKS), CLASSES, size, dtype=torch.uint8))
        self.register_buffer("means", torch.zeros(len(BLOCKS), CLASSES, channels))
        self.register_buffer("scale", torch.exp2(torch.arange(256) / SCALE_STEPS + SCALE_ORIGIN))
        self.register_buffer("gains", torch.zeros(PLANES, dtype=torch.int64))
        for name, table in _cells().items():
            self.register_buffer(name, table)

    def planes(self, picture: Tensor) -> Tensor:
        """Pictures (N, C, H, W) in [0, 255] -> the planes of the rotated colors, about [-128 C, 128 C]."""
        return torch.einsum("pc,nchw->nphw", self.rotation, picture - 128)

    def picture(self, planes: Tensor) -> Tensor:
        """The inverse of :meth:`planes`."""
        return torch.einsum("pc,nphw->nchw", self.rotation, planes) + 128

    def transform(self, planes: Tensor, mode: int) -> Tensor:
        """Planes (N, C, 32 h, 32 w) -> their coefficients, each superblock's in its place."""
        return _apply(planes, self.transforms[mode])

    def inverse(self, coefficients: Tensor, mode: int) -> Tensor:
        """The inverse of :meth:`transform`."""
        return _apply(coefficients, self.transforms[mode].T)

    def coefficients(self, picture: Tensor, mode: int) -> Tensor:
        """Pictures (N, C, 32 h, 32 w) -> coefficients by superblock (N, h, w, C, 32, 32)."""
        return _by_superblock(self.transform(self.planes(picture), mode))

    def classes(self, coefficients: Tensor, mode: int, rule: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """The likeliest class of each quarter of a superblock, all four equal in mode 0: int64 (N, h, w, 4).

        ``rule`` is :meth:`rule` of this mode, where it is at hand.
        """
        weights, bias = rule or self.rule(mode)
        costs = _split(coefficients, mode).flatten(-3).abs() @ weights + bias
        return costs.argmin(-1).expand(*costs.shape[:3], 4)

    def rule(self, mode: int) -> tuple[Tensor, Tensor]:
        """What magnitudes of a block's coefficients cost in each class, (n, CLASSES), and a class by itself.

        The Laplacian's log-likelihood. The DC coefficients do not count: the quantizer takes care of their means.
        """
        sizes = _split(self.sizes(mode).unflatten(-1, (self.channels, SIDE, SIDE)), mode)[:, 0].flatten(1)
        expected = sizes.clamp(min=FLOORS[mode]) / math.sqrt(2)
        weights = 1 / expected
        weights[:, :: BLOCKS[mode] ** 2] = 0
        return weights.T.contiguous(), expected.log().sum(1)

    def sizes(self, mode: int) -> Tensor:
        """Expected sizes in gray levels: (CLASSES, C 32 32)."""
        return self.scale[self.steps[mode].long()]

    def laws(self, classes: Tensor, mode: int) -> tuple[Tensor, Tensor]:
        """Of classes (N, h, w, 4): the steps of expected sizes, int32, and the means, both (N, h, w, C, 32, 32)."""
        n, h, w = classes.shape[:3]
        table = self.steps[mode].reshape(CLASSES, self.channels, SIDE, SIDE)
        if mode == 0:
            means = F.pad(self.means[0][classes[..., 0]][..., None, None], (0, SIDE - 1, 0, SIDE - 1))
            return table[classes[..., 0]].int(), means
        quarters = table[..., :16, :16].contiguous()[classes]
        firsts = F.pad(self.means[1][classes][..., None, None], (0, 15, 0, 15))
        return _join(quarters.reshape(n, h, w, 4, -1)).int(), _join(firsts.reshape(n, h, w, 4, -1))

    def bits(self, steps: Tensor, threshold: Tensor) -> Tensor:
        """Bits of each coefficient whose worth reaches the threshold (which broadcasts): int64, 0 to PLANES."""
        return torch.stack([2 * steps + gain >= threshold for gain in self.gains.tolist()]).sum(0)

    def indices(self, coefficients: Tensor, steps: Tensor, means: Tensor) -> Tensor:
        """The cell of each coefficient among FULL of them: int64."""
        ratio = (coefficients - means) / self.scale[steps]
        folded = 1 - torch.exp(-COMPANDER * ratio.abs())
        return ((0.5 + 0.5 * torch.sign(ratio) * folded) * FULL).long().clamp(0, FULL - 1)

    def known(self, indices: Tensor, bits: Tensor, steps: Tensor, means: Tensor) -> tuple[Tensor, ...]:
        """What the first ``bits`` of the indices tell: the intervals' ends, centroids and variances.

        All of one shape; bits below the first ones do not count.
        """
        cell = (bits * FULL + indices).int()
        # What self.scale holds: in the exported graph this costs less than to look it up.
        size = torch.exp(steps.float() * (math.log(2) / SCALE_STEPS) + math.log(2) * SCALE_ORIGIN)
        low = (means + size * self.low[cell]).clamp(min=-BEYOND)
        high = (means + size * self.high[cell]).clamp(max=BEYOND)
        return low, high, means + size * self.centroid[cell], size.square() * self.variance[cell]


def damage(
    indices: Tensor, bits: Tensor, lost: float, wrong: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """What remains of indices and bits of superblocks (N, ...) when bytes are lost, or wrong, at random.

    A byte holds eight bits, coefficient by coefficient, as imgcrypt.codec.bitplanes packs them.
    A bit below a lost one is worth nothing. A wrong byte is any.
    """
    device = indices.device
    planes = torch.arange(PLANES, device=device)
    sent = bits.flatten(1)[..., None] > planes  # (N, coefficients, PLANES)
    byte = (sent.flatten(1).cumsum(1) - 1).clamp(min=0) // 8
    fates = torch.rand(byte.shape[0], int(byte.max()) + 1, generator=generator).to(device)
    fate = fates.gather(1, byte).reshape(sent.shape)
    left = ((fate >= lost) & sent).cummin(2).values.sum(2)
    noise = torch.randint(0, 2, sent.shape, generator=generator).to(device) * (fate > 1 - wrong)
    changed = indices.flatten(1) ^ (noise << (PLANES - 1 - planes)).sum(2)
    return changed.reshape(indices.shape), left.reshape(bits.shape)


@torch.no_grad()
def fit(sampler: Sampler, pictures: Tensor, rounds: int = 12) -> None:
    """Compute the color rotation, the classes and their tables from training pictures.

    Args:
        sampler: changed in place.
        pictures: (N, C, 32 h, 32 w) in [0, 255]; some tens of thousands of superblocks.
        rounds: of Lloyd's algorithm.
    """
    if sampler.channels > 1:
        pixels = pictures.permute(0, 2, 3, 1).reshape(-1, sampler.channels)[::17] - 128
        _, axes = torch.linalg.eigh(pixels.T.double() @ pixels.double())
        axes = axes.flip(1).T  # the largest variance, that of the luma, first
        sampler.rotation.copy_(axes * torch.sign(axes.sum(1, keepdim=True)))
    sampler.gains.copy_(gains(sampler.variance))
    for mode, side in enumerate(BLOCKS):
        blocks = _split(sampler.coefficients(pictures, mode), mode).flatten(-3).flatten(0, -2)
        first = slice(None, None, side**2)
        magnitudes = blocks.abs()
        magnitudes[:, first] = 0
        # From blocks in order of their energy, so that no class starts empty.
        order = magnitudes.square().sum(1).argsort().argsort()
        labels = order * CLASSES // len(order)
        for _ in range(rounds):
            counts = torch.bincount(labels, minlength=CLASSES).clamp(min=1)[:, None]
            expected = (_totals(magnitudes, labels) / counts).clamp(min=FLOORS[mode] / math.sqrt(2))
            labels = (magnitudes @ (1 / expected).T + expected.log().sum(1)).argmin(1)
        counts = torch.bincount(labels, minlength=CLASSES).float()[:, None]
        means = _totals(blocks[:, first], labels) / counts.clamp(min=1)
        blocks[:, first] -= means[labels]
        # A class of few blocks leans on all of them, as 4 more.
        everywhere = blocks.square().mean(0)
        lent = 4 * (counts < 16)
        sizes = ((_totals(blocks.square(), labels) + everywhere * lent) / (counts + lent)).sqrt()
        steps = ((sizes.log2() - SCALE_ORIGIN) * SCALE_STEPS).round().clamp(0, 255)
        tile = SIDE // side
        grid = steps.reshape(CLASSES, sampler.channels, side, side).repeat(1, 1, tile, tile)
        sampler.steps[mode] = grid.flatten(1).to(torch.uint8)
        sampler.means[mode] = means
    cover(sampler)


@torch.no_grad()
def cover(sampler: Sampler) -> None:
    """Widen what is expected of DC coefficients until the quantizer reaches those of any picture.

    Photographs have few flat blocks of strong colors, other pictures many.
    """
    for mode, side in enumerate(BLOCKS):
        largest = 128 * side * sampler.rotation.abs().sum(1) + sampler.means[mode].abs()
        least = (((largest / REACH).log2() - SCALE_ORIGIN) * SCALE_STEPS).ceil().to(torch.uint8)
        first = sampler.steps[mode].unflatten(1, (sampler.channels, SIDE, SIDE))[:, :, ::side, ::side]
        first.copy_(torch.maximum(first, least[:, :, None, None]))


def _totals(values: Tensor, labels: Tensor) -> Tensor:
    """Sums of the rows (N, n) of each class: (CLASSES, n)."""
    return values.new_zeros(CLASSES, values.shape[1]).index_add(0, labels, values)


def gains(variance: Tensor) -> Tensor:
    """What each further bit of a coefficient of size 1 saves, in the steps of twice the scale: int64 (PLANES,).

    A unit Laplacian costs variance 1 at no bit; each bit's saving is that of the cells' expected variances.
    """
    left = []
    for bits in range(PLANES + 1):
        cells = torch.arange(1 << bits, device=variance.device)
        edges = _expand(torch.arange((1 << bits) + 1, device=variance.device) / (1 << bits))
        share = _laplace_cdf(edges[1:]) - _laplace_cdf(edges[:-1])
        left.append((share * variance[bits * FULL + cells * (FULL >> bits)]).sum())
    saved = torch.stack(left[:-1]) - torch.stack(left[1:])
    return (saved.log2() * SCALE_STEPS).round().cummin(0).values.long()


def in_place(blocks: Tensor) -> Tensor:
    """The inverse of :func:`_by_superblock`."""
    n, h, w, c = blocks.shape[:4]
    return blocks.permute(0, 3, 1, 4, 2, 5).reshape(n, c, h * SIDE, w * SIDE)


def cosines(side: int) -> Tensor:
    """The orthonormal cosine transform, in double precision: (side, side)."""
    k, i = torch.arange(side, dtype=torch.float64)[:, None], torch.arange(side, dtype=torch.float64)
    matrix = math.sqrt(2 / side) * torch.cos(math.pi * (2 * i + 1) * k / (2 * side))
    matrix[0] /= math.sqrt(2)
    return matrix


def _blockwise(side: int) -> Tensor:
    """The cosine transform of blocks of this side, as one matrix for a superblock's rows."""
    return torch.block_diag(*[cosines(side)] * (SIDE // side)).float()


def _apply(planes: Tensor, matrix: Tensor) -> Tensor:
    """A matrix on the rows and on the columns of each superblock of (N, C, 32 h, 32 w)."""
    n, c, height, width = planes.shape
    rows = matrix @ planes.reshape(n, c, height // SIDE, SIDE, width)
    return (rows.reshape(n, c, height, width // SIDE, SIDE) @ matrix.T).reshape(n, c, height, width)


def _by_superblock(maps: Tensor) -> Tensor:
    """(N, C, 32 h, 32 w) -> (N, h, w, C, 32, 32)."""
    n, c, height, width = maps.shape
    return maps.reshape(n, c, height // SIDE, SIDE, width // SIDE, SIDE).permute(0, 2, 4, 1, 3, 5)


def _split(coefficients: Tensor, mode: int) -> Tensor:
    """(..., C, 32, 32) -> (..., blocks, C, side, side)."""
    side, tile = BLOCKS[mode], SIDE // BLOCKS[mode]
    *rest, channels, _, _ = coefficients.shape
    n = len(rest)
    parts = coefficients.reshape(*rest, channels, tile, side, tile, side)
    return parts.permute(*range(n), n + 1, n + 3, n, n + 2, n + 4).reshape(*rest, tile**2, channels, side, side)


def _join(quarters: Tensor) -> Tensor:
    """Quarters (N, h, w, 4, C 16 16) to superblocks (N, h, w, C, 32, 32)."""
    n, h, w = quarters.shape[:3]
    parts = quarters.reshape(n, h, w, 2, 2, -1, 16, 16).permute(0, 1, 2, 5, 3, 6, 4, 7)
    return parts.reshape(n, h, w, -1, SIDE, SIDE)


def _expand(u: Tensor) -> Tensor:
    """The inverse of the compander: [0, 1] to a ratio to the expected size, infinite at the ends."""
    return -torch.sign(u - 0.5) * torch.log1p(-(2 * u - 1).abs()) / COMPANDER


def _laplace_cdf(x: Tensor) -> Tensor:
    return 0.5 + 0.5 * torch.sign(x) * (1 - torch.exp(-math.sqrt(2) * x.abs()))


def _cells() -> dict[str, Tensor]:
    """Of every number of bits b and index i, at b * FULL + i: ends, centroid and variance for a unit Laplacian."""
    tables: dict[str, list[Tensor]] = {name: [] for name in ("low", "high", "centroid", "variance")}
    rate = math.sqrt(2)
    for bits in range(PLANES + 1):
        edges = _expand(torch.arange((1 << bits) + 1, dtype=torch.float64) / (1 << bits))
        found = {"low": edges[:-1], "high": edges[1:], "centroid": torch.zeros(1), "variance": torch.ones(1)}
        if bits:
            # The upper half by the exponential law from the cell's lower end, the lower half by symmetry.
            half = 1 << (bits - 1)
            low, width = edges[half:-1], edges[half + 1 :] - edges[half:-1]
            lost = torch.exp(-rate * width)
            kept, finite = 1 - lost, width.nan_to_num(posinf=0.0)
            mean = 1 / rate - finite * lost / kept
            second = 2 / rate**2 - (finite**2 + 2 * finite / rate) * lost / kept
            upper, spread = low + mean, second - mean**2
            found |= {"centroid": torch.cat([-upper.flip(0), upper]), "variance": torch.cat([spread.flip(0), spread])}
        for name, values in found.items():
            tables[name].append(values.repeat_interleave(FULL >> bits))
    big = 1e6
    return {name: torch.cat(parts).clamp(-big, big).float() for name, parts in tables.items()}
