"""The toy: electrons in a sampling hadron calorimeter of 8 × 8 × 17 tiles, seen as numbers of charged traces.

Geometry as in S. Schnake's thesis (Hamburg 2019): 17 layers of 8 × 8 tiles of 37.5 mm, an absorber of steel or
brass with each layer, electrons between 0 and 10 GeV that enter at the centre. Geant4 is replaced by GFLASH's
longitudinal profile (`shared/gflash.py`) and by traces that come in clusters:

    traces expected at depth t  ∝  dE/dt,  24 a GeV;  a cluster has 1 + Geometric traces, m(t) in the mean.

Late in a shower photons are soft and few, and each makes a longer splash, so m grows with depth: the sum of all
traces is linear in the energy, but not its best estimate. That growth is our choice; its size is such that the
sum resolves 0.36 √E, as in the thesis.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vispa_green_jobs.shared.gflash import Material, Profile

Array = npt.NDArray[np.float64]
Images = npt.NDArray[np.int16]

LAYERS, CELLS = 17, 8
LOWEST_GEV, HIGHEST_GEV = 0.0, 10.0
TRACES_PER_GEV = 24.0
PITCH_CM = 3.75

BRASS = Material(z=29.3, radiation_length_cm=1.49, critical_energy_gev=18.6e-3, moliere_radius_cm=1.70)
"""Critical energy by 2.66 (X₀ Z/A)^1.1 MeV and Molière radius by 21.2 MeV/E_c, as in GFLASH."""
STEEL_RADIATION_LENGTH_CM = 1.76
LAYER_X0 = np.array(
    [
        4.0 / STEEL_RADIATION_LENGTH_CM,
        *[5.05 / BRASS.radiation_length_cm] * 8,
        *[5.65 / BRASS.radiation_length_cm] * 6,
        *[7.5 / STEEL_RADIATION_LENGTH_CM] * 2,
    ]
)
"""Absorber that each layer stands for, in radiation lengths; the last has none and is given that of its neighbour."""
CLUSTER_DOUBLES_X0, CLUSTER_IN_TAIL = 14.0, 4.0
"""Depth at which the mean cluster has two traces instead of one, and what the lateral tail adds to that mean."""
CORE_FRACTION, CORE_RADIUS, TAIL_RADIUS = 0.8, 0.3, 3.0
"""Lateral profile of hep-ex/0001020 with constant parameters; radii in Molière radii."""
EVENTS_AT_ONCE = 5000


def energies(events: int, rng: np.random.Generator) -> Array:
    """Draw energies in GeV, flat."""
    return rng.uniform(LOWEST_GEV, HIGHEST_GEV, events)


def mean_cluster(depth_x0: Array, in_tail: npt.NDArray[np.bool_]) -> Array:
    """Return m, the mean number of traces of a cluster."""
    mean: Array = 1 + (depth_x0 / CLUSTER_DOUBLES_X0) ** 2 + CLUSTER_IN_TAIL * in_tail
    return mean


def images(energy_gev: Array, rng: np.random.Generator) -> Images:
    """Return the traces in each tile (events × layer × y × x) of electrons that enter at the centre."""
    parts = np.array_split(energy_gev, max(1, len(energy_gev) // EVENTS_AT_ONCE))
    return np.concatenate([_images(part, rng) for part in parts])


def _images(energy_gev: Array, rng: np.random.Generator) -> Images:
    profile = Profile.draw(energy_gev, BRASS, rng)
    # As many as there would be if every cluster had one trace; then one in m(t) is kept and given m(t) of them.
    event = np.repeat(np.arange(len(energy_gev)), rng.poisson(TRACES_PER_GEV * energy_gev))
    rate = (profile.shape - 1) / profile.maximum
    depth = rng.gamma(profile.shape[event]) / rate[event]
    in_tail = rng.random(len(event)) >= CORE_FRACTION
    kept = rng.random(len(event)) < 1 / mean_cluster(depth, in_tail)
    event, depth, in_tail = event[kept], depth[kept], in_tail[kept]
    traces = rng.geometric(1 / mean_cluster(depth, in_tail))
    x_cm, y_cm = _lateral(in_tail, rng)
    layer = np.searchsorted(np.cumsum(LAYER_X0), depth)
    column = np.floor(x_cm / PITCH_CM + CELLS / 2).astype(np.intp)
    row = np.floor(y_cm / PITCH_CM + CELLS / 2).astype(np.intp)
    inside = (layer < LAYERS) & (column >= 0) & (column < CELLS) & (row >= 0) & (row < CELLS)
    place = (((event * LAYERS + layer) * CELLS + row) * CELLS + column)[inside]
    counts = np.bincount(place, traces[inside], len(energy_gev) * LAYERS * CELLS**2)
    return counts.astype(np.int16).reshape(-1, LAYERS, CELLS, CELLS)


def _lateral(in_tail: npt.NDArray[np.bool_], rng: np.random.Generator) -> tuple[Array, Array]:
    """Draw distances from the axis by r = R √(u/(1−u)), core or tail."""
    scale = np.where(in_tail, TAIL_RADIUS, CORE_RADIUS) * BRASS.moliere_radius_cm
    uniform, angle = rng.random(len(in_tail)), rng.uniform(0, 2 * np.pi, len(in_tail))
    radius = scale * np.sqrt(uniform / (1 - uniform))
    return radius * np.cos(angle), radius * np.sin(angle)
