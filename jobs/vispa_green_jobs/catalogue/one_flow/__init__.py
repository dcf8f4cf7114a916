"""One flow to correct them all: simulation becomes data by one normalising flow with a switch (arXiv:2403.18582)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vispa_green_jobs.context import RunContext
from vispa_green_jobs.job import Job


@dataclass(frozen=True, slots=True)
class Settings:
    """What a preset or ``--set`` may change."""

    train_events: int
    """Of each of data and simulation."""
    test_events: int
    transforms: int
    hidden: tuple[int, ...]
    spline_bins: int
    steps: int
    batch: int
    learning_rate: float
    kinematic_bins: tuple[int, int, int]
    """Of the reweighting, in pT, η and N."""
    judge_rounds: int
    """Trees of the classifier that judges."""


def run(settings: Settings, context: RunContext) -> Mapping[str, float]:
    """Train the flow, correct unseen simulation, judge it against unseen data."""
    from vispa_green_jobs.catalogue.one_flow.correction import run as work

    return work(settings, context)


def job() -> Job:
    """Return this job."""
    return Job.of(__file__, Settings, run)
