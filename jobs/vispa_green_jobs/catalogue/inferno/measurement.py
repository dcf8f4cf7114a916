"""From bins to σ(s): expected counts, how they move with each parameter, and the Fisher matrix of a benchmark."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vispa_green_jobs.catalogue.inferno import toy
from vispa_green_jobs.catalogue.inferno.toy import Array, Benchmark
from vispa_green_jobs.shared.soft_histogram import fisher_matrix, profiled_variance

Bins = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Expectation:
    """Expected events in each bin, and their derivatives by s, r, λ and b (bins × 4)."""

    counts: Tensor
    jacobian: Tensor

    @classmethod
    def of(cls, signal: Tensor, background: Tensor, by_r: Tensor, by_rate: Tensor) -> Expectation:
        """Make it of the fractions of signal and background in each bin and ∂(background's)/∂r and ∂/∂λ."""
        columns = [signal, toy.BACKGROUND_YIELD * by_r, toy.BACKGROUND_YIELD * by_rate, background]
        counts = toy.SIGNAL_YIELD * signal + toy.BACKGROUND_YIELD * background
        return cls(counts, torch.stack(columns, dim=1))

    def variance(self, benchmark: Benchmark) -> Tensor:
        """Return the variance of s when all parameters of a benchmark are fitted (Asimov data)."""
        fitted = self.jacobian[:, : benchmark.fitted]
        return profiled_variance(fisher_matrix(self.counts, fitted, _widths(benchmark)))

    def sigma(self, benchmark: Benchmark) -> float:
        """Return σ(s) in events."""
        return math.sqrt(float(self.variance(benchmark)))


def sigma_of(fisher: Array, benchmark: Benchmark) -> float:
    """Return σ(s) of a Fisher matrix of (s, r, λ, b) that has no constraints yet."""
    fitted = torch.from_numpy(fisher)[: benchmark.fitted, : benchmark.fitted]
    return math.sqrt(float(profiled_variance(fitted + torch.diag(_widths(benchmark) ** -2))))


def hard_expectation(signal_bins: Bins, background_bins: Bins, background: Array, bins: int) -> Expectation:
    """Return what is expected in hard bins, from events whose bins are known.

    Derivatives are exact in the mean: ∂ ∫ p_b over a bin = ∫ p_b ∂ ln p_b. No network is differentiated here, so
    this is a second opinion on what training minimised. Bins that no event fell into are left out.
    """
    by_r, by_rate = toy.background_scores(background)

    def filled(which: Bins, weights: Array | None = None) -> Array:
        return np.bincount(which, weights, bins) / len(which)

    fractions = (filled(signal_bins), *(filled(background_bins, w) for w in (None, by_r, by_rate)))
    used = fractions[0] + fractions[1] > 0
    return Expectation.of(*(torch.from_numpy(fraction[used]) for fraction in fractions))


def _widths(benchmark: Benchmark) -> Tensor:
    return torch.tensor([math.inf, *benchmark.widths], dtype=torch.float64)
