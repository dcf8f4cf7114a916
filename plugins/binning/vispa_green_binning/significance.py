"""Asimov's median discovery significance per bin, its gradient, and the objective that all methods share.

Per bin ``z² = 2((S+B) ln(1+S/B) − S)`` (Cowan, Cranmer, Gross, Vitells, arXiv:1007.1727, eq. 97); bins add in
quadrature. With several signals each one counts the others as background, and their geometric mean is maximised,
as in "Learning to bin" (arXiv:2601.07756).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vispa_green_binning.sample import Floats

SERIES_BELOW = 1e-4
"""Below this S/B the formula cancels to rounding; two terms of its series are exact to 1e-9 there."""


def asimov_squared(signal: Floats, background: Floats) -> Floats:
    """Return ``z²`` per bin, same shape; 0 where S or B is not positive.

    A bin without expected background would be worth infinitely much, which says only that the simulation ran out.
    """
    counts = (background > 0) & (signal > 0)
    safe = np.where(counts, background, 1.0)
    ratio = np.where(counts, signal, 0.0) / safe
    exact = (1 + ratio) * np.log1p(ratio) - ratio
    series = ratio**2 * (0.5 - ratio / 6)
    return 2 * safe * np.where(ratio < SERIES_BELOW, series, exact)


def asimov_gradient(signal: Floats, background: Floats) -> tuple[Floats, Floats]:
    """Return ``∂z²/∂S`` and ``∂z²/∂B``, 0 where `asimov_squared` is cut off."""
    counts = (background > 0) & (signal > 0)
    ratio = np.where(counts, signal, 0.0) / np.where(counts, background, 1.0)
    return 2 * np.log1p(ratio), 2 * (np.log1p(ratio) - ratio)


def significances(signals: Floats, background: Floats) -> Floats:
    """Return Z (signals,) of yields ``signals`` (signals, bins) over ``background`` (bins,), in sigma."""
    others = signals.sum(axis=0) - signals
    z: Floats = np.sqrt(asimov_squared(signals, background + others).sum(axis=1))
    return z


def combined(signals: Floats, background: Floats) -> float:
    """Return the geometric mean of the signals' significances; Z itself with one signal."""
    z = significances(signals, background)
    return float(np.exp(np.log(z).mean())) if (z > 0).all() else 0.0


@dataclass(frozen=True, slots=True)
class Objective:
    """What a bin must hold: expected background, and optionally a limit on its relative statistical uncertainty."""

    min_background: float = 10.0
    max_uncertainty: float | None = None
    strength: float = 3.0
    """Of the penalty, in units of ln Z per squared relative shortfall: 10 % too little in one bin costs 3 % of Z."""

    def shortfall(self, background: Floats, variance: Floats) -> Floats:
        """Return by how much each bin (bins,) misses the limits, relatively; 0 is good."""
        missing = np.maximum(0.0, 1 - background / self.min_background) if self.min_background else 0 * background
        missing = np.where(background > 0, missing, np.maximum(missing, 1.0))
        if self.max_uncertainty is None:
            return missing
        relative = np.sqrt(np.maximum(variance, 0)) / np.maximum(background, 1e-300)
        return missing + np.minimum(np.maximum(0.0, relative / self.max_uncertainty - 1), 10.0)

    def loss(self, signals: Floats, background: Floats, variance: Floats) -> tuple[float, Floats, Floats, Floats]:
        """Return ``-ln Z + penalty`` and its gradients for ``signals`` (signals, bins), ``background``, ``variance``.

        The logarithm makes one strength of the penalty right for any size of Z.
        """
        below = background + signals.sum(axis=0) - signals
        z_squared = np.maximum(asimov_squared(signals, below).sum(axis=1), 1e-300)
        by_signal, by_background = asimov_gradient(signals, below)
        scale = -1 / (2 * len(signals) * z_squared)[:, None]
        shared = (scale * by_background).sum(axis=0)
        d_signals = scale * by_signal + shared - scale * by_background
        missing, d_background, d_variance = self._penalty(background, variance)
        value = -0.5 * float(np.log(z_squared).mean()) + missing
        return value, d_signals, shared + d_background, d_variance

    def _penalty(self, background: Floats, variance: Floats) -> tuple[float, Floats, Floats]:
        safe = np.maximum(background, 1e-6 * max(self.min_background, 1e-6))
        low = np.maximum(0.0, 1 - safe / self.min_background) if self.min_background else 0 * safe
        value = self.strength * float((low**2).sum())
        d_background = -2 * self.strength * low / (self.min_background or 1.0)
        if self.max_uncertainty is None:
            return value, d_background, 0 * safe
        relative = np.sqrt(np.maximum(variance, 1e-300)) / safe
        # ln, not the ratio: an almost empty bin must not outweigh all the others
        high = np.maximum(0.0, np.log(relative / self.max_uncertainty))
        value += self.strength * float((high**2).sum())
        slope = 2 * self.strength * high
        return value, d_background - slope / safe, slope / (2 * np.maximum(variance, 1e-300))
