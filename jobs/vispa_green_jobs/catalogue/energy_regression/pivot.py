"""The other cure that the thesis tries: an adversary that must not tell the energy from the residual.

The adversary (Louppe, Kagan & Cranmer, arXiv:1611.01046) sees (ŷ − y)/√y and guesses in which of 20 bins y is;
the network minimises (ŷ − y)² − λ · cross-entropy of the adversary. They take turns. At the ideal point the
residual says nothing of y, so there is no bias; nothing makes the two arrive there. So what is measured here is how
the bias of the last bin moves while training goes on, beside two controls that go on at the same rate: the
squared error without adversary, and the truncated likelihood.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from vispa_green_jobs.catalogue.energy_regression import showers
from vispa_green_jobs.catalogue.energy_regression.augmentation import Augmentation
from vispa_green_jobs.catalogue.energy_regression.calorimeter import (
    BINS,
    LEAST_GEV,
    Loss,
    Showers,
    likelihood,
    new_network,
    response,
    squared,
)
from vispa_green_jobs.catalogue.energy_regression.judging import Array, Response
from vispa_green_jobs.catalogue.energy_regression.likelihood import Width
from vispa_green_jobs.catalogue.energy_regression.networks import ShowerNetwork, adversary
from vispa_green_jobs.context import RunContext
from vispa_green_jobs.shared import training

if TYPE_CHECKING:
    from vispa_green_jobs.catalogue.energy_regression import Settings


class Trace(nn.Module):
    """What was seen after each turn; a module, so that it is kept in the checkpoint."""

    def __init__(self, turns: int) -> None:
        super().__init__()
        self.register_buffer("last_bin_bias", torch.full((turns,), torch.nan))
        self.register_buffer("largest_bias", torch.full((turns,), torch.nan))

    def note(self, turn: int, seen: Response) -> None:
        """Keep the biases after a turn."""
        self.last_bin_bias[turn] = float(seen.bias[-1])
        self.largest_bias[turn] = float(np.abs(seen.bias[1:]).max())


@dataclass(frozen=True, slots=True)
class Course:
    """Biases in GeV after each turn of a training that goes on at a constant rate."""

    last_bin: Array
    largest: Array

    @property
    def swing_gev(self) -> float:
        """Return between which values the bias of the last bin went to and fro."""
        return float(np.ptp(self.last_bin))

    @property
    def usual_bias_gev(self) -> float:
        """Return the largest bias of all bins, in the median over the turns."""
        return float(np.median(self.largest))


def courses(
    settings: Settings,
    context: RunContext,
    sample: Showers,
    mse: ShowerNetwork,
    truncated: ShowerNetwork,
    width: Width,
) -> dict[str, Course]:
    """Go on from the two trained networks: with the adversary, and without for comparison."""
    watched = Showers.draw(settings.pivot_watched, context.rng("pivot: watched"))
    plans: dict[str, tuple[ShowerNetwork, Loss, float]] = {
        "adversary": (mse, squared, settings.pivot_weight),
        "squared error": (mse, squared, 0.0),
        "truncated likelihood": (truncated, likelihood(width), 0.0),
    }
    found: dict[str, Course] = {}
    for name, (start, loss, weight) in plans.items():
        network = new_network(settings, context, f"pivot {name}")
        network.load_state_dict(start.state_dict())
        found[name] = _go_on(settings, context, name, network, sample, watched, loss, weight)
        context.pause_point()
    return found


def _go_on(
    settings: Settings,
    context: RunContext,
    name: str,
    network: ShowerNetwork,
    sample: Showers,
    watched: Showers,
    loss: Loss,
    weight: float,
) -> Course:
    """Take turns: the adversary learns from a resting network, then the network from a resting adversary."""
    training.seed_everything(context, f"pivot {name}: adversary")
    opponent, trace = adversary(BINS.number), Trace(settings.pivot_turns)
    augmentation = Augmentation(showers.CELLS, settings.largest_shift)
    ours = torch.optim.Adam(network.parameters(), lr=settings.pivot_rate)
    theirs = torch.optim.Adam(opponent.parameters(), lr=settings.learning_rate)
    turn = settings.pivot_turn_steps
    period = 2 * turn if weight else turn  # without an adversary it is always the network's turn

    def step(number: int, rows: Tensor) -> float:
        truth = sample.energy[rows]
        learns = number % period >= period - turn
        with torch.set_grad_enabled(learns):
            found = network(augmentation(sample.images[rows].float()))
        ours.zero_grad(set_to_none=True)
        theirs.zero_grad(set_to_none=True)
        guessed = _guess_loss(opponent, found, truth)
        value = loss(found, truth) - weight * guessed if learns else guessed
        value.backward()
        (ours if learns else theirs).step()
        if (number + 1) % period == 0:
            trace.note(number // period, response(network, watched))
        return float(guessed.detach())

    parts = {"model": network, "opponent": opponent, "ours": ours, "theirs": theirs, "trace": trace}
    stage, steps = f"pivot-{name.replace(' ', '-')}", period * settings.pivot_turns
    context.say(f"{stage}: {settings.pivot_turns} turns of {turn} steps")
    training.train(context, stage, parts, step, len(sample.energy), steps=steps, batch=settings.batch)
    return Course(trace.last_bin_bias.double().numpy(), trace.largest_bias.double().numpy())


def _guess_loss(opponent: nn.Module, found: Tensor, truth: Tensor) -> Tensor:
    residual = (found - truth) / torch.sqrt(truth.clamp(min=LEAST_GEV))
    return nn.functional.cross_entropy(opponent(residual[:, None]), BINS.of(truth))


def figures(found: dict[str, Course]) -> dict[str, float]:
    """Return how restless each course is."""
    short = {"adversary": "pivot", "squared error": "mse_goes_on", "truncated likelihood": "likelihood_goes_on"}
    numbers: dict[str, float] = {}
    for name, course in found.items():
        numbers[f"{short[name]}_swing_gev"] = course.swing_gev
        numbers[f"{short[name]}_usual_bias_gev"] = course.usual_bias_gev
    calm = max(numbers["mse_goes_on_swing_gev"], numbers["likelihood_goes_on_swing_gev"])
    numbers["pivot_restlessness"] = numbers["pivot_swing_gev"] / calm
    return numbers
