"""From the toy's variables to what a flow likes, and back: gaps filled, logarithms, unit widths; and weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vispa_green_jobs.catalogue.one_flow.toy import DISCONTINUOUS, Array, Sample

GAP = 0.1
"""Zeros are spread over [0, GAP), and the tail is moved to begin there."""
LOG_SHIFT = 1e-3


@dataclass(frozen=True, slots=True)
class Filled:
    """Fills the gap of one sample's discontinuous variables; its tails begin at ``tail_starts``.

    x = 0 becomes a draw of the triangle from (0, high) to (GAP, 0); x > 0 becomes x + GAP − 0.9·min(x > 0);
    then log(x + LOG_SHIFT).
    """

    tail_starts: tuple[float, ...]

    @classmethod
    def of(cls, sample: Sample) -> Filled:
        """Take the starts of the tails from a sample."""
        columns = (sample.variables[:, index] for index in DISCONTINUOUS)
        return cls(tuple(float(column[column > 0].min()) for column in columns))

    def forward(self, variables: Array, rng: np.random.Generator) -> Array:
        """Return continuous variables."""
        filled = variables.copy()
        for index, start in zip(DISCONTINUOUS, self.tail_starts, strict=True):
            column = variables[:, index]
            noise = rng.triangular(0, 0, GAP, len(column))
            filled[:, index] = np.log(np.where(column > 0, column + GAP - 0.9 * start, noise) + LOG_SHIFT)
        return filled

    def backward(self, filled: Array) -> Array:
        """Return variables with their gap. Corrected simulation needs the data's object: its tails are data's."""
        variables = filled.copy()
        for index, start in zip(DISCONTINUOUS, self.tail_starts, strict=True):
            tail = np.exp(filled[:, index]) - LOG_SHIFT
            variables[:, index] = np.where(tail < GAP, 0.0, tail - GAP + 0.9 * start)
        return variables


@dataclass(frozen=True, slots=True)
class Scaling:
    """Moves columns to mean 0 and width 1."""

    mean: Array
    width: Array

    @classmethod
    def of(cls, columns: Array) -> Scaling:
        """Take means and widths from a training sample."""
        return cls(columns.mean(0), columns.std(0))

    def forward(self, columns: Array) -> npt.NDArray[np.float32]:
        """Return scaled columns."""
        return ((columns - self.mean) / self.width).astype(np.float32)

    def backward(self, scaled: npt.NDArray[np.float32]) -> Array:
        """Return columns in their own units."""
        columns: Array = scaled.astype(np.float64) * self.width + self.mean
        return columns


@dataclass(frozen=True, slots=True)
class Reweighting:
    """Weights that give simulation the kinematics of data: ratios of a 3-D histogram with bins of equal content.

    Else the flow and every comparison would be blamed for a difference in pT, η and N that the
    correction is not meant to touch.
    """

    edges: tuple[Array, ...]
    ratio: Array

    @classmethod
    def of(cls, data: Array, simulation: Array, bins: tuple[int, int, int]) -> Reweighting:
        """Compare the kinematics of two samples."""
        both = np.vstack([data, simulation])
        edges = tuple(
            np.quantile(both[:, axis], np.linspace(0, 1, count + 1)[1:-1]) for axis, count in enumerate(bins)
        )
        counts = [_count(sample, edges, bins) / len(sample) for sample in (data, simulation)]
        return cls(edges, np.divide(counts[0], counts[1], out=np.zeros(bins), where=counts[1] > 0))

    def weights(self, kinematics: Array) -> Array:
        """Return the weight of each event, with mean 1."""
        weights: Array = self.ratio[_cells(kinematics, self.edges)]
        normalised: Array = weights / weights.mean()
        return normalised


def _cells(kinematics: Array, edges: tuple[Array, ...]) -> tuple[npt.NDArray[np.intp], ...]:
    return tuple(np.searchsorted(cut, kinematics[:, axis]) for axis, cut in enumerate(edges))


def _count(kinematics: Array, edges: tuple[Array, ...], bins: tuple[int, int, int]) -> Array:
    flat = np.ravel_multi_index(_cells(kinematics, edges), bins)
    return np.bincount(flat, minlength=int(np.prod(bins))).reshape(bins).astype(np.float64)
