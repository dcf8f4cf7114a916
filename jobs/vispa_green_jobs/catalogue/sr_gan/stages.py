"""The trainings, one stage each: the split alone, what is perceived, a critic alone, generator against critic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from vispa_green_jobs.catalogue.sr_gan.losses import (
    cell_difference,
    critic_loss,
    divergence,
    perceived_difference,
)
from vispa_green_jobs.catalogue.sr_gan.network import Critic, Generator, Identifier, prepared, scale_of
from vispa_green_jobs.catalogue.sr_gan.toy import SPLIT, Images, Showers
from vispa_green_jobs.context import RunContext
from vispa_green_jobs.shared import training

if TYPE_CHECKING:
    from vispa_green_jobs.catalogue.sr_gan import Settings

CHUNK = 200
"""Events that a network is shown at a time when it does not learn."""


@dataclass(frozen=True, slots=True)
class Patches:
    """The middle of showers as tensors, on the CPU; a batch goes to where the networks are."""

    crystals: Tensor
    pixels: Tensor
    is_pion: Tensor

    @classmethod
    def of(cls, showers: Showers, patch: int) -> Patches:
        """Cut out ``patch`` × ``patch`` crystals."""
        is_pion = torch.from_numpy(showers.is_pion.astype(np.float32))
        return cls(middle(showers.crystals, patch), middle(showers.pixels, patch * SPLIT), is_pion)

    def __len__(self) -> int:
        return len(self.crystals)

    def batch(self, rows: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return crystals and pixels of some events, turned and mirrored at random."""
        turn, mirror = int(torch.randint(4, ())), bool(torch.randint(2, ()))
        chosen = (self.crystals[rows], self.pixels[rows])
        turned = [torch.rot90(images, turn, (1, 2)) for images in chosen]
        crystals, pixels = (images.mT if mirror else images for images in turned)
        return crystals.contiguous().to(device), pixels.contiguous().to(device)


@dataclass(frozen=True, slots=True)
class Workshop:
    """What every stage needs."""

    settings: Settings
    context: RunContext
    patches: Patches
    device: torch.device

    def split(self, generator: Generator) -> list[float]:
        """Teach the generator how the energy of a crystal is split in the mean; no critic yet."""
        settings = self.settings

        def loss(rows: Tensor) -> Tensor:
            crystals, pixels = self.patches.batch(rows, self.device)
            made = generator(crystals)
            return divergence(made, pixels) + settings.cell_weight * cell_difference(made, crystals)

        schedule = training.Schedule(settings.split_steps, settings.batch, settings.split_rate)
        return training.fit(self.context, "split", generator, loss, len(self.patches), schedule)

    def perception(self, identifier: Identifier) -> list[float]:
        """Teach a classifier to know π⁰ by pixels; the perceptual loss sees with its features."""

        def loss(rows: Tensor) -> Tensor:
            crystals, pixels = self.patches.crystals[rows], self.patches.pixels[rows]
            logits = identifier(prepared(pixels, scale_of(crystals)).to(self.device))
            return functional.binary_cross_entropy_with_logits(logits, self.patches.is_pion[rows].to(self.device))

        schedule = training.Schedule(self.settings.perceptual_steps, 2 * self.settings.batch, 3e-3)
        return training.fit(self.context, "perception", identifier, loss, len(self.patches), schedule)

    def criticism(self, stage: str, critic: Critic, generator: Generator) -> list[float]:
        """Teach a critic alone; the generator stands still."""
        optimiser = _critics_optimiser(critic, self.settings)

        def step(_number: int, rows: Tensor) -> float:
            return self._critic_step(critic, optimiser, generator, rows)

        parts = {"critic": critic, "optimiser": optimiser}
        size = (len(self.patches), self.settings.critic_steps, self.settings.batch)
        return training.train(self.context, stage, parts, step, size[0], steps=size[1], batch=size[2])

    def contest(self, generator: Generator, critic: Critic, perception: Identifier) -> list[float]:
        """Train generator and critic against each other; return the losses of the generator."""
        settings = self.settings
        optimiser = torch.optim.Adam(generator.parameters(), lr=settings.adversarial_rate, betas=(0.5, 0.9))
        critics = _critics_optimiser(critic, settings)

        def step(_number: int, rows: Tensor) -> float:
            for part in rows.chunk(settings.critic_steps_each):
                self._critic_step(critic, critics, generator, part)
            optimiser.zero_grad(set_to_none=True)
            loss = self._generator_loss(generator, critic, perception, part)
            loss.backward()
            nn.utils.clip_grad_norm_(generator.parameters(), 1.0)
            optimiser.step()
            return float(loss.detach())

        parts = {"generator": generator, "critic": critic, "optimiser": optimiser, "critics": critics}
        batch = settings.batch * settings.critic_steps_each
        steps = settings.adversarial_steps
        return training.train(self.context, "contest", parts, step, len(self.patches), steps=steps, batch=batch)

    def _critic_step(
        self, critic: Critic, optimiser: torch.optim.Optimizer, generator: Generator, rows: Tensor
    ) -> float:
        crystals, pixels = self.patches.batch(rows, self.device)
        scale = scale_of(crystals)
        with torch.no_grad():
            made = prepared(generator(crystals), scale)
        optimiser.zero_grad(set_to_none=True)
        loss = critic_loss(critic, prepared(pixels, scale), made)
        loss.backward()
        optimiser.step()
        return float(loss.detach())

    def _generator_loss(self, generator: Generator, critic: Critic, perception: Identifier, rows: Tensor) -> Tensor:
        settings = self.settings
        crystals, pixels = self.patches.batch(rows, self.device)
        scale = scale_of(crystals)
        made = generator(crystals)
        seen, true = prepared(made, scale), prepared(pixels, scale)
        return (
            divergence(made, pixels)
            + settings.cell_weight * cell_difference(made, crystals)
            + settings.perceptual_weight * perceived_difference(perception.features, seen, true)
            - settings.critic_weight * critic(seen).mean()
        )


def middle(images: Images, size: int) -> Tensor:
    """Return the middle ``size`` × ``size`` of each image."""
    first = (images.shape[1] - size) // 2
    cut = slice(first, first + size)
    return torch.from_numpy(np.ascontiguousarray(images[:, cut, cut]))


def sharpened(generator: Generator, crystals: Images, device: torch.device) -> Images:
    """Return the generator's pixels of whole images."""
    with torch.no_grad():
        parts = [generator(part.to(device)).cpu() for part in torch.from_numpy(crystals).split(CHUNK)]
    made: Images = torch.cat(parts).numpy()
    return made


def distance(critic: Critic, true: Images, made: Images, crystals: Images, patch: int, device: torch.device) -> float:
    """Return E[D(true)] − E[D(made)]: how far apart the critic holds them."""
    scale = scale_of(torch.from_numpy(crystals))

    def mean(images: Images) -> float:
        seen = prepared(middle(images, patch * SPLIT), scale)
        with torch.no_grad():
            return float(torch.cat([critic(part.to(device)).cpu() for part in seen.split(CHUNK)]).double().mean())

    return mean(true) - mean(made)


def _critics_optimiser(critic: Critic, settings: Settings) -> torch.optim.Adam:
    # Without momentum, as is usual for Wasserstein critics: what they judge moves.
    return torch.optim.Adam(critic.parameters(), lr=2 * settings.adversarial_rate, betas=(0.0, 0.9))
