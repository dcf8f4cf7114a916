"""What the plug-in promises, on one seed of its toys; `tests/benchmarks/test_binning.py` has ten of larger ones."""

from __future__ import annotations

import numpy as np
import pytest
from vispa_green_binning import cells, evaluate, learn_bins, mixture, toys
from vispa_green_binning.baselines import argmax_with_quantiles, equidistant
from vispa_green_binning.significance import Objective, combined


@pytest.fixture(scope="module")
def binary() -> tuple[toys.Toy, toys.Toy]:
    return toys.binary(42), toys.binary(43)


def test_the_toy_is_the_published_one(binary: tuple[toys.Toy, toys.Toy]) -> None:
    """Yields, and the significance of equidistant bins as its own generator gives it (reference/workloads.md)."""
    toy = binary[0]
    assert toy.signals["signal"].total == pytest.approx(50)
    assert toy.background.total == pytest.approx(26_000)
    for bins, expected in ((2, 0.750), (3, 0.872), (5, 1.010), (10, 1.175)):
        assert evaluate(equidistant(bins), toy.signals, toy.background).combined == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("bins", [3, 10])
def test_intervals_come_near_the_optimum_on_events_not_seen(binary: tuple[toys.Toy, toys.Toy], bins: int) -> None:
    learnt, unseen = binary
    found = {
        method: evaluate(
            learn_bins(learnt.signals, learnt.background, bins, method, effort=2), unseen.signals, unseen.background
        ).combined
        for method in ("exact", "gmm", "bayesian")
    }
    assert found["gmm"] >= 0.93 * found["exact"]
    assert found["bayesian"] >= 0.97 * found["gmm"]
    equal = evaluate(equidistant(bins), unseen.signals, unseen.background)
    assert found["gmm"] >= 1.3 * equal.combined


def test_regions_beat_argmax_where_signals_resemble_each_other() -> None:
    learnt, unseen = (toys.three_class(seed, limited=True, n_signal=50_000, n_background=200_000) for seed in (1, 2))
    regions = evaluate(learn_bins(learnt.signals, learnt.background, 11, effort=1), unseen.signals, unseen.background)
    categories = evaluate(argmax_with_quantiles(learnt.signals, 5), unseen.signals, unseen.background)
    assert len(regions.background) <= len(categories.background)
    assert regions.combined >= 1.08 * categories.combined


def test_soft_and_hard_significance_agree_at_the_coldest() -> None:
    """What the gradient sees is in the end what is counted."""
    toy, free = toys.three_class(1, limited=True, n_signal=20_000, n_background=80_000), Objective(0.0)
    signals = list(toy.signals.values())
    gathered = cells.grid(signals, toy.background, cells.Coordinates.of(signals))
    found = mixture.learn(gathered, mixture.start(gathered, 5, 0), Objective())
    logits = found.logits(gathered.centres)
    rows, background, _ = gathered.summed(logits.argmax(axis=1), 5)
    soft = np.exp(-mixture.soft_loss(gathered, logits, mixture.COLDEST, free)[0])
    assert soft == pytest.approx(combined(rows, background), rel=0.01)
