"""The truncated likelihood of a regression: targets end at a and b, and the loss knows it.

If a network's output ŷ is an unbiased estimate with Gaussian errors of width σ, then among events with a flat
spectrum between a and b the truth is distributed, given ŷ, as

    p(y | ŷ) = exp(−(y−ŷ)²/2σ²) / [σ √(π/2) (erf((ŷ−a)/√2σ) − erf((ŷ−b)/√2σ))]

and −2 ln p is minimal at that ŷ (S. Schnake, Hamburg 2019). The squared error has no second term: its minimum
is the mean of y, which can not lie beyond a or b, so near them the response bends. With σ ∝ √y taken from the
truth, σ is a weight and a width but no parameter: it carries no gradient.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.special import log_ndtr

Array = npt.NDArray[np.float64]


def truncated(predicted: Tensor, truth: Tensor, sigma: Tensor, low: float, high: float) -> Tensor:
    """Return −2 ln p(y | ŷ) of each event, up to a constant; finite wherever ŷ is."""
    inside = log_probability_between((low - predicted) / sigma, (high - predicted) / sigma)
    return ((truth - predicted) / sigma).square() + 2 * (torch.log(sigma) + inside)


def log_probability_between(low: Tensor, high: Tensor) -> Tensor:
    """Return ln(Φ(high) − Φ(low)) with gradients, also where the difference of erf would be zero."""
    flip = low + high > 0  # Φ(h) − Φ(l) = Φ(−l) − Φ(−h): use the side on which both are small
    upper, lower = torch.where(flip, -low, high), torch.where(flip, -high, low)
    log_upper = log_ndtr(upper)
    return log_upper + torch.log1p(-torch.exp(log_ndtr(lower) - log_upper))


@dataclass(frozen=True, slots=True)
class Bins:
    """Equal bins of the truth."""

    low: float
    high: float
    number: int

    @property
    def edges(self) -> Array:
        """Return the edges, one more than bins."""
        return np.linspace(self.low, self.high, self.number + 1)

    def of(self, truth: Tensor) -> Tensor:
        """Return the bin of each event."""
        place = (truth - self.low) * (self.number / (self.high - self.low))
        return place.long().clamp(0, self.number - 1)

    def mean_over(self, losses: Tensor, truth: Tensor) -> Tensor:
        """Return the mean over bins of the mean in each: a falling spectrum then counts as a flat one."""
        place = self.of(truth)
        counts = torch.bincount(place, minlength=self.number)
        weights = 1 / counts[place] / (counts > 0).sum()
        return (weights * losses).sum()


@dataclass(frozen=True, slots=True)
class Width:
    """σ(y) = c₀ √y + c₁ y + c₂, as it is fitted to the residuals of one training for the loss of the next."""

    root: float
    linear: float = 0.0
    constant: float = 0.0

    @classmethod
    def fit(cls, truth: Array, widths: Array) -> Width:
        """Fit to the widths found in bins, relative errors being equal."""
        columns = np.column_stack([np.sqrt(truth), truth, np.ones_like(truth)]) / widths[:, None]
        root, linear, constant = np.linalg.lstsq(columns, np.ones_like(truth), rcond=None)[0]
        return cls(float(root), float(linear), float(constant))

    def __call__(self, truth: Tensor) -> Tensor:
        """Return σ of each event; above zero, where a fit to few events may cross it."""
        return (self.root * torch.sqrt(truth) + self.linear * truth + self.constant).clamp(min=1e-2)
