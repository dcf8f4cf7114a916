"""Events gathered into fine cells of score space, so that a step of optimisation costs the same for any sample.

Scores are first mapped to the signals' cumulative distribution, one score at a time. So 1-D results do not depend on
how the score is scaled (any increasing transformation gives the same bins), and the narrow corner near 1, where most
of the significance sits, is as wide as the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vispa_green_binning.errors import BinningError
from vispa_green_binning.sample import Floats, Labels, Sample, sums

CELLS_1D = 2000
"""Of equal signal: a boundary is found to 0.05 % of the signal."""
CELLS = 14_000
"""In several dimensions, if all were occupied."""
KNOTS = 513
MOST_DIMENSIONS = 12


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Yields per cell: ``centres`` (cells, dimensions) in [0, 1], ``signals`` (signals, cells), the rest (cells,)."""

    centres: Floats
    signals: Floats
    background: Floats
    variance: Floats
    """Of the background's yield."""
    lowest: Floats
    """The lowest score in the cell, ascending, 1-D only; a boundary is one of these. Empty otherwise."""

    @property
    def yields(self) -> Floats:
        """Signals, background and variance as (signals + 2, cells)."""
        return np.vstack([self.signals, self.background, self.variance])

    def summed(self, labels: Labels, bins: int) -> tuple[Floats, Floats, Floats]:
        """Return signals (signals, bins), background (bins,) and its variance if each cell has that label."""
        rows = np.stack([sums(labels, row, bins) for row in self.yields])
        return rows[:-2], rows[-2], rows[-1]


@dataclass(frozen=True, slots=True, eq=False)
class Coordinates:
    """The monotone map per score: ``knots`` (dimensions, knots), ascending scores at equal steps of signal."""

    knots: Floats

    @classmethod
    def of(cls, signals: list[Sample]) -> Coordinates:
        """Take the quantiles of the signals, each of them counted equally."""
        knots = [_quantiles(signals, dimension) for dimension in range(signals[0].dimensions)]
        return cls(np.stack(knots))

    def __call__(self, scores: Floats) -> Floats:
        """Return scores (events, dimensions) in [0, 1]; beyond the signals' range they are at its ends."""
        levels = np.linspace(0, 1, self.knots.shape[1])
        return np.stack(
            [np.interp(column, knots, levels) for column, knots in zip(scores.T, self.knots, strict=True)], axis=1
        )


def _quantiles(signals: list[Sample], dimension: int) -> Floats:
    scores = np.concatenate([sample.scores[:, dimension] for sample in signals])
    weights = np.concatenate([np.abs(sample.weights) / np.abs(sample.weights).sum() for sample in signals])
    order = np.argsort(scores, kind="stable")
    below = np.cumsum(weights[order])
    knots: Floats = np.interp(np.linspace(0, 1, KNOTS), below / below[-1], scores[order])
    if knots[0] == knots[-1]:
        raise BinningError(f"all signal events have the same score {knots[0]:g} in dimension {dimension}")
    return knots


def line(signals: list[Sample], background: Sample) -> Cells:
    """Return the cells of a single score, ascending."""
    samples = [*signals, background]
    values, inverse = np.unique(np.concatenate([sample.scores[:, 0] for sample in samples]), return_inverse=True)
    rows = _per_label(signals, background, inverse.ravel(), len(values))
    weight = np.abs(rows[:-2] / rows[:-2].sum(axis=1, keepdims=True)).sum(axis=0)
    # the middle of equal scores, so that every one of them is on the same side of a boundary
    position = (np.cumsum(weight) - weight / 2) / weight.sum()
    if len(values) <= CELLS_1D:
        cell = np.arange(len(values))
    else:
        fine = np.minimum((position * CELLS_1D).astype(np.int64), CELLS_1D - 1)
        cell = np.concatenate([[0], np.cumsum(np.diff(fine) > 0)])
    count = int(cell[-1]) + 1
    centre = np.bincount(cell, position, count) / np.bincount(cell, minlength=count)
    summed = np.stack([sums(cell, row, count) for row in rows])
    lowest = values[np.searchsorted(cell, np.arange(count))]
    return Cells(centre[:, None], summed[:-2], summed[-2], summed[-1], lowest)


def grid(signals: list[Sample], background: Sample, coordinates: Coordinates) -> Cells:
    """Return the occupied cells of a regular grid in ``coordinates``, each at the mean of its events."""
    points = np.concatenate([coordinates(sample.scores) for sample in (*signals, background)])
    if points.shape[1] > MOST_DIMENSIONS:
        raise BinningError(f"{points.shape[1]} scores per event are too many; let a classifier make fewer")
    per_axis = max(8, round(CELLS ** (1 / points.shape[1])))
    index = np.minimum((points * per_axis).astype(np.int64), per_axis - 1)
    flat = np.ravel_multi_index(tuple(index.T), (per_axis,) * index.shape[1])
    _, cell = np.unique(flat, return_inverse=True)
    events = np.bincount(cell)
    centres = np.stack([np.bincount(cell, column) / events for column in points.T], axis=1)
    rows = _per_label(signals, background, cell, len(events))
    return Cells(centres, rows[:-2], rows[-2], rows[-1], np.empty(0))


def _per_label(signals: list[Sample], background: Sample, labels: Labels, count: int) -> Floats:
    """Return weights of signals and background, then the background's variances, as (signals + 2, count)."""
    parts = np.split(labels, np.cumsum([len(sample.weights) for sample in signals]))
    rows = [sums(part, sample.weights, count) for part, sample in zip(parts, (*signals, background), strict=True)]
    return np.stack([*rows, sums(parts[-1], background.variances, count)])
