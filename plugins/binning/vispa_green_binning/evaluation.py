"""What a binning is worth on a sample; give it one that the binning was not learnt from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vispa_green_binning.binning import Bins, histogram
from vispa_green_binning.sample import Floats, Sample, SampleLike, as_signals
from vispa_green_binning.significance import combined, significances


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """Yields per bin and the Asimov significance: per signal, and the geometric mean of these."""

    names: tuple[str, ...]
    signals: Floats
    """(signals, bins), expected events."""
    background: Floats
    """(bins,), expected events."""
    background_sigma: Floats
    """(bins,), its statistical uncertainty."""
    significances: dict[str, float]
    combined: float

    @property
    def least_background(self) -> float:
        """The expected background of the emptiest bin."""
        return float(self.background.min())


def evaluate(binning: Bins, signal: SampleLike, background: SampleLike) -> Evaluation:
    """Return yields and significances; the arguments are those of `learn_bins`."""
    signals = as_signals(signal)
    rows = np.stack([histogram(binning, sample).values for sample in signals.values()])
    below = histogram(binning, Sample.of(background, "the background"))
    z = significances(rows, below.values)
    return Evaluation(
        tuple(signals),
        rows,
        below.values,
        np.sqrt(below.variances),
        {name: float(value) for name, value in zip(signals, z, strict=True)},
        combined(rows, below.values),
    )
