"""What analyses do without learning regions: equidistant bins, and argmax of the classes with bins of one score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vispa_green_binning.binning import IntervalBinning
from vispa_green_binning.cells import line
from vispa_green_binning.errors import BinningError
from vispa_green_binning.exact import best_intervals
from vispa_green_binning.sample import Floats, Labels, Sample, SampleLike, as_scores, as_signals
from vispa_green_binning.significance import Objective

FIELDS = ("scores", "weights", "variances")


def equidistant(n_bins: int, low: float = 0.0, high: float = 1.0) -> IntervalBinning:
    """Return bins of equal width of one score."""
    return IntervalBinning(tuple(np.linspace(low, high, n_bins + 1)[1:-1].tolist()))


@dataclass(frozen=True, slots=True, eq=False)
class ArgmaxBinning:
    """One background bin, then the bins of each signal's own score among the events where it is largest.

    ``edges`` has one ascending array per signal; scores are softmax outputs without the background's.
    """

    edges: tuple[Floats, ...]

    @property
    def n_bins(self) -> int:
        """How many bins there are."""
        return 1 + sum(len(inner) + 1 for inner in self.edges)

    def assign(self, scores: npt.ArrayLike) -> Labels:
        """Return the bin (events,) of each event: 0 is background, then signal by signal."""
        points = as_scores(scores)
        category = _category(points)
        labels = np.zeros(len(points), np.int64)
        offset = 1
        for index, inner in enumerate(self.edges):
            chosen = category == index
            labels[chosen] = offset + np.searchsorted(inner, points[chosen, index], side="right")
            offset += len(inner) + 1
        return labels


def argmax_with_quantiles(signal: SampleLike, bins_per_signal: int) -> ArgmaxBinning:
    """Return argmax categories with bins that hold equal parts of their own signal."""
    edges = []
    for index, (name, sample) in enumerate(as_signals(signal).items()):
        own = _category(sample.scores) == index
        if not own.any():
            raise BinningError(f"signal {name!r} is nowhere the most likely class")
        order = np.argsort(sample.scores[own, index])
        below = np.cumsum(sample.weights[own][order])
        levels = np.linspace(0, 1, bins_per_signal + 1)[1:-1]
        edges.append(np.interp(levels, below / below[-1], sample.scores[own, index][order]))
    return ArgmaxBinning(tuple(edges))


def argmax_optimised(
    signal: SampleLike, background: SampleLike, bins_per_signal: int, min_background: float = 10.0
) -> ArgmaxBinning:
    """Return argmax categories, each with the best intervals there are of its own score: the strongest baseline."""
    signals, below = as_signals(signal), Sample.of(background, "the background")
    edges = []
    for index, name in enumerate(signals):
        parts = {other: _own_score(sample, index) for other, sample in signals.items()}
        own = parts.pop(name)
        rest = [_own_score(below, index), *parts.values()]
        everything = Sample(*(np.concatenate([getattr(one, part) for one in rest]) for part in FIELDS))
        found = best_intervals(line([own], everything), bins_per_signal, Objective(min_background))
        edges.append(np.array(found.edges))
    return ArgmaxBinning(tuple(edges))


def argmax_equidistant(signals: int, bins_per_signal: int) -> ArgmaxBinning:
    """Return argmax categories with equidistant bins from 1/classes, where a largest score begins, to 1."""
    inner = np.linspace(1 / (signals + 1), 1, bins_per_signal + 1)[1:-1]
    return ArgmaxBinning((inner,) * signals)


def _own_score(sample: Sample, index: int) -> Sample:
    """Return the events of one category with its own score only."""
    own = _category(sample.scores) == index
    return Sample(sample.scores[own, index : index + 1], sample.weights[own], sample.variances[own])


def _category(scores: Floats) -> Labels:
    """Return the class of the largest score; the background, which has what is missing to 1, comes last."""
    category: Labels = np.column_stack([scores, 1 - scores.sum(axis=1)]).argmax(axis=1)
    return category
