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
from vispa_green_jobs.catalogue.sr_gan.network import Critic, Generator, Identifier, scale_of, seen
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
        crystals, pixels = torch.from_numpy(showers.crystals), torch.from_numpy(showers.pixels)
        return cls(_middle(crystals, patch), _middle(pixels, patch * SPLIT), is_pion)

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

    def shown(self, pixels: Tensor, crystals: Tensor) -> Tensor:
        """Return what critic and perception see of pixels: the middle, prepared."""
        return seen(_middle(pixels, self.settings.critic_patch * SPLIT), scale_of(crystals))

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
            logits = identifier(self.shown(pixels, crystals).to(self.device))
            return functional.binary_cross_entropy_with_logits(logits, self.patches.is_pion[rows].to(self.device))

        schedule = training.Schedule(self.settings.perceptual_steps, 2 * self.settings.batch, 3e-3)
        return training.fit(self.context, "perception", identifier, loss, len(self.patches), schedule)

    def criticism(self, stage: str, critic: Critic, generator: Generator) -> list[float]:
        """Teach a critic alone; the generator stands still."""
        optimiser = _critics_optimiser(critic, self.settings)

        def step(_number: int, rows: Tensor) -> float:
            return self._critic_step(critic, optimiser, generator, rows)

        parts = {"critic": critic, "optimiser": optimiser}
        steps, batch = self.settings.critic_steps, self.settings.batch
        return training.train(self.context, stage, parts, step, len(self.patches), steps=steps, batch=batch)

    def contest(self, generator: Generator, critic: Critic, perception: Identifier) -> list[float]:
        """Train generator and critic against each other; return the losses of the generator."""
        settings = self.settings
        perception.requires_grad_(False)
        optimiser = torch.optim.Adam(generator.parameters(), lr=settings.adversarial_rate, betas=(0.5, 0.9))
        # Annealed: a generator that moves to the end is blurred by its own steps.
        rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings.adversarial_steps)
        critics = _critics_optimiser(critic, settings)

        def step(_number: int, rows: Tensor) -> float:
            for part in rows.chunk(settings.critic_steps_each):
                self._critic_step(critic, critics, generator, part)
            optimiser.zero_grad(set_to_none=True)
            loss = self._generator_loss(generator, critic, perception, part)
            loss.backward()
            nn.utils.clip_grad_norm_(generator.parameters(), 1.0)
            optimiser.step()
            rate.step()
            return float(loss.detach())

        networks = {"generator": generator, "critic": critic}
        parts = {**networks, "optimiser": optimiser, "rate": rate, "critics": critics}
        batch = settings.batch * settings.critic_steps_each
        steps = settings.adversarial_steps
        return training.train(self.context, "contest", parts, step, len(self.patches), steps=steps, batch=batch)

    def distance(self, critic: Critic, showers: Showers, made: Images) -> float:
        """Return E[D(true)] − E[D(made)] of whole showers: how far apart the critic holds them."""
        crystals = torch.from_numpy(showers.crystals)

        def mean(pixels: Images) -> float:
            shown = self.shown(torch.from_numpy(pixels), crystals)
            with torch.no_grad():
                scores = torch.cat([critic(part.to(self.device)).cpu() for part in shown.split(CHUNK)])
            return float(scores.double().mean())

        return mean(showers.pixels) - mean(made)

    def _critic_step(
        self, critic: Critic, optimiser: torch.optim.Optimizer, generator: Generator, rows: Tensor
    ) -> float:
        crystals, pixels = self.patches.batch(rows, self.device)
        with torch.no_grad():
            made = self.shown(generator(crystals), crystals)
        optimiser.zero_grad(set_to_none=True)
        loss = critic_loss(critic, self.shown(pixels, crystals), made)
        loss.backward()
        optimiser.step()
        return float(loss.detach())

    def _generator_loss(self, generator: Generator, critic: Critic, perception: Identifier, rows: Tensor) -> Tensor:
        settings = self.settings
        crystals, pixels = self.patches.batch(rows, self.device)
        made = generator(crystals)
        image, true = self.shown(made, crystals), self.shown(pixels, crystals)
        return (
            divergence(made, pixels)
            + settings.cell_weight * cell_difference(made, crystals)
            + settings.perceptual_weight * perceived_difference(perception.features, image, true)
            - settings.critic_weight * critic(image).mean()
        )


def sharpened(generator: Generator, crystals: Images, device: torch.device) -> Images:
    """Return the generator's pixels of whole images."""
    with torch.no_grad():
        parts = [generator(part.to(device)).cpu() for part in torch.from_numpy(crystals).split(CHUNK)]
    made: Images = torch.cat(parts).numpy()
    return made


def _critics_optimiser(critic: Critic, settings: Settings) -> torch.optim.Adam:
    # Without momentum, as is usual for Wasserstein critics: what they judge moves.
    return torch.optim.Adam(critic.parameters(), lr=settings.critic_rate, betas=(0.0, 0.9))


def _middle(images: Tensor, size: int) -> Tensor:
    """Return the middle ``size`` × ``size`` of each image."""
    first = (images.shape[1] - size) // 2
    return images[:, first : first + size, first : first + size].contiguous()
