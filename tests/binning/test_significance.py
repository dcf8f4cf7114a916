"""The closed forms: Asimov's significance, its gradient, and the gradient of a mixture's loss."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from vispa_green_binning import IntervalBinning, Sample, cells, evaluate, learn_bins, mixture
from vispa_green_binning.sample import Floats
from vispa_green_binning.significance import Objective, asimov_gradient, asimov_squared, combined, significances

from tests.binning.samples import line, plane


def test_values_by_hand_and_limits() -> None:
    assert asimov_squared(np.array([10.0]), np.array([10.0]))[0] == pytest.approx(2 * (20 * np.log(2) - 10))
    small = np.array([1e-3, 1e-1])
    assert asimov_squared(small, np.full(2, 1e3)) == pytest.approx(small**2 / 1e3, rel=1e-4)
    below, above = asimov_squared(np.array([0.99999e-4, 1.00001e-4]), np.ones(2))
    assert above / below == pytest.approx((1.00001 / 0.99999) ** 2, rel=1e-7)


def test_a_bin_without_background_or_signal_is_worth_nothing() -> None:
    signal, background = np.array([5.0, 0.0, -1.0, 5.0]), np.array([0.0, 5.0, 5.0, -1.0])
    assert asimov_squared(signal, background).tolist() == [0.0] * 4


def test_merging_bins_never_gains() -> None:
    random = np.random.default_rng(1)
    signal, background = random.exponential(1, (2, 500)), random.exponential(10, (2, 500))
    apart = asimov_squared(signal, background).sum(axis=0)
    together = asimov_squared(signal.sum(axis=0), background.sum(axis=0))
    assert (together <= apart * (1 + 1e-12)).all()


def test_the_other_signal_is_background() -> None:
    rows, below = np.array([[3.0, 1.0], [1.0, 4.0]]), np.array([10.0, 20.0])
    first = np.sqrt(asimov_squared(rows[0], below + rows[1]).sum())
    z = significances(rows, below)
    assert z[0] == pytest.approx(first)
    assert combined(rows, below) == pytest.approx(np.sqrt(z[0] * z[1]))


def test_the_gradient_is_that_of_the_formula() -> None:
    signal, background, step = np.array([0.1, 3.0, 50.0]), np.array([20.0, 10.0, 4.0]), 1e-6
    by_signal, by_background = asimov_gradient(signal, background)
    numeric = (asimov_squared(signal + step, background) - asimov_squared(signal - step, background)) / (2 * step)
    assert by_signal == pytest.approx(numeric, rel=1e-6)
    numeric = (asimov_squared(signal, background + step) - asimov_squared(signal, background - step)) / (2 * step)
    assert by_background == pytest.approx(numeric, rel=1e-6)


@pytest.mark.parametrize("limits", [Objective(0.0), Objective(300.0), Objective(300.0, 0.01)])
@pytest.mark.parametrize("tied", [True, False])
def test_the_gradient_of_a_mixture_is_exact(limits: Objective, tied: bool) -> None:
    """All four groups of parameters, against central differences."""
    signals, background = plane(events=300)
    gathered = cells.grid(list(signals.values()), background, cells.Coordinates.of(list(signals.values())))
    point = mixture.start(gathered, 4, seed=1)
    lower = np.tril(np.full(point.lower.shape, 0.7), -1)
    point = replace(point, lower=lower, log_weights=np.linspace(0, 0.5, 4))

    def loss(at: mixture.Mixture) -> float:
        return mixture.soft_loss(gathered, at.logits(gathered.centres), 0.6, limits)[0]

    flow = mixture.soft_loss(gathered, point.logits(gathered.centres), 0.6, limits)[1]
    exact = point.pulled_back(gathered.centres, flow, tied=tied)
    names = ("log_weights", "means", "log_scales", "lower")
    for name, gradient in zip(names, exact, strict=True):
        numeric = _differences(point, name, loss, gradient.shape, tied=tied and name == "log_scales")
        assert gradient == pytest.approx(numeric, abs=2e-7), name


def _differences(point: mixture.Mixture, name: str, loss: object, shape: tuple[int, ...], *, tied: bool) -> Floats:
    assert callable(loss)
    numeric, value = np.zeros(shape), getattr(point, name)
    for index in np.ndindex(shape):
        if name == "lower" and index[1] <= index[2]:
            continue  # zero by construction
        shift = np.zeros(shape)
        shift[(slice(None), *index[1:]) if tied else index] = 1e-5
        up, down = replace(point, **{name: value + shift}), replace(point, **{name: value - shift})
        numeric[index] = (loss(up) - loss(down)) / 2e-5
    return numeric


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("bins", [2, 3, 4])
def test_the_exact_method_is_the_best_of_all_cuts(seed: int, bins: int) -> None:
    """Every choice of cuts between 16 different scores, tried."""
    random = np.random.default_rng(seed)
    signal = Sample.of((random.integers(0, 16, 60).astype(float), 0.2))
    background = Sample.of((random.integers(0, 16, 200).astype(float), 1.0))
    best = 0.0
    for count in range(bins):
        for cuts in itertools.combinations(range(1, 16), count):
            found = evaluate(IntervalBinning(tuple(map(float, cuts))), signal, background)
            if found.least_background >= 20:
                best = max(best, found.combined)
    exact = evaluate(learn_bins(signal, background, bins, "exact", min_background=20), signal, background)
    assert exact.combined == pytest.approx(best, rel=1e-12)
    assert exact.least_background >= 20


@pytest.mark.parametrize("seed", range(3))
def test_learning_never_ends_below_its_start(seed: int) -> None:
    signal, background = line(seed)
    signals, below = plane(seed)
    coordinates = cells.Coordinates.of(list(signals.values()))
    for gathered in (cells.line([signal], background), cells.grid(list(signals.values()), below, coordinates)):
        limits = Objective(10.0)
        begin = mixture.start(gathered, 5, seed)
        before = mixture.worth(gathered, begin.labels(gathered.centres), 5, limits)
        for steps in (0, 1, 60):
            found = mixture.learn(gathered, begin, limits, steps)
            assert mixture.worth(gathered, found.labels(gathered.centres), 5, limits) >= before
