"""The one call that learns: read the samples, gather cells, run a method, and see that the limits really hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from vispa_green_binning import bayesian, exact, mixture
from vispa_green_binning.binning import Binning, IntervalBinning, MixtureBinning
from vispa_green_binning.cells import Cells, Coordinates, grid, line
from vispa_green_binning.errors import BinningError
from vispa_green_binning.mixture import Mixture
from vispa_green_binning.sample import Floats, Labels, Sample, SampleLike, as_signals, sums
from vispa_green_binning.significance import Objective

ROUNDS = 20
FIRST_GROWTH = 0.01
"""Of a log weight; it becomes a third in the last round, more would change the shape of what was learnt."""


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """What a method is given."""

    signals: list[Sample]
    background: Sample
    n_bins: int
    objective: Objective
    seed: int
    effort: int
    """Random starts of the mixture, or hundreds of trials of the Bayesian search."""


def learn_bins(
    signal: SampleLike,
    background: SampleLike,
    n_bins: int,
    method: str = "gmm",
    *,
    min_background: float = 10.0,
    max_uncertainty: float | None = None,
    seed: int = 0,
    effort: int = 3,
) -> Binning:
    """Return at most ``n_bins`` bins with the highest significance, each holding enough background.

    ``signal`` is a sample or a mapping from names to samples (the geometric mean of their significances counts);
    one score per event gives intervals, several give regions of a mixture. ``min_background`` is the least expected
    background of a bin, ``max_uncertainty`` the largest relative statistical uncertainty of it. Bins that do not
    reach them are merged, so there may be fewer. ``method`` is one of `METHODS`; ``effort`` is how long to search.
    """
    signals = as_signals(signal)
    below = Sample.of(background, "the background")
    task = Task(
        list(signals.values()), below, n_bins, Objective(min_background, max_uncertainty), int(seed), int(effort)
    )
    _check(task, signals)
    if method not in METHODS:
        raise BinningError(f"no method called {method!r}; known: {', '.join(METHODS)}")
    return METHODS[method](task)


def by_gradient(task: Task) -> Binning:
    """Learn a Gaussian mixture from ``effort`` starts."""

    def best(cells: Cells) -> Mixture:
        begins = [mixture.start(cells, task.n_bins, task.seed + 1000 * turn) for turn in range(task.effort)]
        learnt = [mixture.learn(cells, begin, task.objective) for begin in begins]
        return max(
            learnt,
            key=lambda one: mixture.worth(cells, one.labels(cells.centres), task.n_bins, task.objective),
        )

    if task.background.dimensions > 1:
        return _regions(task, best)
    cells = line(task.signals, task.background)
    return _intervals(cells, best(cells).labels(cells.centres), task.objective)


def by_search(task: Task) -> Binning:
    """Search with Optuna for ``effort`` hundred trials."""
    options = (task.n_bins, task.objective, task.seed, 100 * task.effort)
    if task.background.dimensions > 1:
        return _regions(task, lambda cells: bayesian.search_mixture(cells, *options))
    cells = line(task.signals, task.background)
    return _intervals(cells, bayesian.search_labels(cells, *options), task.objective)


def exactly(task: Task) -> Binning:
    """Find the optimum of one score and one signal."""
    if task.background.dimensions > 1:
        raise BinningError("the exact method is for one score per event; with several use method='gmm'")
    return exact.best_intervals(line(task.signals, task.background), task.n_bins, task.objective)


METHODS: dict[str, Callable[[Task], Binning]] = {"gmm": by_gradient, "bayesian": by_search, "exact": exactly}


def _intervals(cells: Cells, labels: Labels, objective: Objective) -> IntervalBinning:
    """Return the intervals of the labels, neighbours merged until all are within the limits."""
    begins = [0, *(np.flatnonzero(np.diff(labels)) + 1)]
    sums = np.add.reduceat(cells.yields, begins, axis=1)
    while len(begins) > 1 and (missing := objective.shortfall(sums[-2], sums[-1])).any():
        worst = int(missing.argmax())
        # into the neighbour with less background: that loses least
        left = worst == len(begins) - 1 or (worst > 0 and sums[-2, worst - 1] < sums[-2, worst + 1])
        first = worst - 1 if left else worst
        del begins[first + 1]
        sums = np.add.reduceat(cells.yields, begins, axis=1)
    return IntervalBinning(tuple(float(cells.lowest[begin]) for begin in begins[1:]))


def _regions(task: Task, search: Callable[[Cells], Mixture]) -> MixtureBinning:
    """Return the regions of what ``search`` finds, made to be within the limits on the events, not only on cells.

    Components too small are grown a little, and dropped where that does not help.
    """
    coordinates = Coordinates.of(task.signals)
    found = search(grid(task.signals, task.background, coordinates))
    logits = found.logits(coordinates(task.background.scores))
    kept = np.arange(found.bins)
    while True:
        shift, missing = _grown(logits[:, kept], task.background, task.objective)
        if len(kept) == 1 or not missing.any():
            break
        kept = np.delete(kept, missing.argmax())
    found = found.only(kept)
    found = replace(found, log_weights=found.log_weights + shift)
    return MixtureBinning(coordinates, found.only(_by_purity(found, coordinates, task)))


def _grown(logits: Floats, background: Sample, objective: Objective) -> tuple[Floats, Floats]:
    """Return what to add to the log weights (bins,) of components below the limits, and what is missing even so.

    ``logits`` are those of the background events (events, bins). A larger weight can only enlarge a region.
    """
    bins, shift, step = logits.shape[1], np.zeros(logits.shape[1]), FIRST_GROWTH
    for _ in range(ROUNDS):
        labels = (logits + shift).argmax(axis=1)
        missing = objective.shortfall(
            sums(labels, background.weights, bins), sums(labels, background.variances, bins)
        )
        if not missing.any():
            return shift, missing
        shift = shift + step * (missing > 0)
        step *= 1.2
    return np.zeros(bins), missing


def _by_purity(found: Mixture, coordinates: Coordinates, task: Task) -> Labels:
    """Return the components in order of S/B."""
    yields = [
        sums(found.labels(coordinates(sample.scores)), sample.weights, found.bins)
        for sample in (*task.signals, task.background)
    ]
    signal = np.sum(yields[:-1], axis=0)
    return np.argsort(signal / np.maximum(yields[-1], 1e-300), kind="stable")


def _check(task: Task, signals: dict[str, Sample]) -> None:
    if not isinstance(task.n_bins, int | np.integer) or task.n_bins < 1:
        raise BinningError(f"n_bins is {task.n_bins!r}; it must be a whole number of at least 1")
    if task.effort < 1:
        raise BinningError(f"effort is {task.effort}; it must be at least 1")
    least, limit = task.objective.min_background, task.objective.max_uncertainty
    if not (np.isfinite(least) and least >= 0) or not (limit is None or limit > 0):
        raise BinningError("min_background must not be negative and max_uncertainty must be positive")
    for name, sample in signals.items():
        if sample.dimensions != task.background.dimensions:
            raise BinningError(
                f"signal {name!r} has {sample.dimensions} scores per event, "
                f"the background has {task.background.dimensions}"
            )
    total = task.background.total
    if total <= 0 or total < task.n_bins * least:
        raise BinningError(
            f"a background of {total:g} cannot fill {task.n_bins} bins with {least:g} each; "
            "ask for fewer bins or less background, or check the weights: they must add up to the expected yield"
        )
