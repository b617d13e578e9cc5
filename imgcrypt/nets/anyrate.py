"""The project's own net: block transform, bits where the picture needs them, unrolled reconstruction; any rate.

imgcrypt.nets.sampling has its sampling. The reconstruction starts from the centroids of the intervals that the
coefficients are known to lie in. Each of its stages lets convolutions at half the resolution see the whole picture;
every second one then moves the coefficients back into their intervals.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from imgcrypt.codec.bitplanes import SIDE
from imgcrypt.nets.sampling import BLOCKS, Sampler, cosines, damage, fit, in_place

BANDS = 8
"""Frequency bands whose uncertainty the reconstruction is told."""
UNSHUFFLE = 2
MODE_THRESHOLDS = ((195, 276), (84, 230))
"""Thresholds of the bits' worth, in 16ths of an octave of squared gray levels, of the training's pictures by mode."""
VALIDATED_THRESHOLDS = (105, 150, 196, 240, 275)
"""About rate 0.43, 0.26, 0.11, 0.03 and 0.01 on gray photographs."""
SLOPE = 0.1
"""Of the rectifier on its negative side."""


class Anyrate(nn.Module):
    """Sampler and reconstructor for pictures of ``channels`` planes (1 or 3), values from 0 to 255."""

    LINEAR: tuple[str, ...] = ()
    CROP = 4 * SIDE
    WARM_CROPS = 1500
    GRAY_SHARE = 0.0
    LARGEST_GRADIENT = 1.0

    def __init__(self, channels: int, stages: int = 4, width: int = 32) -> None:
        super().__init__()
        self.channels = channels
        self.sampler = Sampler(channels)
        self.reconstructor = Reconstructor(self.sampler, stages, width)

    def warm_start(self, pictures: Tensor) -> None:
        """:func:`fit` the sampler to pictures (N, 3, 32 h, 32 w) in [0, 1], of equal channels for a gray net."""
        fit(self.sampler, pictures[:, : self.channels] * 255)

    def loss(self, pictures: Tensor, seed: int, mixed: bool) -> Tensor:
        """What to minimize: the mean logarithm of the pictures' mean squared errors, each at a threshold of its own.

        So a decibel counts the same at every rate. Some of the pictures lose bytes, or get wrong ones.

        Args:
            pictures: (N, 3, 32 h, 32 w) in [0, 1].
            seed: of what is drawn.
            mixed: whether convolutions run in bfloat16.
        """
        pictures = pictures[:, : self.channels] * 255
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            mode = int(torch.rand((), generator=generator) < 0.68)
            low, high = MODE_THRESHOLDS[mode]
            thresholds = (
                (low + (high - low) * torch.rand(len(pictures), generator=generator)).long().to(pictures.device)
            )
            known = self.known(pictures, thresholds, mode, generator)
        with torch.autocast(pictures.device.type, torch.bfloat16, enabled=mixed):
            rebuilt = self.reconstructor(known, thresholds, mode)
        return ((rebuilt - pictures).square().mean((1, 2, 3)) + 0.05).log().mean()

    def known(
        self, pictures: Tensor, thresholds: Tensor, mode: int, generator: torch.Generator | None = None
    ) -> tuple[Tensor, ...]:
        """What payloads tell of pictures in [0, 255] at their thresholds, (N,); damaged at random with a generator."""
        sampler = self.sampler
        coefficients = sampler.coefficients(pictures, mode)
        steps, means = sampler.laws(sampler.classes(coefficients, mode), mode)
        bits = sampler.bits(steps, thresholds.view(-1, 1, 1, 1, 1, 1))
        indices = sampler.indices(coefficients, steps, means)
        if generator is not None and (kind := float(torch.rand((), generator=generator))) < 0.3:
            # Half of the batch loses bytes, has wrong ones, or both.
            lost = 0.6 * float(torch.rand((), generator=generator)) * (kind < 0.2)
            wrong = 0.03 * float(torch.rand((), generator=generator)) * (kind > 0.15)
            half = len(pictures) // 2
            hurt = damage(indices[:half].flatten(0, 2), bits[:half].flatten(0, 2), lost, wrong, generator)
            indices[:half], bits[:half] = (each.reshape(indices[:half].shape) for each in hurt)
        return sampler.known(*(in_place(each) for each in (indices, bits, steps, means)))

    def validate(self, picture: Tensor) -> dict[str, float]:
        """PSNR in dB, after rounding, of a picture (1, 3, H, W) in [0, 1] at some thresholds."""
        height, width = (length // SIDE * SIDE for length in picture.shape[2:])
        picture = (picture[:, : self.channels, :height, :width] * 255).contiguous()
        found = {}
        for threshold in VALIDATED_THRESHOLDS:
            thresholds, mode = (
                torch.tensor([threshold], device=picture.device),
                int(threshold < MODE_THRESHOLDS[0][0] + 20),
            )
            rebuilt = self.reconstructor(self.known(picture, thresholds, mode), thresholds, mode).clamp(0, 255).round()
            found[f"threshold {threshold}"] = float(10 * (255**2 / (rebuilt - picture).square().mean()).log10())
        return found


def build(rate: float, gray: bool) -> Anyrate:
    """An untrained net, for color or for gray pictures alone; it serves every rate."""
    return Anyrate(1 if gray else 3)


class Reconstructor(nn.Module):
    """From what is known of the coefficients to the picture."""

    def __init__(self, sampler: Sampler, stages: int, width: int) -> None:
        super().__init__()
        self.sampler = (sampler,)  # in a tuple: its tables are not this module's parameters
        channels = sampler.channels
        self.register_buffer("bands", torch.stack([_bands(mode) for mode in range(len(BLOCKS))]))
        waves = cosines(UNSHUFFLE)
        self.register_buffer("patch", torch.kron(waves, waves).float())
        maps = channels * UNSHUFFLE**2
        self.enter = nn.Conv2d(maps + channels * BANDS + 1, width, 3, padding=1)
        self.stages = nn.ModuleList(Stage(maps, width) for _ in range(stages))

    def forward(self, known: tuple[Tensor, ...], threshold: Tensor, mode: int) -> Tensor:
        """Pictures (N, C, 32 h, 32 w), about [0, 255] and not clipped.

        Args:
            known: from :meth:`Sampler.known`, each (N, C, 32 h, 32 w).
            threshold: of the bits' worth, (N,) or (1,).
            mode: of the transform.
        """
        sampler = self.sampler[0]
        low, high, centroid, variance = known
        patches = self.patches(_exactly(sampler.inverse, centroid, mode))
        doubt, error = self.doubt(variance, mode)
        water = (threshold.to(doubt) / 256 - 0.5).view(-1, 1, 1, 1).expand(doubt.shape[0], 1, *doubt.shape[2:])
        features = F.leaky_relu(self.enter(torch.cat([self.maps(patches, error), doubt, water], 1)), SLOPE)
        for i, stage in enumerate(self.stages):
            change, features = stage(self.maps(patches, error), features)
            patches = patches + change.reshape(patches.shape).float() * error[:, :, None]
            if i % 2:
                planes = self.planes(patches)
                coefficients = _exactly(sampler.transform, planes, mode)
                inside = torch.minimum(torch.maximum(coefficients, low), high)
                planes = planes + stage.trust * _exactly(sampler.inverse, inside - coefficients, mode)
                patches = self.patches(planes)
        return sampler.picture(planes)

    def doubt(self, variance: Tensor, mode: int) -> tuple[Tensor, Tensor]:
        """From coefficients' variances (N, C, 32 h, 32 w), at half the resolution: the logarithm of each band's,
        (N, C BANDS, 16 h, 16 w), and the error expected of a pixel in gray levels, (N, C, 16 h, 16 w)."""
        n, c, height, width = variance.shape
        kernels = self.bands[mode].T.reshape(-1, 1, SIDE, SIDE)
        bands = _exactly(F.conv2d, variance.reshape(n * c, 1, height, width), kernels, None, SIDE)
        bands = bands.reshape(n * c, 4, BANDS, height // SIDE, width // SIDE).transpose(1, 2).flatten(1, 2)
        bands = F.pixel_shuffle(bands, 2).reshape(n, c, BANDS, height // 16, width // 16)
        error = (bands.sum(2) / 16 + 0.05).sqrt()
        doubt = torch.log2(bands + 1e-2).flatten(1, 2) / 8 - 0.5
        return tuple(F.interpolate(maps, scale_factor=16 // UNSHUFFLE, mode="nearest") for maps in (doubt, error))

    def patches(self, planes: Tensor) -> Tensor:
        """The cosine transform of each 2 x 2 pixels of (N, C, 32 h, 32 w): (N, C, 4, 16 h, 16 w)."""
        n, c, height, width = planes.shape
        kernels = self.patch.reshape(-1, 1, UNSHUFFLE, UNSHUFFLE)
        seen = _exactly(F.conv2d, planes.reshape(n * c, 1, height, width), kernels, None, UNSHUFFLE)
        return seen.reshape(n, c, UNSHUFFLE**2, height // UNSHUFFLE, width // UNSHUFFLE)

    def planes(self, patches: Tensor) -> Tensor:
        """The inverse of :meth:`patches`."""
        n, c, _, height, width = patches.shape
        pixels = _exactly(torch.matmul, self.patch.T, patches.reshape(n, c, UNSHUFFLE**2, -1))
        return F.pixel_shuffle(pixels.reshape(n, c * UNSHUFFLE**2, height, width), UNSHUFFLE)

    def maps(self, patches: Tensor, error: Tensor) -> Tensor:
        """What the convolutions see of :meth:`patches`, on comparable scales: (N, 4 C, 16 h, 16 w)."""
        flat, detail = patches[:, :, :1] / 256, patches[:, :, 1:] / (error + 1)[:, :, None]
        return torch.cat([flat, detail / (2 + detail.abs() / 4)], 2).flatten(1, 2)


def _exactly(function: Callable[..., Tensor], first: Tensor, *rest: Any) -> Tensor:
    """The function in full precision, in training of mixed precision too."""
    with torch.autocast(first.device.type, enabled=False):
        return function(first.float(), *rest)


class Stage(nn.Module):
    """Three convolutions that see the picture as it is and what earlier stages found."""

    def __init__(self, maps: int, width: int) -> None:
        super().__init__()
        self.see = nn.Conv2d(maps + width, width, 3, padding=1)
        self.think = nn.Conv2d(width, width, 3, padding=1)
        self.say = nn.Conv2d(width, maps, 3, padding=1)
        nn.init.zeros_(self.say.weight)
        nn.init.zeros_(self.say.bias)
        self.trust = nn.Parameter(torch.tensor(0.5))

    def forward(self, maps: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """The change of the picture's maps, and the features for the next stage."""
        features = features + self.think(F.leaky_relu(self.see(torch.cat([maps, features], 1)), SLOPE))
        return self.say(F.leaky_relu(features, SLOPE)), features


def _bands(mode: int) -> Tensor:
    """Which share of each coefficient's variance falls on which quarter and band: (32 32, 4 BANDS)."""
    side = BLOCKS[mode]
    at = torch.arange(SIDE)
    row, column = (at % side)[:, None] * 16 // side, (at % side)[None, :] * 16 // side
    distance = torch.maximum(row, column)
    # Bounds 1, 2, 4 and 8 of 16 frequencies, all but the lowest split by the direction that dominates.
    ring = sum((distance >= bound).long() for bound in (1, 3, 7))
    band = (2 * ring + (column > row)).clamp(max=BANDS - 1)
    quarter = (at >= 16).long()[:, None] * 2 + (at >= 16).long()[None, :]
    shares = torch.zeros(SIDE, SIDE, 4, BANDS)
    rows, columns = torch.meshgrid(at, at, indexing="ij")
    if mode:
        shares[rows, columns, quarter, band] = 1
    else:
        for i in range(4):
            shares[rows, columns, i, band] = 0.25
    return shares.reshape(SIDE * SIDE, 4 * BANDS) / 16
