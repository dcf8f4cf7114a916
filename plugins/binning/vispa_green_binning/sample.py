"""Events or histograms of one class, checked once at the door."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from vispa_green_binning.errors import BinningError

Floats: TypeAlias = npt.NDArray[np.float64]
Labels: TypeAlias = npt.NDArray[np.int64]
SampleLike: TypeAlias = Any
"""A `Sample`, an array of scores, a tuple ``(scores, weights)``, or a histogram of hist or boost-histogram."""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Weighted scores: ``scores`` (events, dimensions), ``weights`` and their ``variances`` (events,).

    The sum of weights is the expected yield: Asimov's formula needs absolute counts, not shapes.
    """

    scores: Floats
    weights: Floats
    variances: Floats

    @classmethod
    def of(cls, data: SampleLike, name: str = "the sample") -> Sample:
        """Read any `SampleLike`; ``name`` is what errors call it."""
        if isinstance(data, Sample):
            return data
        if is_histogram(data):
            return _of_histogram(data, name)
        scores, weights = data if isinstance(data, tuple) and len(data) == 2 else (data, None)
        points = as_scores(scores, name)
        checked = as_weights(weights, len(points), name)
        return cls(points, checked, checked**2)

    @property
    def dimensions(self) -> int:
        """How many scores an event has."""
        return int(self.scores.shape[1])

    @property
    def total(self) -> float:
        """The expected yield."""
        return float(self.weights.sum())


def as_scores(data: npt.ArrayLike, name: str = "the sample") -> Floats:
    """Return scores as (events, dimensions); every one must be finite."""
    try:
        scores = np.asarray(data, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise BinningError(f"the scores of {name} are no array of numbers: {error}") from error
    if scores.ndim == 1:
        scores = scores[:, None]
    if scores.ndim != 2 or scores.shape[1] == 0:
        raise BinningError(f"the scores of {name} have shape {scores.shape}; give (events,) or (events, scores)")
    if bad := int((~np.isfinite(scores)).any(axis=1).sum()):
        raise BinningError(
            f"{bad} of {len(scores)} events of {name} have a score that is not finite; drop them first"
        )
    return scores


def as_weights(data: npt.ArrayLike | None, events: int, name: str = "the sample") -> Floats:
    """Return one finite weight per event, 1 where none are given."""
    if data is None:
        return np.ones(events)
    weights = np.asarray(data, dtype=np.float64)
    if weights.ndim == 0:
        weights = np.full(events, float(weights))
    if weights.shape != (events,):
        raise BinningError(f"{name} has {events} events but weights of shape {weights.shape}; give one per event")
    if not np.isfinite(weights).all():
        raise BinningError(f"{name} has weights that are not finite")
    return weights


def as_signals(data: SampleLike) -> dict[str, Sample]:
    """Return the signals by name; a single one is called ``signal``."""
    signals = data if isinstance(data, Mapping) else {"signal": data}
    if not signals:
        raise BinningError("there is no signal; give a sample or a mapping from names to samples")
    read = {str(name): Sample.of(sample, f"signal {name!r}") for name, sample in signals.items()}
    for name, sample in read.items():
        if sample.total <= 0:
            raise BinningError(f"signal {name!r} has a yield of {sample.total:g}; it must be positive")
    return read


def sums(labels: Labels, weights: Floats, bins: int) -> Floats:
    """Return the sum of weights (bins,) of the events with each label."""
    return np.bincount(labels, weights, bins).astype(np.float64)


def is_histogram(data: object) -> bool:
    """Say whether it looks like a histogram of hist or boost-histogram."""
    return all(hasattr(data, attribute) for attribute in ("axes", "values", "variances"))


def _of_histogram(data: Any, name: str) -> Sample:  # noqa: ANN401 - hist is optional, so it has no type here
    """Take each bin as one event: at its lower edge in 1-D, at its centre otherwise.

    With lower edges, a boundary learnt from a histogram is one of its edges, so applying it is an exact rebinning.
    """
    if any(not np.isfinite(axis.edges).all() or len(axis.edges) < 2 for axis in data.axes):
        raise BinningError(f"{name} is a histogram with an axis that has no finite edges")
    values, variances = np.asarray(data.values(), float), data.variances()
    if abs(float(np.sum(data.values(flow=True))) - float(values.sum())) > 1e-9 * max(1.0, abs(float(values.sum()))):
        raise BinningError(f"{name} is a histogram with entries in its under- or overflow; widen its axes")
    if len(data.axes) == 1:
        scores = np.asarray(data.axes[0].edges[:-1], float)[:, None]
    else:
        grids = np.meshgrid(*(axis.centers for axis in data.axes), indexing="ij")
        scores = np.stack([grid.ravel() for grid in grids], axis=1).astype(np.float64)
    spread = values if variances is None else np.asarray(variances, float)
    return Sample(scores, values.ravel(), spread.ravel())
