"""The Gaussian toy of the public OmniFold examples, and what each iteration must give, in closed form.

Truth is N(m, s²) in each dimension; the detector adds N(0, ε²), loses some events and shows some that have no truth.
Losses and fakes do not depend on the event, so they change no shape. Background adds to the data only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Gaussian:
    """A normal distribution, the same and independent in each dimension."""

    mean: float
    width: float

    def draw(self, events: int, dimensions: int, rng: np.random.Generator) -> Array:
        """Return points (events × dimensions)."""
        return rng.normal(self.mean, self.width, (events, dimensions))

    def smeared(self, smearing: float) -> Gaussian:
        """Return what a detector shows of it."""
        return Gaussian(self.mean, math.hypot(self.width, smearing))


@dataclass(frozen=True, slots=True)
class Detector:
    """What happens to an event."""

    smearing: float
    lost: float = 0.0
    fakes: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Events at both levels (events × dimensions); a column of an event says nothing where its flag is off."""

    truth: Array
    measured: Array
    has_truth: Flags
    is_seen: Flags

    @property
    def is_matched(self) -> Flags:
        """Say which events have both levels."""
        return self.has_truth & self.is_seen


def generate(truth: Gaussian, detector: Detector, events: int, dimensions: int, rng: np.random.Generator) -> Sample:
    """Draw events and what the detector makes of them."""
    points = truth.draw(events, dimensions, rng)
    measured = points + rng.normal(0, detector.smearing, points.shape)
    has_truth, is_seen = (rng.random(events) >= fraction for fraction in (detector.fakes, detector.lost))
    return Sample(points, measured, has_truth, is_seen)


def iterated(prior: Gaussian, truth: Gaussian, smearing: float, iterations: int) -> list[Gaussian]:
    """Return the unfolded truth after 0, 1, ... iterations with perfect density ratios and endless events.

    An iteration replaces p(t) by ∫ p(t|d) p_data(d) dd. With K = s²/(s² + ε²), p(t|d) has the mean m + K(d − m) and
    the variance (1 − K) s², so m' = m + K (m_data − m) and s'² = (1 − K) s² + K² (s_data² + ε²).
    """
    found = [prior]
    for _ in range(iterations):
        last = found[-1]
        gain = last.width**2 / (last.width**2 + smearing**2)
        variance = (1 - gain) * last.width**2 + gain**2 * (truth.width**2 + smearing**2)
        found.append(Gaussian(last.mean + gain * (truth.mean - last.mean), math.sqrt(variance)))
    return found
