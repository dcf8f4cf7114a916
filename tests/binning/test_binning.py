"""Laws of every binning: each event in one bin, weights kept, files exact, limits held, scale irrelevant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vispa_green_binning import (
    METHODS,
    Binning,
    BinningError,
    IntervalBinning,
    MixtureBinning,
    Sample,
    evaluate,
    learn_bins,
    load,
    save,
)
from vispa_green_binning.baselines import argmax_equidistant, argmax_optimised, argmax_with_quantiles, equidistant
from vispa_green_binning.sample import Floats

from tests.binning.samples import line, plane

FINITE = st.floats(-1e9, 1e9, allow_nan=False)
MISSHAPEN = (
    '{"format": "vispa-green-binning", "version": 1, "kind": "mixture", "knots": [[0, 1]], "log_weights": [0],'
    ' "means": [[0, 0]], "log_scales": [[0, 0]], "lower": [[[0, 0], [0, 0]]]}'
)
INCREASING: dict[str, Callable[[Floats], Floats]] = {
    "logit": lambda x: np.log(x / (1 - x)),
    "cube": lambda x: x**3,
    "scale": lambda x: 1000 * x - 7,
}


@pytest.fixture(scope="module")
def regions() -> Binning:
    signals, background = plane()
    return learn_bins(signals, background, 6, effort=1)


@given(edges=st.sets(FINITE, max_size=8), scores=st.lists(FINITE, max_size=40), seed=st.integers(0, 99))
@settings(max_examples=60)
def test_every_event_is_in_one_interval_and_weights_are_kept(
    edges: set[float], scores: list[float], seed: int
) -> None:
    binning = IntervalBinning(tuple(sorted(edges)))
    points, weights = np.array(scores), np.random.default_rng(seed).normal(1, 1, len(scores))
    labels = binning.assign(points)
    bounds = [-np.inf, *binning.edges, np.inf]
    assert all(bounds[label] <= score < bounds[label + 1] for label, score in zip(labels, points, strict=True))
    counts = binning.histogram(points, weights)
    assert len(counts.values) == binning.n_bins
    assert counts.values.sum() == pytest.approx(weights.sum(), abs=1e-9)
    assert counts.variances.sum() == pytest.approx((weights**2).sum())


def test_every_point_of_the_plane_is_in_one_region(regions: Binning) -> None:
    points = np.random.default_rng(5).uniform(-1, 2, (5000, 2))
    labels = regions.assign(points)
    assert labels.min() >= 0
    assert labels.max() < regions.n_bins
    assert regions.histogram(points).values.sum() == len(points)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("bins", [1, 2, 6])
def test_intervals_ascend_and_hold_enough_background(method: str, bins: int) -> None:
    signal, background = line()
    binning = learn_bins(signal, background, bins, method, effort=1, min_background=25)
    assert isinstance(binning, IntervalBinning)
    assert 1 <= binning.n_bins <= bins
    assert list(binning.edges) == sorted(set(binning.edges))
    assert evaluate(binning, signal, background).least_background >= 25


@pytest.mark.parametrize("method", ["gmm", "bayesian"])
def test_regions_hold_enough_background_and_are_ordered_by_purity(method: str) -> None:
    signals, background = plane()
    found = evaluate(learn_bins(signals, background, 6, method, effort=1, min_background=25), signals, background)
    assert found.least_background >= 25
    purity = found.signals.sum(axis=0) / found.background
    assert (np.diff(purity) >= 0).all()


@pytest.mark.parametrize("method", METHODS)
def test_a_limit_on_the_uncertainty_holds(method: str) -> None:
    signal, background = line()
    found = evaluate(
        learn_bins(signal, background, 6, method, effort=1, min_background=0, max_uncertainty=0.15),
        signal,
        background,
    )
    assert (found.background_sigma / found.background).max() <= 0.15


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("transformation", INCREASING)
def test_one_score_may_be_scaled_at_will(method: str, transformation: str) -> None:
    """An increasing transformation of the score moves the boundaries with it and no event to another bin."""
    change = INCREASING[transformation]
    signal, background = line()
    s, b = (Sample(change(one.scores), one.weights, one.variances) for one in (signal, background))
    plain = learn_bins(signal, background, 5, method, effort=1)
    other = learn_bins(s, b, 5, method, effort=1)
    assert (plain.assign(background.scores) == other.assign(b.scores)).all()
    assert isinstance(plain, IntervalBinning)
    assert isinstance(other, IntervalBinning)
    assert other.edges == pytest.approx(change(np.array(plain.edges)).tolist())


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_gives_the_same_bins(method: str) -> None:
    signal, background = line()
    assert learn_bins(signal, background, 4, method, effort=1) == learn_bins(signal, background, 4, method, effort=1)


@pytest.mark.parametrize("method", METHODS)
def test_all_weights_doubled_change_nothing_but_the_yields(method: str) -> None:
    """Doubling signal and background multiplies Z by √2; with a doubled limit the problem is the same."""
    signal, background = line()
    s, b = (Sample.of((one.scores, 2 * one.weights)) for one in (signal, background))
    plain = evaluate(learn_bins(signal, background, 4, method, effort=1), signal, background)
    other = evaluate(learn_bins(s, b, 4, method, effort=1, min_background=20), s, b)
    assert other.combined == pytest.approx(np.sqrt(2) * plain.combined, rel=1e-6)


def test_a_file_gives_the_same_bins_back(tmp_path: Path, regions: Binning) -> None:
    points = np.random.default_rng(2).dirichlet((1, 1, 1), 3000)[:, :2]
    save(regions, tmp_path / "regions.json")
    again = load(tmp_path / "regions.json")
    assert isinstance(again, MixtureBinning)
    assert (again.assign(points) == regions.assign(points)).all()
    intervals = IntervalBinning((0.1, 1 / 3, 0.7000000000000001))
    save(intervals, tmp_path / "intervals.json")
    assert load(tmp_path / "intervals.json") == intervals


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"format": "vispa-green-binning", "version": 2, "kind": "intervals", "edges": []}',
        '{"format": "vispa-green-binning", "version": 1, "kind": "circles"}',
        '{"format": "vispa-green-binning", "version": 1, "kind": "intervals", "edges": [2, 1]}',
        '{"format": "vispa-green-binning", "version": 1, "kind": "intervals", "edges": ["x"]}',
        '{"format": "vispa-green-binning", "version": 1, "kind": "mixture", "knots": [[0, 1]]}',
        MISSHAPEN,
    ],
)
def test_a_file_that_is_no_binning_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bins.json"
    path.write_text(text)
    with pytest.raises(BinningError, match=r"bins\.json holds no binning"):
        load(path)


def test_baselines_place_every_event() -> None:
    signals, background = plane()
    for binning in (
        argmax_with_quantiles(signals, 3),
        argmax_equidistant(2, 3),
        argmax_optimised(signals, background, 3),
    ):
        found = evaluate(binning, signals, background)
        assert found.background.sum() == pytest.approx(2000)
        assert len(found.background) == binning.n_bins == 7
    assert equidistant(4).edges == (0.25, 0.5, 0.75)


def test_quantile_bins_hold_equal_parts_of_their_signal() -> None:
    signals, background = plane()
    rows = evaluate(argmax_with_quantiles(signals, 4), signals, background).signals
    assert rows[0, 1:5] == pytest.approx(np.full(4, rows[0, 1:5].mean()), rel=0.01)
    assert rows[1, 5:9] == pytest.approx(np.full(4, rows[1, 5:9].mean()), rel=0.01)


def test_regions_in_three_scores_keep_their_number() -> None:
    """Where the limit binds on cells, it is met on the events by growing regions, not by losing them."""
    random = np.random.default_rng(0)
    shapes = {"a": (4, 2, 2, 1), "b": (2, 4, 2, 1), "c": (2, 2, 4, 1), "background": (1.2, 1.2, 1.2, 3)}
    drawn = {name: random.dirichlet(shape, 3000)[:, :3] for name, shape in shapes.items()}
    background = Sample.of((drawn.pop("background"), 1.0))
    signals = {name: Sample.of((scores, 50 / 3000)) for name, scores in drawn.items()}
    binning = learn_bins(signals, background, 8, effort=1)
    found = evaluate(binning, signals, background)
    assert binning.n_bins == 8
    assert found.least_background >= 10
    assert min(found.significances.values()) > 0.8 * max(found.significances.values())
