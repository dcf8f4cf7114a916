"""What each method would learn from endless events: its score in closed form.

p are densities of data, q of simulation, R the signal region, S the sideband. A classifier learns the ratio of its
two samples' densities, or any rising function of that:

    cwola          p_R / p_S
    data_vs_sim    p_R / q_R
    salad          p_R / (w q_R),  w = p_S / q_S
    sa_cwola       (p_R + λ q_S) / (p_S + λ q_R)
    optimal_cwola  p_R / p_b       (background of the signal region, which no search has)
    supervised     p_s / p_b       (labels, which no search has)
"""

from __future__ import annotations

from collections.abc import Callable

from vispa_green_jobs.catalogue.sa_cwola import toy
from vispa_green_jobs.catalogue.sa_cwola.toy import Array

Score = Callable[[Array], Array]
"""Events (rows) to a number that is larger the more signal-like they are."""


def scores(signal_fraction: float, simulation_weight: float) -> dict[str, Score]:
    """Return the scores by method; ``signal_fraction`` is that of the data in the signal region."""

    def region(points: Array) -> Array:
        return (1 - signal_fraction) * _background(points) + signal_fraction * _signal(points)

    def sideband(points: Array) -> Array:
        return toy.density(toy.DATA_SIDEBAND, points)

    def simulated_region(points: Array) -> Array:
        return toy.density(toy.SIMULATION_REGION, points)

    def simulated_sideband(points: Array) -> Array:
        return toy.density(toy.SIMULATION_SIDEBAND, points)

    def with_simulation(points: Array) -> Array:
        first = region(points) + simulation_weight * simulated_sideband(points)
        return first / (sideband(points) + simulation_weight * simulated_region(points))

    return {
        "cwola": lambda x: region(x) / sideband(x),
        "data_vs_sim": lambda x: region(x) / simulated_region(x),
        "salad": lambda x: region(x) / simulated_region(x) * simulated_sideband(x) / sideband(x),
        "sa_cwola": with_simulation,
        "optimal_cwola": lambda x: region(x) / _background(x),
        "supervised": lambda x: _signal(x) / _background(x),
    }


def _background(points: Array) -> Array:
    return toy.density(toy.DATA_REGION, points)


def _signal(points: Array) -> Array:
    return toy.density(toy.SIGNAL, points, toy.SIGNAL_VARIANCE)
