"""Photon identification with few labelled events: the same classifier sees crystals, or the generator's pixels.

What the generator has learnt of showers from simulation spares the classifier from learning it. It adds no
information: with enough labelled events both must end alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from vispa_green_jobs.catalogue.sr_gan.network import Identifier, prepared, scale_of
from vispa_green_jobs.catalogue.sr_gan.toy import SPLIT, Array, Images, Showers, spread
from vispa_green_jobs.context import RunContext
from vispa_green_jobs.shared import metrics, training

if TYPE_CHECKING:
    from vispa_green_jobs.catalogue.sr_gan import Settings

INPUTS = ("crystals", "made")
RATE, BATCH = 5e-3, 64
WINDOW = 5
"""Crystals along the side of what the classifier sees: those around the hottest one."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """Prepared images of the same events in two ways, and what they are."""

    images: Mapping[str, Tensor]
    is_pion: Tensor

    @classmethod
    def of(cls, showers: Showers, made: Images) -> Labelled:
        """Prepare the window in both: crystals spread evenly over pixels, and pixels ``made`` of them."""
        scale = scale_of(torch.from_numpy(showers.crystals))
        images = {
            name: prepared(torch.from_numpy(window(pixels, showers.crystals)), scale)
            for name, pixels in (("crystals", spread(showers.crystals)), ("made", made))
        }
        return cls(images, torch.from_numpy(showers.is_pion.astype(np.float32)))

    def scaled_as(self, other: Labelled) -> Labelled:
        """Return images scaled to what gives those of another sample mean 0 and width 1."""
        images = {
            name: (values - other.images[name].mean()) / other.images[name].std()
            for name, values in self.images.items()
        }
        return Labelled(images, self.is_pion)


def window(pixels: Images, crystals: Images) -> Images:
    """Return the pixels of the `WINDOW` × `WINDOW` crystals around the hottest, or as near to it as fits."""
    side = crystals.shape[1]
    hottest = crystals.reshape(len(crystals), -1).argmax(axis=1)
    rows, columns = (np.clip(place - WINDOW // 2, 0, side - WINDOW) * SPLIT for place in np.divmod(hottest, side))
    size = np.arange(WINDOW * SPLIT)
    events = np.arange(len(crystals))[:, None, None]
    seen: Images = pixels[events, rows[:, None, None] + size[:, None], columns[:, None, None] + size]
    return seen


@dataclass(frozen=True, slots=True)
class Trend:
    """AUCs of π⁰ against photons on unseen events: numbers of labelled events × repetitions."""

    events: tuple[int, ...]
    crystals: Array
    made: Array

    @property
    def gain(self) -> Array:
        """What pixels are better by, in the mean of each number of events."""
        mean: Array = (self.made - self.crystals).mean(axis=1)
        return mean

    @property
    def significance(self) -> Array:
        """The gain over its standard error: both classifiers of a repetition have the same labelled events."""
        difference = self.made - self.crystals
        error = difference.std(axis=1, ddof=1) / np.sqrt(difference.shape[1])
        significance: Array = self.gain / np.maximum(error, 1e-6)  # classifiers that learnt nothing may agree
        return significance


def trend(settings: Settings, context: RunContext, pool: Labelled, test: Labelled, device: torch.device) -> Trend:
    """Train the classifier on few and on more labelled events, several times on both inputs."""
    found = np.zeros((len(INPUTS), len(settings.identification_events), settings.identification_repetitions))
    test, pool = test.scaled_as(pool), pool.scaled_as(pool)
    plan = zip(settings.identification_events, settings.identification_steps, strict=True)
    for size, (events, steps) in enumerate(plan):
        context.say(f"identification with {events} labelled events")
        for repetition in range(settings.identification_repetitions):
            chosen = context.rng(f"labelled events {events}, {repetition}").permutation(len(pool.is_pion))[:events]
            for index, name in enumerate(INPUTS):
                stage = f"identification-{name}-{events}-{repetition}"
                rows = torch.from_numpy(chosen)
                images, labels = pool.images[name][rows], pool.is_pion[rows]
                # The same initial weights and order of events for both inputs.
                training.seed_everything(context, f"identification: initial weights {repetition}")
                identifier = Identifier(images.shape[-1]).to(device)
                _learn(context, stage, identifier, images, labels, steps)
                found[index, size, repetition] = _auc(identifier, test.images[name], test.is_pion)
    return Trend(settings.identification_events, found[0], found[1])


def _learn(
    context: RunContext, stage: str, identifier: Identifier, images: Tensor, labels: Tensor, steps: int
) -> None:
    device = next(identifier.parameters()).device

    def loss(rows: Tensor) -> Tensor:
        turned = torch.rot90(images[rows], int(torch.randint(4, ())), (2, 3))
        turned = (turned.mT if bool(torch.randint(2, ())) else turned).contiguous()
        return functional.binary_cross_entropy_with_logits(identifier(turned.to(device)), labels[rows].to(device))

    training.fit(context, stage, identifier, loss, len(images), training.Schedule(steps, BATCH, RATE))


def _auc(identifier: Identifier, images: Tensor, is_pion: Tensor) -> float:
    device = next(identifier.parameters()).device
    with torch.no_grad():
        score = torch.cat([identifier(part.to(device)).cpu() for part in images.split(500)]).double().numpy()
    pion = is_pion.numpy() > 0
    return metrics.auc(score[pion], score[~pion])
