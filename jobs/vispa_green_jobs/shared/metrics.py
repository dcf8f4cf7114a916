"""Numbers that say how alike two samples are, with weights. NumPy only; each has a closed form in its tests."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def auc(positive: Array, negative: Array, positive_w: Array | None = None, negative_w: Array | None = None) -> float:
    """Return P(positive > negative) + ½ P(equal): the area under the ROC curve (Mann & Whitney)."""
    wp, wn = _weights(positive, positive_w), _weights(negative, negative_w)
    order = np.argsort(negative)
    below = np.concatenate([[0.0], np.cumsum(wn[order])])
    left = below[np.searchsorted(negative[order], positive, side="left")]
    right = below[np.searchsorted(negative[order], positive, side="right")]
    return float(np.sum(wp * (left + right)) / 2)


def kolmogorov_smirnov(
    first: Array, second: Array, first_w: Array | None = None, second_w: Array | None = None
) -> float:
    """Return the largest distance between the two distribution functions."""
    at = np.concatenate([first, second])
    distance = np.abs(_distribution(first, first_w, at) - _distribution(second, second_w, at))
    return float(distance.max())


def correlations(columns: Array, weights: Array | None = None) -> Array:
    """Return the matrix of Pearson's correlations of the columns."""
    covariance = np.atleast_2d(np.cov(columns.T, aweights=_weights(columns, weights)))
    width = np.sqrt(np.diag(covariance))
    matrix: Array = covariance / np.outer(width, width)
    return matrix


def largest_correlation_difference(
    first: Array, second: Array, first_w: Array | None = None, second_w: Array | None = None
) -> float:
    """Return max |ρ_ij(first) − ρ_ij(second)|."""
    return float(np.abs(correlations(first, first_w) - correlations(second, second_w)).max())


def effective_events(weights: Array) -> float:
    """Return (Σw)² / Σw²: how many unweighted events are worth as much."""
    return float(weights.sum() ** 2 / np.square(weights).sum())


def triangular_discriminator(first: Array, second: Array) -> float:
    """Return ½ Σ (p−q)²/(p+q) of two histograms, each normalised to 1; 0 is equal, 1 is disjoint."""
    p, q = first / first.sum(), second / second.sum()
    both = p + q
    return float(0.5 * np.sum(np.divide((p - q) ** 2, both, out=np.zeros_like(both), where=both > 0)))


def largest_sic(signal: Array, background: Array, *, fewest_background: int = 50) -> float:
    """Return max ε_S/√ε_B over all cuts that keep at least so many background events.

    Without that floor the maximum is the noise of the last event.
    """
    if fewest_background > len(background):
        raise ValueError(f"{len(background)} background events are fewer than the floor of {fewest_background}")
    cuts = np.sort(background)[::-1][fewest_background - 1 :]
    kept = np.arange(fewest_background, len(background) + 1) / len(background)
    ordered = np.sort(signal)
    efficiency = 1 - np.searchsorted(ordered, cuts, side="left") / len(ordered)
    return float((efficiency / np.sqrt(kept)).max())


def _weights(values: Array, weights: Array | None) -> Array:
    if weights is None:
        return np.full(len(values), 1 / len(values))
    normalised: Array = weights / weights.sum()
    return normalised


def _distribution(sample: Array, weights: Array | None, at: Array) -> Array:
    order = np.argsort(sample)
    steps = np.concatenate([[0.0], np.cumsum(_weights(sample, weights)[order])])
    values: Array = steps[np.searchsorted(sample[order], at, side="right")]
    return values
