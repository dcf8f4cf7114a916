"""The best intervals there are for one score, by dynamic programming: the reference of the other methods.

Fisher, "On grouping for maximum homogeneity", J. Am. Stat. Assoc. 53 (1958) 789: the best k intervals of the first
j cells are the best k−1 intervals of the first i cells and the cells from i to j, for the best i. Exact for what is a
sum over bins, hence for one signal; to the granularity of the cells.
"""

from __future__ import annotations

import numpy as np

from vispa_green_binning.binning import IntervalBinning
from vispa_green_binning.cells import Cells
from vispa_green_binning.errors import BinningError
from vispa_green_binning.sample import Floats
from vispa_green_binning.significance import Objective, asimov_squared

ROWS = 128
"""Of the table of all intervals computed at once: it fits a processor's cache, and memory stays at 32 MB."""


def best_intervals(cells: Cells, n_bins: int, objective: Objective) -> IntervalBinning:
    """Return the optimum of at most ``n_bins`` intervals that all are within the objective's limits."""
    if len(cells.signals) > 1:
        raise BinningError("the exact method is for one signal; with several use method='gmm'")
    value = _interval_values(cells, objective)
    reached, origins = value[0], []
    best, best_bins = reached[-1], 1
    for bins in range(2, n_bins + 1):
        candidates = reached[:, None] + value
        origins.append(candidates.argmax(axis=0))
        reached = candidates.max(axis=0)
        if reached[-1] > best:
            best, best_bins = reached[-1], bins
    if not np.isfinite(best):
        raise BinningError("not even one bin of all events is within the limits")
    cuts, end = [], value.shape[1] - 1
    for origin in reversed(origins[: best_bins - 1]):
        end = int(origin[end])
        cuts.append(float(cells.lowest[end]))
    return IntervalBinning(tuple(reversed(cuts)))


def _interval_values(cells: Cells, objective: Objective) -> Floats:
    """Return z² of the cells from i up to and without j as (edges, edges), −∞ where that is no bin to have."""
    signal, background, variance = (
        np.concatenate([[0.0], np.cumsum(row)]) for row in (cells.signals[0], cells.background, cells.variance)
    )
    edges = np.arange(len(signal))
    value = np.empty((len(edges), len(edges)))
    for begin in range(0, len(edges), ROWS):
        rows = edges[begin : begin + ROWS, None]
        s, b, v = (running - running[rows] for running in (signal, background, variance))
        allowed = objective.shortfall(b, v) <= 1e-12
        value[rows[:, 0]] = np.where(allowed & (edges > rows), asimov_squared(s, b), -np.inf)
    return value
