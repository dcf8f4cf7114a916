"""Super-resolution for calorimeter images: pixels a quarter as wide as the crystals, by a GAN (arXiv:2308.09025)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vispa_green_jobs.context import RunContext
from vispa_green_jobs.job import Job


@dataclass(frozen=True, slots=True)
class Settings:
    """What a preset or ``--set`` may change. A loss's weight is relative to that of the split of energies, 1."""

    crystals: int
    """Along the side of an image at low resolution; pixels are four times as many."""
    patch: int
    """Crystals along the side of the middle of the image, which the generator learns from."""
    critic_patch: int
    """Crystals along the side of what critic and perception see of that."""
    train_events: int
    test_events: int
    blocks: int
    filters: int
    growth: int
    conserving: bool
    """Whether the energy of a crystal is split among its pixels, or each pixel is free as in ESRGAN."""
    batch: int
    split_steps: int
    """Without critic: the generator learns how energy is split in the mean."""
    split_rate: float
    perceptual_steps: int
    critic_filters: tuple[int, ...]
    critic_steps: int
    """A critic alone, against a generator that stands still; before and after the adversarial training."""
    adversarial_steps: int
    critic_steps_each: int
    """Of the critic for each step of the generator."""
    critic_rate: float
    adversarial_rate: float
    """Of the generator, in the contest."""
    critic_weight: float
    perceptual_weight: float
    cell_weight: float
    identification_events: tuple[int, ...]
    """Labelled events for the photon identification at low statistics, fewest first."""
    identification_steps: tuple[int, ...]
    identification_repetitions: int


def run(settings: Settings, context: RunContext) -> Mapping[str, float]:
    """Train the generator alone, then against a critic; judge its pixels on unseen showers."""
    from vispa_green_jobs.catalogue.sr_gan.super_resolution import run as work

    return work(settings, context)


def job() -> Job:
    """Return this job."""
    return Job.of(__file__, Settings, run)
