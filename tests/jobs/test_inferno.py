"""inferno: the published table is that of our toy, derivatives are derivatives, and the network uses them."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="torch is not installed: run `deploy/setup.sh torch`")
Jobs = Callable[..., subprocess.CompletedProcess[str]]


def test_the_analytic_row_of_the_published_table() -> None:
    """Benchmarks 0 to 4: 14.71 15.52 15.65 15.62 16.89."""
    from vispa_green_jobs.catalogue.inferno.exact import PUBLISHED_BOUND, fisher_unbinned
    from vispa_green_jobs.catalogue.inferno.measurement import sigma_of
    from vispa_green_jobs.catalogue.inferno.toy import BENCHMARKS

    found = [sigma_of(fisher_unbinned(), benchmark) for benchmark in BENCHMARKS]
    assert found == pytest.approx(PUBLISHED_BOUND, rel=0.005)
    finer = [sigma_of(fisher_unbinned(110, 60), benchmark) for benchmark in BENCHMARKS]
    assert found == pytest.approx(finer, rel=1e-6)


def test_events_have_the_densities_that_the_bound_is_made_of() -> None:
    """F = n ⟨∂f ∂f / f²⟩ over generated events is the integral ∫ ∂f ∂f / f."""
    from vispa_green_jobs.catalogue.inferno import toy
    from vispa_green_jobs.catalogue.inferno.exact import fisher_unbinned

    rng, events = np.random.default_rng(1), 200_000
    signal_events = rng.binomial(events, toy.SIGNAL_YIELD / (toy.SIGNAL_YIELD + toy.BACKGROUND_YIELD))
    points = np.vstack(
        [toy.signal(signal_events, rng), toy.background(toy.background_units(events - signal_events, rng))]
    )
    p_signal, p_background = toy.signal_density(points), toy.background_density(points)
    expected = toy.SIGNAL_YIELD * p_signal + toy.BACKGROUND_YIELD * p_background
    moved = toy.BACKGROUND_YIELD * p_background
    gradient = np.stack([p_signal, *(moved * score for score in toy.background_scores(points)), p_background])
    relative = gradient / expected
    sampled = (toy.SIGNAL_YIELD + toy.BACKGROUND_YIELD) / events * relative @ relative.T
    exact = fisher_unbinned()
    scale = np.sqrt(np.outer(np.diag(exact), np.diag(exact)))
    assert sampled / scale == pytest.approx(exact / scale, abs=0.02)


def test_the_best_classifier_has_the_published_uncertainties() -> None:
    """Ten equal bins of p_s/(p_s + p_b): the paper has 14.97 19.12 24.93 22.13 27.98, so better training of a
    classifier cannot help."""
    from vispa_green_jobs.catalogue.inferno import toy
    from vispa_green_jobs.catalogue.inferno.measurement import Bins, hard_expectation

    rng = np.random.default_rng(2)
    signal = toy.signal(400_000, rng)
    background = toy.background(toy.background_units(400_000, rng))

    def bins(points: toy.Array) -> Bins:
        p_signal = toy.signal_density(points)
        return np.floor(10 * p_signal / (p_signal + toy.background_density(points))).astype(np.intp)

    expected = hard_expectation(bins(signal), bins(background), background, 10)
    found = [expected.sigma(benchmark) for benchmark in toy.BENCHMARKS]
    assert found == pytest.approx([14.97, 19.12, 24.93, 22.13, 27.98], rel=0.02)


def test_hard_bins_move_as_shifted_events_say() -> None:
    """Derivatives by scores against the difference of the same events at r ± 0.2 and λ ± 0.2."""
    from vispa_green_jobs.catalogue.inferno import toy
    from vispa_green_jobs.catalogue.inferno.measurement import hard_expectation

    rng = np.random.default_rng(3)
    units = toy.background_units(400_000, rng)
    signal, nominal = toy.signal(1000, rng), toy.background(units)

    def bins(points: toy.Array) -> Any:  # noqa: ANN401 - an array of bin numbers
        return (points[:, 0] > 1.5).astype(np.intp) + 2 * (points[:, 2] > 0.3)

    def counts(r: float, rate: float) -> Any:  # noqa: ANN401 - counts of four bins
        return toy.BACKGROUND_YIELD * np.bincount(bins(toy.background(units, r, rate)), minlength=4) / len(units)

    jacobian = hard_expectation(bins(signal), bins(nominal), nominal, 4).jacobian.numpy()
    rate = toy.BACKGROUND_RATE
    assert jacobian[:, 1] == pytest.approx((counts(0.2, rate) - counts(-0.2, rate)) / 0.4, abs=2.0)
    assert jacobian[:, 2] == pytest.approx((counts(0, rate + 0.2) - counts(0, rate - 0.2)) / 0.4, abs=2.0)
    assert np.abs(jacobian[:, 1:3]).min() > 10


def test_the_loss_and_its_gradient_are_those_of_finite_differences() -> None:
    """Forward mode by r and λ inside, reverse mode by the weights outside; everything in double precision."""
    from vispa_green_jobs.catalogue.inferno import toy
    from vispa_green_jobs.catalogue.inferno.optimisation import soft_expectation

    torch.manual_seed(4)
    rng = np.random.default_rng(4)
    network = torch.nn.Sequential(torch.nn.Linear(3, 6), torch.nn.Tanh(), torch.nn.Linear(6, 4)).double()
    signal, units = torch.from_numpy(toy.signal(300, rng)), torch.from_numpy(toy.background_units(300, rng))

    def background(r: float, rate: float) -> Any:  # noqa: ANN401 - a tensor
        points = torch.from_numpy(toy.background(units.numpy(), r, rate))
        return toy.BACKGROUND_YIELD * torch.softmax(network(points) / 0.5, dim=1).mean(0)

    expected, rate, step = soft_expectation(network, signal, units, 0.5), toy.BACKGROUND_RATE, 1e-5
    by_r = (background(step, rate) - background(-step, rate)) / (2 * step)
    by_rate = (background(0, rate + step) - background(0, rate - step)) / (2 * step)
    assert torch.allclose(expected.jacobian[:, 1], by_r, atol=1e-4)
    assert torch.allclose(expected.jacobian[:, 2], by_rate, atol=1e-4)

    weight = network[0].weight
    expected.variance(toy.BENCHMARKS[2]).log().backward()
    slope = float(weight.grad[2, 1])
    values = []
    for sign in (1, -1):
        with torch.no_grad():
            weight[2, 1] += sign * step
            values.append(float(soft_expectation(network, signal, units, 0.5).variance(toy.BENCHMARKS[2]).log()))
            weight[2, 1] -= sign * step
    assert slope == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-4)
    assert abs(slope) > 1e-3


def test_one_bin_is_counting() -> None:
    """σ(s)² = s + b, and more by the square of 100 when b is known to 100 only."""
    from vispa_green_jobs.catalogue.inferno.measurement import hard_expectation
    from vispa_green_jobs.catalogue.inferno.toy import BENCHMARKS, Benchmark, background, background_units

    points = background(background_units(50, np.random.default_rng(5)))
    zeros = np.zeros(50, dtype=np.intp)
    expected = hard_expectation(zeros, zeros, points, 1)
    assert expected.sigma(BENCHMARKS[0]) == pytest.approx(math.sqrt(1050))
    fixed = 1e-9  # r and λ as good as known
    assert expected.sigma(Benchmark((fixed, fixed, 100.0))) == pytest.approx(math.sqrt(1050 + 100**2))


@given(seed=st.integers(0, 2**32 - 1), bins=st.integers(6, 12))
@settings(max_examples=60)
def test_laws_of_information(seed: int, bins: int) -> None:
    """Merging bins loses; fitting more parameters costs; knowing them beforehand helps; empty bins do not matter."""
    from vispa_green_jobs.catalogue.inferno import toy
    from vispa_green_jobs.catalogue.inferno.measurement import hard_expectation

    rng = np.random.default_rng(seed)
    signal, points = rng.integers(0, bins, 200), toy.background(toy.background_units(400, rng))
    background = rng.integers(0, bins, 400)
    fine = hard_expectation(signal, background, points, bins)
    merged = hard_expectation(signal // 2, background // 2, points, bins)
    for benchmark in toy.BENCHMARKS:
        assert merged.sigma(benchmark) >= fine.sigma(benchmark) * (1 - 1e-9)
        assert hard_expectation(signal, background, points, bins + 3).sigma(benchmark) == fine.sigma(benchmark)
    sigmas = [fine.sigma(benchmark) for benchmark in toy.BENCHMARKS]
    assert sigmas[0] <= sigmas[1] * (1 + 1e-9) <= sigmas[2] * (1 + 1e-8)
    assert sigmas[3] <= sigmas[2] * (1 + 1e-9)
    assert sigmas[3] <= sigmas[4] * (1 + 1e-9)


@pytest.mark.full
def test_a_quarter_of_the_smoke_run_already_measures_better(jobs: Jobs, tmp_path: Path) -> None:
    out = tmp_path / "run"
    changes = ["train_events=25000", "test_events=100000", "batch=1000", "classifier_steps=150", "inferno_steps=300"]
    done = jobs("run", "inferno", "--seed", "1", "--out", str(out), *(f"--set={change}" for change in changes))
    assert done.returncode in {0, 3}, done.stderr
    found = json.loads((out / "metrics.json").read_text())["metrics"]
    assert found["bound_deviation"] < 0.005
    assert 14.7 < found["sigma_ce_b0"] < 15.6
    assert found["sigma_inferno2_b2"] < 18.5
    assert found["ratio_b2"] < 0.82
    assert found["smallest_above_bound"] > -0.1


@pytest.mark.full
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("seed", [11, 12])
def test_the_smoke_preset_meets_its_claims(jobs: Jobs, tmp_path: Path, seed: int) -> None:
    out = tmp_path / "run"
    done = jobs("run", "inferno", "--seed", str(seed), "--out", str(out), timeout=1400)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
