"""OmniFold: a spectrum freed of detector effects by reweighting simulation, again and again (arXiv:1911.09107)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vispa_green_jobs.context import RunContext
from vispa_green_jobs.job import Job


@dataclass(frozen=True, slots=True)
class Settings:
    """What a preset or ``--set`` may change."""

    events: int
    """Of data and of simulation, before anything is lost."""
    test_events: int
    dimensions: int
    prior: tuple[float, float]
    """Mean and width of the truth in simulation, the same in each dimension."""
    truth: tuple[float, float]
    """Mean and width of the truth in data: what is to be found."""
    smearing: float
    """Width that the detector adds."""
    lost: float
    """Fraction of events that the detector does not see; full set-up only, as the next three."""
    fakes: float
    """Fraction of seen events without a truth."""
    background: float
    """Background events in data, as a fraction of ``events``."""
    background_width: float
    iterations: int
    bootstraps: int
    """How often the data are drawn again, for the statistical uncertainty."""
    hidden: tuple[int, ...]
    networks: int
    """How many are averaged in each density ratio."""
    steps: int
    """Of each network."""
    batch: int
    learning_rate: float


def run(settings: Settings, context: RunContext) -> Mapping[str, float]:
    """Unfold the plain toy and the full one; compare each iteration with its closed form on unseen events."""
    from vispa_green_jobs.catalogue.omnifold.experiment import run as work

    return work(settings, context)


def job() -> Job:
    """Return this job."""
    return Job.of(__file__, Settings, run)
