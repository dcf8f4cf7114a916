"""Learning to bin: boundaries and regions learnt for signal significance (arXiv:2601.07756)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vispa_green_jobs.context import RunContext
from vispa_green_jobs.job import Job


@dataclass(frozen=True, slots=True)
class Settings:
    """What a preset or ``--set`` may change."""

    binary_events: tuple[int, int]
    """Signal and background events of the toy with one score, to learn from."""
    three_class_events: tuple[int, int]
    """Of each signal, and of background, of the toy with two scores."""
    unseen_factor: int
    """How many times as many events judge."""
    bins: tuple[int, ...]
    """Numbers of bins of one score."""
    regions: int
    """Of two scores: one for background and the same number of bins for each signal in the baseline, so it is odd."""
    min_background: float
    """Expected background events that every bin must hold."""
    effort: int
    """Starts of the mixture, and hundreds of trials of the Bayesian search."""


def run(settings: Settings, context: RunContext) -> Mapping[str, float]:
    """Learn bins by three methods and judge them on events that none of them has seen."""
    from vispa_green_jobs.catalogue.learn_to_bin.comparison import run as work

    return work(settings, context)


def job() -> Job:
    """Return this job."""
    return Job.of(__file__, Settings, run)
