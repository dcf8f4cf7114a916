"""How near an unfolded spectrum is to the closed form and to the truth, on events that nobody learnt from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vispa_green_jobs.catalogue.omnifold.toy import Array, Gaussian, iterated
from vispa_green_jobs.catalogue.omnifold.unfolding import Weighting
from vispa_green_jobs.shared.metrics import triangular_discriminator

EDGES = np.linspace(-3, 3, 31)
"""Bins of the triangular discriminator."""
EQUAL_BINS = 20
"""Bins of equal expected signal, for the background subtraction."""


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Unseen simulation before and after each iteration; index 0 is the prior."""

    points: Array
    truth: Array
    weights: list[Array]
    means: list[Array]
    """Of each iteration (dimensions)."""
    widths: list[Array]
    triangular: list[float]
    """Against the unseen truth of data; the largest of all dimensions."""

    def metrics(self, prior: Gaussian, truth: Gaussian, smearing: float) -> dict[str, float]:
        """Return the distances to the closed form and to the truth."""
        expected = iterated(prior, truth, smearing, len(self.weights) - 1)
        found: dict[str, float] = {}
        for number, want in list(enumerate(expected))[1:]:
            found[f"mean_deviation_{number}"] = float(np.abs(self.means[number] - want.mean).max())
            found[f"width_deviation_{number}"] = float(np.abs(self.widths[number] - want.width).max())
        for what in ("mean", "width"):
            found[f"largest_{what}_deviation"] = max(v for k, v in found.items() if k.startswith(f"{what}_deviation"))
        found["mean_bias"] = float(np.abs(self.means[-1] - truth.mean).max())
        found["width_bias"] = float(np.abs(self.widths[-1] - truth.width).max())
        found |= {f"triangular_{number}": value for number, value in enumerate(self.triangular)}
        found |= {f"triangular_gain_{k}": self.triangular[0] / v for k, v in enumerate(self.triangular) if k}
        found["triangular"] = self.triangular[-1]
        found["yield_deviation"] = max(abs(float(weights.mean()) - 1) for weights in self.weights)
        return found


def judged(points: Array, truth: Array, weightings: Sequence[Weighting]) -> Judged:
    """Apply weightings to truths of simulation (events × dimensions); compare with unseen truths of data."""
    weights = [np.ones(len(points)), *(weighting(points) for weighting in weightings)]
    means, widths = zip(*(moments(points, w) for w in weights), strict=True)
    return Judged(points, truth, weights, list(means), list(widths), [_triangular(points, w, truth) for w in weights])


def moments(points: Array, weights: Array) -> tuple[Array, Array]:
    """Return the weighted mean and width in each dimension."""
    mean = np.average(points, axis=0, weights=weights)
    return mean, np.sqrt(np.average((points - mean) ** 2, axis=0, weights=weights))


def equal_edges(shape: Gaussian) -> Array:
    """Return the inner edges of bins that hold equal parts of a Gaussian."""
    from scipy.special import ndtri

    edges: Array = shape.mean + shape.width * ndtri(np.arange(1, EQUAL_BINS) / EQUAL_BINS)
    return edges


def relative_counts(points: Array, weights: Array, shape: Gaussian, expected: float) -> Array:
    """Return counted ÷ expected signal (dimensions × bins)."""
    edges = [-math.inf, *equal_edges(shape), math.inf]
    rows = [np.histogram(column, edges, weights=weights)[0] for column in points.T]
    ratios: Array = np.array(rows) * EQUAL_BINS / expected
    return ratios


def noise_deviation(points: Array, weights: Array, shape: Gaussian, expected: float) -> float:
    """Return the mean of |counted ÷ expected − 1| over the bins; the largest of all dimensions."""
    return float(np.abs(relative_counts(points, weights, shape, expected) - 1).mean(axis=1).max())


def _triangular(points: Array, weights: Array, truth: Array) -> float:
    return max(
        triangular_discriminator(
            np.histogram(column, EDGES, weights=weights)[0].astype(np.float64),
            np.histogram(true, EDGES)[0].astype(np.float64),
        )
        for column, true in zip(points.T, truth.T, strict=True)
    )
