"""The three networks: convolutions over a shower, a Particle Flow Network over a jet, and the adversary."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from vispa_green_jobs.catalogue.energy_regression.showers import CELLS, LAYERS


class ShowerNetwork(nn.Module):
    """Energy in GeV of images (events × layer × y × x): two 3-D convolutions, then dense layers.

    The first takes every second layer of the result only: half the work, and 17 layers are seen in full.
    """

    def __init__(self, filters: tuple[int, int], hidden: tuple[int, ...], scale_gev: float) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv3d(1, filters[0], 3, stride=(2, 1, 1)),
            _activation(),
            nn.Conv3d(*filters, 3),
            _activation(),
            nn.Flatten(),
        )
        depth, across = ((LAYERS - 3) // 2 + 1) - 2, CELLS - 4
        self.dense = _dense((filters[1] * depth * across * across, *hidden, 1))
        self._scale_gev = scale_gev

    def forward(self, images: Tensor) -> Tensor:
        """Return the energy of each event."""
        return self._scale_gev * self.dense(self.convolutions(images[:, None]))[:, 0]


class ParticleFlow(nn.Module):
    """F(Σ Φ(particle)): the order of the particles does not matter (arXiv:1810.05165).

    Two outputs for each jet: its transverse momentum, and ln s, by how much it is measured worse than others.
    """

    def __init__(self, features: int, each: tuple[int, ...], together: tuple[int, ...], scale_gev: float) -> None:
        super().__init__()
        self.each = nn.Sequential(_dense((features, *each)), _activation())
        self.together = _dense((each[-1], *together, 2))
        self._scale_gev = scale_gev

    def forward(self, particles: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Return pT in GeV and ln s of jets (events × particle × feature); ``present`` masks the padding."""
        found = self.together((self.each(particles) * present[..., None]).sum(1))
        return self._scale_gev * found[:, 0], found[:, 1]

    def forget_widths(self) -> None:
        """Set s to 1 for all jets, to learn it from there."""
        with torch.no_grad():
            self.together[-1].weight[1].zero_()
            self.together[-1].bias[1].zero_()


def adversary(classes: int) -> nn.Sequential:
    """Return what guesses the energy bin from one residual: 50 × 4, 128, as in the thesis."""
    return _dense((1, 50, 50, 50, 50, 128, classes))


def _dense(widths: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), _activation()]
    return nn.Sequential(*layers[:-1])


def _activation() -> nn.LeakyReLU:
    """Return the activation. With a plain ReLU most dense units died, and a response once bent could stay so."""
    return nn.LeakyReLU(0.1)
