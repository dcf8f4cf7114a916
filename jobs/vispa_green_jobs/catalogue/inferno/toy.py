"""The toy of arXiv:1806.04743: 50 signal events on 1000 of background in three variables.

    signal      x₀, x₁ ~ N((0, 0), 1)               x₂ ~ Exp(rate 2)
    background  x₀, x₁ ~ N((2 + r, 0), diag(5, 9))  x₂ ~ Exp(rate λ)

r = 0 and λ = 3 are not known exactly, nor is the background's yield b. The paper's text has the signal at (1, 1);
its code and its table of results have (0, 0), and so have we (see `vispa_green_jobs.catalogue.inferno.exact`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

SIGNAL_YIELD, BACKGROUND_YIELD = 50.0, 1000.0
SIGNAL_CENTRE = (0.0, 0.0)
SIGNAL_RATE = 2.0
BACKGROUND_X0, BACKGROUND_WIDTHS = 2.0, (math.sqrt(5), 3.0)
BACKGROUND_RATE = 3.0
"""λ."""

PARAMETERS = ("s", "r", "lambda", "b")
"""In the order of the rows of every Fisher matrix; s is the one of interest."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Which of the other parameters are fitted along with s, and how well each is known beforehand."""

    widths: tuple[float, ...]
    """For r, λ, b, in this order; infinity is not known at all. A parameter that is left out is fixed."""

    @property
    def fitted(self) -> int:
        """Return how many of `PARAMETERS` are fitted, s included."""
        return 1 + len(self.widths)


BENCHMARKS = (
    Benchmark(()),
    Benchmark((math.inf,)),
    Benchmark((math.inf, math.inf)),
    Benchmark((0.4, 1.0)),
    Benchmark((0.4, 1.0, 100.0)),
)
"""0 to 4 of the paper."""


def signal(events: int, rng: np.random.Generator) -> Array:
    """Draw signal events (events × 3)."""
    plane = rng.standard_normal((events, 2)) + SIGNAL_CENTRE
    return np.column_stack([plane, rng.exponential(1 / SIGNAL_RATE, events)])


def background_units(events: int, rng: np.random.Generator) -> Array:
    """Draw what background events are made of (events × 3): two unit Gaussians and a unit exponential.

    The event is x = (2 + r + √5 z₀, 3 z₁, z₂/λ): it moves smoothly with r and λ, so counts can be differentiated.
    """
    return np.column_stack([rng.standard_normal((events, 2)), rng.exponential(1.0, events)])


def background(units: Array, r: float = 0.0, rate: float = BACKGROUND_RATE) -> Array:
    """Return the background events (events × 3) at r and λ = ``rate``."""
    x0 = BACKGROUND_X0 + r + BACKGROUND_WIDTHS[0] * units[:, 0]
    return np.column_stack([x0, BACKGROUND_WIDTHS[1] * units[:, 1], units[:, 2] / rate])


def background_scores(points: Array) -> tuple[Array, Array]:
    """Return ∂ ln p_b/∂r and ∂ ln p_b/∂λ of each event, at the nominal values."""
    return (points[:, 0] - BACKGROUND_X0) / BACKGROUND_WIDTHS[0] ** 2, 1 / BACKGROUND_RATE - points[:, 2]


def signal_density(points: Array) -> Array:
    """Return p_s(x) of the nominal signal (rows are events)."""
    away = (points[:, 0] - SIGNAL_CENTRE[0]) ** 2 + (points[:, 1] - SIGNAL_CENTRE[1]) ** 2
    density: Array = SIGNAL_RATE * np.exp(-away / 2 - SIGNAL_RATE * points[:, 2]) / (2 * np.pi)
    return density


def background_density(points: Array) -> Array:
    """Return p_b(x) of the nominal background (rows are events)."""
    first, second = BACKGROUND_WIDTHS
    away = ((points[:, 0] - BACKGROUND_X0) / first) ** 2 + (points[:, 1] / second) ** 2
    norm = BACKGROUND_RATE / (2 * np.pi * first * second)
    density: Array = norm * np.exp(-away / 2 - BACKGROUND_RATE * points[:, 2])
    return density
