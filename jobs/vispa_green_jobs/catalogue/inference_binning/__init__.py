"""Bins and network that serve the measurement: minimise σ(μ) itself, no cross-entropy (neos, arXiv:2203.05570)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vispa_green_jobs.context import RunContext
from vispa_green_jobs.job import Job


@dataclass(frozen=True, slots=True)
class Settings:
    """What a preset or ``--set`` may change."""

    train_events: int
    """Of each of signal, background, and the background's two variations."""
    test_events: int
    bins: int
    hidden: tuple[int, ...]
    batch: int
    learning_rate: float
    classifier_steps: int
    binning_steps: int
    joint_steps: int
    widest: float
    """Bandwidth of the soft histogram at the start; it narrows to ``narrowest``."""
    narrowest: float


def run(settings: Settings, context: RunContext) -> Mapping[str, float]:
    """Train a classifier, then its bins, then both; judge with hard bins, unseen events and pyhf."""
    from vispa_green_jobs.catalogue.inference_binning.optimisation import run as work

    return work(settings, context)


def job() -> Job:
    """Return this job."""
    return Job.of(__file__, Settings, run)
