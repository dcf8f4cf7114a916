"""OmniFold itself, whatever learns the density ratios (arXiv:1911.09107; losses, fakes, noise: arXiv:2105.04448).

Iteration k, with weights ν(t) of simulated events, 1 at first:

1. measured level: r(d) = data ÷ simulation weighted by ν; pull ω = ν·r to the events' truths;
2. truth level: ν(t) = simulation weighted by ω ÷ simulation, which averages ω over what was measured for one t.

Lost events have no ω. Step 2 learns from events that have both levels, which is the same as to give each lost event
the average ω of its truth; an efficiency that depends on the truth is divided out that way. Fakes have no ν; they
get the average ν of what was measured, or data would be compared with fakes of the prior.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from vispa_green_jobs.catalogue.omnifold.toy import Array, Sample

Weighting = Callable[[Array], Array]
"""From points (events × dimensions) to a weight of each."""


class Learn(Protocol):
    """Learns what turns one weighted sample into another, its number of events included."""

    def __call__(
        self,
        stage: str,
        numerator: Array,
        denominator: Array,
        numerator_w: Array | None = None,
        denominator_w: Array | None = None,
    ) -> Weighting:
        """Return p₁(x)/p₀(x) times the ratio of the total weights. Each stage is learnt from scratch."""


def unfold(simulation: Sample, data: Array, data_w: Array | None, iterations: int, learn: Learn) -> list[Weighting]:
    """Return ν(t) after each iteration; ``data`` are measured points, ``data_w`` their weights."""
    matched, seen = simulation.is_matched, simulation.is_seen
    fakes = seen & ~simulation.has_truth
    truth, measured = simulation.truth[matched], simulation.measured[matched]
    weights = np.ones(len(seen))
    found: list[Weighting] = []
    for number in range(1, iterations + 1):
        ratio = learn(f"{number}-pull", data, simulation.measured[seen], data_w, weights[seen])
        pulled = weights[matched] * ratio(measured)
        found.append(learn(f"{number}-push", truth, truth, pulled))
        weights[matched] = found[-1](truth)
        if fakes.any() and number < iterations:
            average = learn(f"{number}-fakes", measured, measured, weights[matched])
            weights[fakes] = average(simulation.measured[fakes])
    return found


def subtract(data: Array, background: Array, background_w: Array, learn: Learn) -> Weighting:
    """Return the fraction of signal at a measured point: (data − background) ÷ data, without bins.

    Simulated background enters with negative weights. A weighting of data like this one is never negative.
    """
    numerator = np.concatenate([data, background])
    return learn("noise", numerator, data, np.concatenate([np.ones(len(data)), -background_w]))
