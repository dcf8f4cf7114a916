"""Energies from images of showers and lists of particles, without the kink where the training spectrum ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vispa_green_jobs.context import RunContext
from vispa_green_jobs.job import Job


@dataclass(frozen=True, slots=True)
class Settings:
    """What a preset or ``--set`` may change."""

    train_events: int
    test_events: int
    filters: tuple[int, int]
    """Of the two 3-D convolutions."""
    hidden: tuple[int, ...]
    batch: int
    learning_rate: float
    mse_steps: int
    likelihood_steps: int
    largest_shift: int
    """Augmentation: shower images are shifted by up to so many tiles, besides being turned and mirrored."""
    few_events: int
    """Showers with which the gain by augmentation is shown."""
    few_steps: int
    pivot_turns: int
    pivot_turn_steps: int
    pivot_weight: float
    """λ of the adversary."""
    pivot_rate: float
    """Constant learning rate with which the trained networks go on."""
    pivot_watched: int
    """Showers on which the bias is followed meanwhile."""
    train_jets: int
    test_jets: int
    particle_layers: tuple[int, ...]
    """Φ of the Particle Flow Network."""
    jet_layers: tuple[int, ...]
    """F of it."""
    jet_batch: int
    jet_mse_steps: int
    jet_first_steps: int
    jet_second_steps: int


def run(settings: Settings, context: RunContext) -> Mapping[str, float]:
    """Train on electrons in a calorimeter, then on jets; judge both on unseen ones."""
    from vispa_green_jobs.catalogue.energy_regression.regression import run as work

    return work(settings, context)


def job() -> Job:
    """Return this job."""
    return Job.of(__file__, Settings, run)
