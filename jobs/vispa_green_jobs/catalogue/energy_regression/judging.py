"""How a regression is judged: bias and width in bins of the truth, and the straight line as the one to beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vispa_green_jobs.catalogue.energy_regression.likelihood import Bins

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Line:
    """signal = slope · truth + offset, fitted that way round and inverted.

    A fit of the truth to the signal would be pulled to the middle at the edges of the spectrum, as a network is.
    """

    slope: float
    offset: float

    @classmethod
    def fit(cls, signal: Array, truth: Array) -> Line:
        """Fit with equal weights."""
        slope, offset = np.polyfit(truth, signal, 1)
        return cls(float(slope), float(offset))

    def inverted(self, signal: Array) -> Array:
        """Return the truth that such a signal stands for."""
        return (signal - self.offset) / self.slope


@dataclass(frozen=True, slots=True)
class Response:
    """Of events in bins of the truth: where they are, mean and standard deviation of predicted − true."""

    truth: Array
    bias: Array
    width: Array

    @classmethod
    def of(cls, predicted: Array, truth: Array, bins: Bins) -> Response:
        """Judge predictions; raise `ValueError` if a bin has fewer than two events."""
        place = np.clip(np.digitize(truth, bins.edges) - 1, 0, bins.number - 1)
        if (fewest := int(np.bincount(place, minlength=bins.number).min())) < 2:
            raise ValueError(f"one of {bins.number} bins has {fewest} of {len(truth)} events: judge with more")
        inside = [place == number for number in range(bins.number)]
        return cls(
            np.array([truth[chosen].mean() for chosen in inside]),
            np.array([(predicted - truth)[chosen].mean() for chosen in inside]),
            np.array([(predicted - truth)[chosen].std() for chosen in inside]),
        )

    def between(self, low: float, high: float) -> npt.NDArray[np.bool_]:
        """Return which bins lie there."""
        chosen: npt.NDArray[np.bool_] = (self.truth > low) & (self.truth < high)
        return chosen

    def root_resolution(self, low: float, high: float) -> float:
        """Return the mean of σ/√truth between two values."""
        chosen = self.between(low, high)
        return float((self.width / np.sqrt(self.truth))[chosen].mean())

    def relative_resolution(self, low: float, high: float) -> float:
        """Return the mean of σ/truth between two values."""
        chosen = self.between(low, high)
        return float((self.width / self.truth)[chosen].mean())

    @property
    def unbent_width(self) -> Array:
        """Return σ divided by the slope of the response: bent predictions lie closer together than they are known."""
        slope = np.gradient(self.truth + self.bias, self.truth)
        unbent: Array = self.width / np.maximum(slope, 0.2)
        return unbent

    @property
    def edge_bias(self) -> float:
        """Return the mean of |bias| in the first and the last bin."""
        return float(np.abs(self.bias[[0, -1]]).mean())
