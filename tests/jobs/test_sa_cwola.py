"""sa_cwola: densities are those of the events, each method's closed form is its optimum, and networks approach it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="torch is not installed: run `deploy/setup.sh torch`")
Jobs = Callable[..., subprocess.CompletedProcess[str]]

IN_DATA = 500 / 50_500
"""Of the events in the signal region, the signal."""


def test_events_have_the_densities_of_the_closed_forms() -> None:
    """⟨p'/p⟩ over events of p is 1 for any density p' that p covers."""
    from vispa_green_jobs.catalogue.sa_cwola import toy

    rng = np.random.default_rng(1)
    background = toy.background(toy.DATA_SIDEBAND, 200_000, rng)
    nominal = toy.density(toy.DATA_SIDEBAND, background)
    for other in (toy.DATA_REGION, toy.SIMULATION_REGION, toy.SIMULATION_SIDEBAND):
        assert (toy.density(other, background) / nominal).mean() == pytest.approx(1, abs=0.02)
    narrow = toy.density(toy.SIGNAL, toy.background(toy.SIGNAL, 200_000, rng), toy.SIGNAL_VARIANCE)
    assert narrow.mean() == pytest.approx(1 / (2 * np.pi * (1 + toy.SIGNAL_VARIANCE)), rel=0.02)
    signal = toy.signal(100_000, rng)
    assert signal.mean(axis=0) == pytest.approx(toy.SIGNAL, abs=0.02)
    assert np.cov(signal.T) == pytest.approx(toy.SIGNAL_VARIANCE * np.eye(2), abs=0.02)


def test_what_endless_events_would_give() -> None:
    """The likelihood ratio has AUC 0.9616 and 1/ε_B = 66 at ε_S = ½; CWoLa without a signal is x₁ alone,
    so that AUC(signal) = Φ(−1.5/√1.5)."""
    from scipy.special import ndtr
    from vispa_green_jobs.catalogue.sa_cwola import exact, toy
    from vispa_green_jobs.shared.metrics import auc

    rng = np.random.default_rng(2)
    signal, background = toy.signal(200_000, rng), toy.background(toy.DATA_REGION, 200_000, rng)

    def aucs(fraction: float) -> dict[str, float]:
        return {name: auc(score(signal), score(background)) for name, score in exact.scores(fraction, 1.05).items()}

    found = aucs(IN_DATA)
    assert found["supervised"] == pytest.approx(0.9616, abs=0.002)
    assert found["optimal_cwola"] == pytest.approx(found["supervised"], abs=1e-9)
    score = exact.scores(IN_DATA, 1.05)["supervised"]
    cut = np.median(score(signal))
    assert 1 / (score(background) > cut).mean() == pytest.approx(66, rel=0.05)
    assert found["cwola"] < 0.15
    assert found["data_vs_sim"] < found["sa_cwola"] < found["salad"] < found["supervised"]
    without = aucs(0.0)
    assert without["cwola"] == pytest.approx(ndtr(-1.5 / np.sqrt(1.5)), abs=0.002)
    # SALAD keeps q_R's own error and what the sideband taught: x₀ by −0.05 too much, x₁ by 0.1 too little.
    shift, width = 0.1 * 1.5 - 0.05 * 1.5, np.hypot(0.05, 0.1) * np.sqrt(1.5)
    assert without["salad"] == pytest.approx(ndtr(shift / width), abs=0.002)
    assert found["sa_cwola"] > without["sa_cwola"] + 0.05


def test_the_control_has_the_same_background() -> None:
    from vispa_green_jobs.catalogue.sa_cwola import toy

    with_signal, without = (toy.generate(1000, signal, np.random.default_rng(6)) for signal in (30, 0))
    assert (with_signal.data_region[:1000] == without.data_region).all()
    assert len(with_signal.data_region) == 1030
    assert (with_signal.data_sideband == without.data_sideband).all()
    assert (with_signal.simulation_sideband == without.simulation_sideband).all()


@given(seed=st.integers(0, 2**32 - 1), swapped=st.floats(0.1, 3.0), at=st.floats(0.05, 0.95))
@settings(max_examples=40)
def test_no_other_score_has_a_smaller_loss_than_the_closed_form(seed: int, swapped: float, at: float) -> None:
    """SA-CWoLa at one point x: minimise −a ln f − b ln(1 − f) with a = p_R + λ q_S and b = p_S + λ q_R."""
    from vispa_green_jobs.catalogue.sa_cwola import exact, toy

    point = np.random.default_rng(seed).normal(0.5, 1, (1, 2))
    odds = float(exact.scores(0.0, swapped)["sa_cwola"](point)[0])
    as_signal = toy.density(toy.DATA_REGION, point) + swapped * toy.density(toy.SIMULATION_SIDEBAND, point)
    as_background = toy.density(toy.DATA_SIDEBAND, point) + swapped * toy.density(toy.SIMULATION_REGION, point)

    def loss(f: float) -> float:
        return float(-(as_signal * np.log(f) + as_background * np.log(1 - f))[0])

    assert loss(odds / (1 + odds)) <= loss(at) + 1e-12


def test_an_imperfect_simulation_cancels_most_of_the_shift() -> None:
    """Without a signal the ideal score is flat; what simulation gets wrong is left, the shift of CWoLa is not."""
    from vispa_green_jobs.catalogue.sa_cwola import exact

    points = np.random.default_rng(3).normal(0.5, 1, (1000, 2))
    spread = {name: float(np.std(np.log(score(points)))) for name, score in exact.scores(0.0, 1.0).items()}
    assert spread["optimal_cwola"] == pytest.approx(0, abs=1e-12)
    assert 0 < spread["sa_cwola"] < 0.12 * spread["cwola"]
    assert 0 < spread["salad"] < 0.12 * spread["cwola"]


def test_weights_make_the_four_samples_equal() -> None:
    from vispa_green_jobs.catalogue.sa_cwola.search import together

    columns, weights = together(np.zeros((50, 2)), np.ones((7, 2)), 1.05)
    assert weights[columns[:, 0] == 0].sum() == pytest.approx(1)
    assert weights[columns[:, 0] == 1].sum() == pytest.approx(1.05)


def test_the_curve_of_significance_is_that_of_the_metric() -> None:
    from vispa_green_jobs.catalogue.sa_cwola.plots import sic_curve
    from vispa_green_jobs.shared.metrics import largest_sic

    rng = np.random.default_rng(4)
    signal, background = rng.normal(1, 1, 5000), rng.normal(0, 1, 5000)
    efficiency, gain = sic_curve(signal, background, 60)
    assert gain.max() == largest_sic(signal, background, fewest_background=60)
    assert (np.diff(efficiency) >= 0).all()
    assert efficiency[-1] == pytest.approx(gain[-1])  # all background is kept


@pytest.mark.full
def test_a_quarter_of_the_smoke_run_already_finds_the_signal(jobs: Jobs, tmp_path: Path) -> None:
    """With a quarter of the sideband and simulation the 500 signal events are 4 % of the data: an easier search."""
    out = tmp_path / "run"
    changes = ["background_events=12500", "test_events=40000", "steps=250", "batch=2500", "learning_rate=2e-3"]
    done = jobs("run", "sa_cwola", "--seed", "1", "--out", str(out), *(f"--set={change}" for change in changes))
    assert done.returncode in {0, 3}, done.stderr
    found = json.loads((out / "metrics.json").read_text())["metrics"]
    assert found["auc_cwola"] < 0.3
    assert found["auc_sa_cwola"] > 0.7
    assert found["auc_salad"] > 0.72
    assert found["signal_gain_salad"] > 0.1
    assert found["signal_gain_sa_cwola"] > 0.05
    assert found["auc_supervised"] > 0.95
    assert found["auc_exact_supervised"] == pytest.approx(0.9616, abs=0.005)


@pytest.mark.full
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("seed", [11, 12])
def test_the_smoke_preset_meets_its_claims(jobs: Jobs, tmp_path: Path, seed: int) -> None:
    out = tmp_path / "run"
    done = jobs("run", "sa_cwola", "--seed", str(seed), "--out", str(out), timeout=1400)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
