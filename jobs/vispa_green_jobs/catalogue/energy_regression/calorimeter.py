"""Electrons: a straight line, a network with the squared error, and one with the truncated likelihood."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from vispa_green_jobs.catalogue.energy_regression import showers
from vispa_green_jobs.catalogue.energy_regression.augmentation import Augmentation
from vispa_green_jobs.catalogue.energy_regression.judging import Array, Line, Response
from vispa_green_jobs.catalogue.energy_regression.likelihood import Bins, Width, truncated
from vispa_green_jobs.catalogue.energy_regression.networks import ShowerNetwork
from vispa_green_jobs.context import RunContext
from vispa_green_jobs.shared import training

if TYPE_CHECKING:
    from vispa_green_jobs.catalogue.energy_regression import Settings

BINS = Bins(showers.LOWEST_GEV, showers.HIGHEST_GEV, 20)
MIDDLE_GEV = 2.0, 8.0
"""Where the squared error does not bend the response yet, and resolutions may be compared."""
LEAST_GEV = 0.05
"""Energies below count as this one in σ(E): σ(0) would be zero."""
EVENTS_AT_ONCE = 2000
Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Showers:
    """Images (events × layer × y × x, traces) and energies in GeV."""

    images: Tensor
    energy: Tensor

    @classmethod
    def draw(cls, events: int, rng: np.random.Generator) -> Showers:
        """Draw electrons and their showers."""
        energy = showers.energies(events, rng)
        return cls(torch.from_numpy(showers.images(energy, rng)), torch.from_numpy(energy.astype(np.float32)))

    def first(self, events: int) -> Showers:
        """Return the first so many."""
        return Showers(self.images[:events], self.energy[:events])

    @property
    def traces(self) -> Array:
        """Return the sum over all tiles."""
        total: Array = self.images.sum((1, 2, 3)).double().numpy()
        return total

    @property
    def truth(self) -> Array:
        """Return the energies for NumPy."""
        energy: Array = self.energy.double().numpy()
        return energy


def squared(predicted: Tensor, truth: Tensor) -> Tensor:
    """Return the mean squared error, in GeV²."""
    return (predicted - truth).square().mean()


def likelihood(width: Width) -> Loss:
    """Return the truncated likelihood as a loss."""

    def loss(predicted: Tensor, truth: Tensor) -> Tensor:
        sigma = width(truth.clamp(min=LEAST_GEV))
        return truncated(predicted, truth, sigma, showers.LOWEST_GEV, showers.HIGHEST_GEV).mean()

    return loss


def new_network(settings: Settings, context: RunContext, purpose: str) -> ShowerNetwork:
    """Return a network with weights of its own."""
    training.seed_everything(context, f"{purpose}: initial weights")
    return ShowerNetwork(settings.filters, settings.hidden, showers.HIGHEST_GEV)


def learn(
    settings: Settings,
    context: RunContext,
    stage: str,
    network: ShowerNetwork,
    sample: Showers,
    loss: Loss,
    steps: int,
    augmentation: Augmentation,
) -> None:
    """Train a network; one stage."""
    context.say(f"{stage}: {steps} steps, {len(sample.energy)} showers")

    def of_rows(rows: Tensor) -> Tensor:
        return loss(network(augmentation(sample.images[rows].float())), sample.energy[rows])

    schedule = training.Schedule(steps, settings.batch, settings.learning_rate)
    training.fit(context, stage, network, of_rows, len(sample.energy), schedule)


def predicted(network: ShowerNetwork, sample: Showers) -> Array:
    """Return the energies that a network finds, in GeV."""
    with torch.no_grad():
        parts = [network(images.float()) for images in sample.images.split(EVENTS_AT_ONCE)]
    found: Array = torch.cat(parts).double().numpy()
    return found


def response(network: ShowerNetwork, sample: Showers) -> Response:
    """Judge a network."""
    return Response.of(predicted(network, sample), sample.truth, BINS)


def straight_line(sample: Showers, unseen: Showers) -> Response:
    """Judge the sum of all traces."""
    line = Line.fit(sample.traces, sample.truth)
    return Response.of(line.inverted(unseen.traces), unseen.truth, BINS)


def root_width(network: ShowerNetwork, sample: Showers) -> Width:
    """Return σ = c √E with c from a network's residuals in the middle of the spectrum."""
    truth = sample.truth
    middle = (truth > MIDDLE_GEV[0]) & (truth < MIDDLE_GEV[1])
    pulls = ((predicted(network, sample) - truth) / np.sqrt(np.maximum(truth, LEAST_GEV)))[middle]
    return Width(root=float(np.sqrt(np.mean(pulls**2))))


def augmentation_gaps(settings: Settings, context: RunContext, sample: Showers, unseen: Showers) -> dict[str, float]:
    """Train on few showers without and with augmentation; return by how much each is worse on unseen ones."""
    few, judged = sample.first(settings.few_events), unseen.first(4 * settings.few_events)
    gaps: dict[str, float] = {}
    for name, shift in (("plain", None), ("augmented", settings.largest_shift)):
        network = new_network(settings, context, "few showers")
        turns = Augmentation(showers.CELLS, shift)
        learn(settings, context, f"few-{name}", network, few, squared, settings.few_steps, turns)
        losses = [float(np.mean((predicted(network, s) - s.truth) ** 2)) for s in (few, judged)]
        gaps[f"few_{name}_loss_gev2"], gaps[f"few_{name}_gap_gev2"] = losses[1], losses[1] - losses[0]
        context.pause_point()
    gaps["few_gap_ratio"] = gaps["few_augmented_gap_gev2"] / gaps["few_plain_gap_gev2"]
    return gaps


def figures(judged: Mapping[str, Response]) -> dict[str, float]:
    """Return the numbers that are claimed of line, squared error and likelihood."""
    line, mse, truncated_ = judged["linear fit"], judged["squared error"], judged["truncated likelihood"]
    found = {
        "linear_resolution": line.root_resolution(*MIDDLE_GEV),
        "mse_resolution": mse.root_resolution(*MIDDLE_GEV),
        "likelihood_resolution": truncated_.root_resolution(*MIDDLE_GEV),
        "linear_largest_bias_gev": _largest_bias(line),
        "mse_last_bin_bias_gev": float(mse.bias[-1]),
        "likelihood_last_bin_bias_gev": float(truncated_.bias[-1]),
        "likelihood_largest_bias_gev": _largest_bias(truncated_),
        "mse_last_bin_width_ratio": _last_width(mse),
        "likelihood_last_bin_width_ratio": _last_width(truncated_),
    }
    found["resolution_ratio"] = found["likelihood_resolution"] / found["linear_resolution"]
    found["bias_reduction"] = -found["mse_last_bin_bias_gev"] / found["likelihood_largest_bias_gev"]
    return found


def _largest_bias(found: Response) -> float:
    """Return the largest |bias| of all bins but the first, where σ is as large as the energy."""
    return float(np.abs(found.bias[1:]).max())


def _last_width(found: Response) -> float:
    """Return σ/√E in the last bin, over that in the middle."""
    return float(found.width[-1] / np.sqrt(found.truth[-1])) / found.root_resolution(*MIDDLE_GEV)
