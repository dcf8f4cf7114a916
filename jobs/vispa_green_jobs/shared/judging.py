"""An independent judge of two samples: gradient-boosted trees that have seen half of the events."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vispa_green_jobs.shared.metrics import auc

Array = npt.NDArray[np.float64]


def boosted_auc(
    first: Array,
    second: Array,
    first_w: Array | None = None,
    second_w: Array | None = None,
    *,
    seed: int,
    rounds: int = 150,
) -> float:
    """Return the AUC with which trees, trained on half of the events, tell the other half apart; 0.5 is best.

    Both samples get the same total weight. scikit-learn's histogram trees stand for the XGBoost of most papers.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    columns = np.vstack([first, second])
    labels = np.repeat([1, 0], [len(first), len(second)])
    weights = np.concatenate([_normalised(first, first_w), _normalised(second, second_w)])
    order = np.random.default_rng(seed).permutation(len(labels))
    learn, judge = np.array_split(order, 2)
    trees = HistGradientBoostingClassifier(max_iter=rounds, early_stopping=False, random_state=seed % 2**32)
    trees.fit(columns[learn], labels[learn], sample_weight=weights[learn])
    score = trees.decision_function(columns[judge])
    is_first = labels[judge] == 1
    return auc(score[is_first], score[~is_first], weights[judge][is_first], weights[judge][~is_first])


def _normalised(sample: Array, weights: Array | None) -> Array:
    return np.ones(len(sample)) if weights is None else weights * len(sample) / weights.sum()
