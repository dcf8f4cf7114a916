"""A resonance search without labels when features depend on mass: SA-CWoLa, SALAD and plain CWoLa (2009.02205)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vispa_green_jobs.context import RunContext
from vispa_green_jobs.job import Job


@dataclass(frozen=True, slots=True)
class Settings:
    """What a preset or ``--set`` may change."""

    background_events: int
    """In each of signal region and sideband, of each of data and simulation."""
    signal_events: int
    """Injected into the signal region of data."""
    test_events: int
    """Unseen ones, of each of signal and the signal region's background."""
    hidden: tuple[int, ...]
    networks: int
    """Averaged, in each classifier."""
    steps: int
    batch: int
    learning_rate: float
    simulation_weight: float
    """λ: of the swapped simulation in the loss of SA-CWoLa, data being 1."""


def run(settings: Settings, context: RunContext) -> Mapping[str, float]:
    """Train every method on one set of data, judge each on labelled events that none has seen."""
    from vispa_green_jobs.catalogue.sa_cwola.search import run as work

    return work(settings, context)


def job() -> Job:
    """Return this job."""
    return Job.of(__file__, Settings, run)
