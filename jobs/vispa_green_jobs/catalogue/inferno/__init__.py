"""INFERNO: a network whose loss is the uncertainty of the measurement itself (arXiv:1806.04743)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from vispa_green_jobs.context import RunContext
from vispa_green_jobs.job import Job


@dataclass(frozen=True, slots=True)
class Settings:
    """What a preset or ``--set`` may change."""

    train_events: int
    """Of each of signal and background."""
    test_events: int
    """Unseen ones, of each."""
    bins: int
    hidden: tuple[int, ...]
    batch: int
    """Of each of signal and background. Small ones bias the loss: the variance has counts below a fraction line."""
    classifier_learning_rate: float
    classifier_steps: int
    inferno_learning_rate: float
    inferno_steps: int
    temperature: float
    """Of the softmax that makes bins soft in training; judged is with hard ones."""
    trained_for: tuple[Literal[0, 1, 2, 3, 4], ...]
    """Benchmarks: one inference-aware network is trained for each of these, and judged in all five."""


def run(settings: Settings, context: RunContext) -> Mapping[str, float]:
    """Train a classifier and inference-aware networks; judge all in hard bins of unseen events."""
    from vispa_green_jobs.catalogue.inferno.optimisation import run as work

    return work(settings, context)


def job() -> Job:
    """Return this job."""
    return Job.of(__file__, Settings, run)
