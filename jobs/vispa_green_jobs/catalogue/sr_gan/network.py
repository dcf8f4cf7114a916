"""Three networks: the generator makes pixels of crystals, the critic tells them from real ones, the third knows π⁰.

The generator is ESRGAN's (arXiv:1809.00219) with Swish: residual blocks of dense blocks at the resolution of the
crystals. Its last layer has one channel for each pixel of a crystal; no pixel can be negative.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from vispa_green_jobs.catalogue.sr_gan.toy import SPLIT

POWER = 0.3
"""Of the preprocessing, (E/E_max)^0.3: pixels with a thousandth of the energy count as well."""
FLOOR = 1e-4
CONTRAST = 10.0
RESIDUAL_SCALE = 0.2
UNIT = math.log(math.expm1(1))
"""Where softplus is 1."""


def prepared(energy: Tensor, scale: Tensor) -> Tensor:
    """Return (E/scale)^0.3 with a channel in front (events × 1 × y × x); finite in slope where there is no energy.

    ``scale`` is the highest energy of a *crystal* of the event: that of a pixel would tell what is to be found.
    """
    return ((energy / scale[:, None, None] + FLOOR) ** POWER - FLOOR**POWER)[:, None]


def seen(energy: Tensor, scale: Tensor) -> Tensor:
    """Return what critic and classifiers see: prepared images in units in which made and true are some units apart.

    Without it they are 0.1 apart, and the penalty, which wants slope 1, is all that the critic ever learns.
    """
    return CONTRAST * prepared(energy, scale)


def scale_of(crystals: Tensor) -> Tensor:
    """Return the highest energy of each event's crystals."""
    return crystals.amax((1, 2)).clamp(min=FLOOR)


class Generator(nn.Module):
    """Crystals in GeV (events × n × n) → pixels in GeV (events × 4n × 4n)."""

    def __init__(self, blocks: int, filters: int, growth: int, *, conserving: bool) -> None:
        super().__init__()
        self.conserving = conserving
        """The energy of a crystal is split among its pixels; else a pixel is free, and a loss has to care."""
        self.first = _conv(1, filters)
        self.blocks = nn.Sequential(
            *(ResidualInResidual(filters, growth) for _ in range(blocks)), _conv(filters, filters)
        )
        self.last = nn.Sequential(nn.SiLU(), _conv(filters, filters), nn.SiLU(), _conv(filters, SPLIT**2))
        nn.init.zeros_(self.last[-1].weight)  # it starts by spreading evenly
        nn.init.zeros_(self.last[-1].bias)

    def forward(self, crystals: Tensor) -> Tensor:
        """Return the pixels."""
        first = self.first(prepared(crystals, scale_of(crystals)))
        raw = self.last(first + self.blocks(first))
        share = raw.softmax(1) if self.conserving else functional.softplus(raw + UNIT) / SPLIT**2
        return functional.pixel_shuffle(share * crystals[:, None], SPLIT)[:, 0]


class ResidualInResidual(nn.Module):
    """ESRGAN's RRDB: three dense blocks, each and all added to what came in, scaled down."""

    def __init__(self, filters: int, growth: int) -> None:
        super().__init__()
        self.dense = nn.Sequential(*(DenseBlock(filters, growth) for _ in range(3)))

    def forward(self, x: Tensor) -> Tensor:
        """Return x + 0.2 f(x)."""
        moved: Tensor = x + RESIDUAL_SCALE * self.dense(x)
        return moved


class DenseBlock(nn.Module):
    """Five convolutions; each sees what all before it have made."""

    def __init__(self, filters: int, growth: int) -> None:
        super().__init__()
        self.growing = nn.ModuleList(_conv(filters + index * growth, growth) for index in range(4))
        self.closing = _conv(filters + 4 * growth, filters)

    def forward(self, x: Tensor) -> Tensor:
        """Return x + 0.2 f(x)."""
        seen = x
        for convolution in self.growing:
            seen = torch.cat([seen, functional.silu(convolution(seen))], 1)
        moved: Tensor = x + RESIDUAL_SCALE * self.closing(seen)
        return moved


class Critic(nn.Module):
    """A number for each prepared image of pixels, high for real ones; every second convolution halves the image."""

    def __init__(self, size: int, filters: Sequence[int]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 1
        for channels in filters:
            for stride in (1, 2):
                size = -(-size // stride)
                layers += [_conv(before, channels, stride), nn.LayerNorm([channels, size, size]), nn.SiLU()]
                before = channels
        self.network = nn.Sequential(
            *layers, nn.Flatten(), nn.Linear(before * size * size, 64), nn.SiLU(), nn.Linear(64, 1)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return the score of each image."""
        scores: Tensor = self.network(images)[:, 0]
        return scores


class Identifier(nn.Module):
    """A small classifier of prepared images of pixels, π⁰ against photons."""

    def __init__(self, size: int, filters: int = 8) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *(_conv(1, filters, 2), nn.SiLU()),
            *(_conv(filters, 2 * filters, 2), nn.SiLU()),
            *(_conv(2 * filters, 2 * filters), nn.SiLU()),
        )
        """What the perceptual loss compares."""
        # Dense, not pooled: in crystals spread over pixels, what counts is far apart.
        dense = nn.Linear(2 * filters * (-(-size // 4)) ** 2, 32)
        self.last = nn.Sequential(nn.Flatten(), dense, nn.SiLU(), nn.Linear(32, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Return the logit of each image."""
        logits: Tensor = self.last(self.features(images))[:, 0]
        return logits


def _conv(before: int, after: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(before, after, 3, stride, 1)
