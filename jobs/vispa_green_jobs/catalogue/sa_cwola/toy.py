"""The toy of arXiv:2009.02205: two features, a signal region and a sideband in a mass that is not among them.

Unit Gaussians, but for the signal with variance ½. The first feature depends on the mass: its background is
centred at 0 in the signal region and at 1 in the sideband. Simulation knows that shift and is a little wrong.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

Centre = tuple[float, float]
DATA_REGION: Centre = (0.0, 0.0)
"""Of the background in the signal region."""
DATA_SIDEBAND: Centre = (1.0, 0.0)
SIMULATION_REGION: Centre = (0.1, -0.1)
SIMULATION_SIDEBAND: Centre = (1.05, 0.0)
SIGNAL: Centre = (1.5, 1.5)
SIGNAL_VARIANCE = 0.5


@dataclass(frozen=True, slots=True)
class Samples:
    """What a search has: nothing in here has a label. Rows are events, columns the two features."""

    data_region: Array
    data_sideband: Array
    simulation_region: Array
    simulation_sideband: Array


def background(centre: Centre, events: int, rng: np.random.Generator) -> Array:
    """Draw background events (events × 2)."""
    return rng.standard_normal((events, 2)) + centre


def signal(events: int, rng: np.random.Generator) -> Array:
    """Draw signal events (events × 2)."""
    points: Array = math.sqrt(SIGNAL_VARIANCE) * rng.standard_normal((events, 2)) + SIGNAL
    return points


def generate(background_events: int, signal_events: int, rng: np.random.Generator) -> Samples:
    """Draw the four samples, with the signal among the data of the signal region.

    The signal is drawn last: without it, the same generator draws the same background.
    """
    centres = (DATA_REGION, DATA_SIDEBAND, SIMULATION_REGION, SIMULATION_SIDEBAND)
    region, *others = (background(centre, background_events, rng) for centre in centres)
    return Samples(np.vstack([region, signal(signal_events, rng)]), *others)


def density(centre: Centre, points: Array, variance: float = 1.0) -> Array:
    """Return the normal density about a centre at each point (rows)."""
    away = np.square(points - centre).sum(axis=1)
    value: Array = np.exp(-away / (2 * variance)) / (2 * np.pi * variance)
    return value
