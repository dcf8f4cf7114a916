"""What the generator is trained for. All losses are means over events and free of units."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from vispa_green_jobs.catalogue.sr_gan.network import FLOOR
from vispa_green_jobs.catalogue.sr_gan.toy import SPLIT

PENALTY = 10.0
"""λ of the gradient penalty."""


def divergence(made: Tensor, true: Tensor) -> Tensor:
    """Return Σ[s − t + t ln(t/s)] ÷ Σt of pixels s and their truth t: Kullback and Leibler's, for energies.

    For pixels that only share a crystal's energy this is the cross-entropy of the shares, weighted by energy:
    empty pixels, most of an image, weigh nothing. They are what an L1 loss is lost in.
    """
    low = FLOOR**2  # far below what a spot deposits
    each = made - true + true * torch.log((true + low) / (made + low))
    return (each.sum((1, 2)) / true.sum((1, 2))).mean()


def cell_difference(made: Tensor, crystals: Tensor) -> Tensor:
    """Return Σ|crystal of the made pixels − crystal| ÷ Σ crystals."""
    summed = functional.avg_pool2d(made[:, None], SPLIT)[:, 0] * SPLIT**2
    return ((summed - crystals).abs().sum((1, 2)) / crystals.sum((1, 2))).mean()


def perceived_difference(features: nn.Module, made: Tensor, true: Tensor) -> Tensor:
    """Return the mean square difference of the features of prepared images, over the mean square of the true ones."""
    wanted = features(true).detach()
    return (features(made) - wanted).square().mean() / wanted.square().mean()


def critic_loss(critic: nn.Module, true: Tensor, made: Tensor) -> Tensor:
    """Return E[D(made)] − E[D(true)] + λ E[(|∇D| − 1)²], the slope taken between the two (arXiv:1704.00028)."""
    mixing = torch.rand(len(true)).to(true.device)[:, None, None, None]
    between = (mixing * true + (1 - mixing) * made).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    length = (slope.square().sum((1, 2, 3)) + 1e-12).sqrt()
    loss: Tensor = critic(made).mean() - critic(true).mean() + PENALTY * (length - 1).square().mean()
    return loss
