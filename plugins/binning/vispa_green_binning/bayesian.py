"""Binning by Bayesian optimisation: Optuna's TPE proposes, hard yields judge.

Bergstra et al., "Algorithms for hyper-parameter optimization", NeurIPS 2011. In 1-D the parameters are the bins'
relative widths in signal, each with a fixed range: boundaries that bound each other would have ranges that change
from trial to trial, which TPE cannot model. In several dimensions each bin is a round Gaussian with a mean and a
width; as the number of parameters grows, this falls behind the gradient (so in arXiv:2601.07756, too).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from vispa_green_binning.cells import Cells
from vispa_green_binning.errors import MissingExtra
from vispa_green_binning.mixture import Mixture, start, worth
from vispa_green_binning.sample import Labels
from vispa_green_binning.significance import Objective

if TYPE_CHECKING:
    import optuna

TRIALS = 300
NARROWEST = -5.0
"""Natural logarithm of the least relative width of a bin."""


def search_labels(cells: Cells, bins: int, objective: Objective, seed: int, trials: int = TRIALS) -> Labels:
    """Return the best bin of each cell (cells,) found for one score; bins ascend with it."""
    names = [f"width_{index}" for index in range(bins)]

    def labels(values: dict[str, float]) -> Labels:
        widths = np.exp([values[name] for name in names])
        edges = np.cumsum(widths)[:-1] / widths.sum()
        return np.searchsorted(edges, cells.centres[:, 0], side="right").astype(np.int64)

    ranges = dict.fromkeys(names, (NARROWEST, 0.0))
    best = _search(cells, bins, objective, labels, ranges, dict.fromkeys(names, -1.0), seed, trials)
    return labels(best)


def search_mixture(cells: Cells, bins: int, objective: Objective, seed: int, trials: int = TRIALS) -> Mixture:
    """Return the best mixture of round components found for several scores."""
    begin = start(cells, bins, seed)
    dimensions = begin.means.shape[1]
    ranges = {f"mean_{k}_{d}": (0.0, 1.0) for k in range(bins) for d in range(dimensions)}
    ranges |= {f"scale_{k}": (0.0, 4.0) for k in range(bins)}

    def mixture(values: dict[str, float]) -> Mixture:
        means = np.array([[values[f"mean_{k}_{d}"] for d in range(dimensions)] for k in range(bins)])
        scales = np.array([[values[f"scale_{k}"]] * dimensions for k in range(bins)])
        return Mixture(np.zeros(bins), means, scales, np.zeros((bins, dimensions, dimensions)))

    def labels(values: dict[str, float]) -> Labels:
        return mixture(values).labels(cells.centres)

    first = {f"mean_{k}_{d}": float(begin.means[k, d]) for k in range(bins) for d in range(dimensions)}
    first |= {f"scale_{k}": float(np.clip(begin.log_scales[k, 0], 0, 4)) for k in range(bins)}
    return mixture(_search(cells, bins, objective, labels, ranges, first, seed, trials))


def _search(
    cells: Cells,
    bins: int,
    objective: Objective,
    labels: Callable[[dict[str, float]], Labels],
    ranges: dict[str, tuple[float, float]],
    first: dict[str, float],
    seed: int,
    trials: int,
) -> dict[str, float]:
    """Return the best parameters of a study that begins with ``first``, so that it never ends below it."""
    try:
        import optuna
    except ModuleNotFoundError as absent:
        raise MissingExtra("optuna") from absent

    def judge(trial: optuna.Trial) -> float:
        values = {name: trial.suggest_float(name, low, high) for name, (low, high) in ranges.items()}
        allowed, value = worth(cells, labels(values), bins, objective)
        return value if allowed else value - 1e3  # below anything allowed, and still better the less is missing

    loudness = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
        study.enqueue_trial(first)
        study.optimize(judge, n_trials=trials)
    finally:
        optuna.logging.set_verbosity(loudness)
    return dict(study.best_params)
