"""omnifold: the closed form is Bayes' theorem, the algorithm follows it with perfect ratios, and with networks."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="torch is not installed: run `deploy/setup.sh torch`")
pytest.importorskip("scipy", reason="scipy is not installed: run `deploy/setup.sh torch`")
Jobs = Callable[..., subprocess.CompletedProcess[str]]
Array = Any
"""Of NumPy; the jobs' own alias would import their work here."""

BINS = np.concatenate([[-np.inf], np.linspace(-4, 4, 101), [np.inf]])


def learn_by_bins(
    stage: str,
    numerator: Array,
    denominator: Array,
    numerator_w: Array | None = None,
    denominator_w: Array | None = None,
) -> Callable[[Array], Array]:
    """Take the ratio of two histograms: what a network would learn from so many events, without one."""
    above, below = (
        np.histogram(points[:, 0], BINS, weights=weights)[0]
        for points, weights in ((numerator, numerator_w), (denominator, denominator_w))
    )
    ratio = np.divide(above, below, out=np.zeros(len(BINS) - 1), where=below > 0)
    return lambda points: ratio[np.digitize(points[:, 0], BINS[1:-1])]


def unfolded(lost: float, fakes: float, iterations: int) -> list[tuple[float, float]]:
    """Return mean and width of the toy after each iteration by histograms."""
    from vispa_green_jobs.catalogue.omnifold.judging import moments
    from vispa_green_jobs.catalogue.omnifold.toy import Detector, Gaussian, generate
    from vispa_green_jobs.catalogue.omnifold.unfolding import unfold

    rng, detector = np.random.default_rng(3), Detector(0.5, lost, fakes)
    simulation = generate(Gaussian(0, 1), detector, 400_000, 1, rng)
    data = generate(Gaussian(0.2, 0.8), detector, 400_000, 1, rng)
    weightings = unfold(simulation, data.measured[data.is_seen], None, iterations, learn_by_bins)
    points = simulation.truth[simulation.has_truth]
    assert weightings[-1](points).mean() == pytest.approx(1, abs=0.01)
    return [(float(mean[0]), float(width[0])) for mean, width in (moments(points, w(points)) for w in weightings)]


def test_the_closed_form_of_the_published_toy() -> None:
    from vispa_green_jobs.catalogue.omnifold.toy import Gaussian, iterated

    found = [(one.mean, one.width) for one in iterated(Gaussian(0, 1), Gaussian(0.2, 0.8), 0.5, 4)]
    expected = [(0, 1), (0.160, 0.877), (0.190, 0.834), (0.197, 0.816), (0.199, 0.808)]
    assert np.array(found) == pytest.approx(np.array(expected), abs=6e-4)


@given(
    means=st.tuples(st.floats(-1, 1), st.floats(-1, 1)),
    widths=st.tuples(st.floats(0.5, 1.5), st.floats(0.5, 1.5)),
    smearing=st.floats(0.2, 1.0),
)
@settings(max_examples=25)
def test_the_closed_form_is_bayes_theorem(
    means: tuple[float, float], widths: tuple[float, float], smearing: float
) -> None:
    """p'(t) = ∫ p(t|d) p_data(d) dd on a grid."""
    from vispa_green_jobs.catalogue.omnifold.toy import Gaussian, iterated

    prior, truth = (Gaussian(*pair) for pair in zip(means, widths, strict=True))
    t = d = np.linspace(-10, 10, 501)

    def density(x: Array, shape: Gaussian) -> Array:
        return np.exp(-0.5 * ((x - shape.mean) / shape.width) ** 2)

    joint = density(t, prior)[:, None] * density(t[:, None] - d, Gaussian(0, smearing))
    measured = density(d, truth.smeared(smearing))
    moved = (joint / joint.sum(axis=0)) @ measured
    mean = np.average(t, weights=moved)
    width = np.sqrt(np.average((t - mean) ** 2, weights=moved))
    after = iterated(prior, truth, smearing, 1)[1]
    assert (mean, width) == pytest.approx((after.mean, after.width), abs=1e-4)


@pytest.mark.parametrize(("lost", "fakes"), [(0.0, 0.0), (0.3, 0.0), (0.0, 0.3), (0.2, 0.2)])
def test_with_perfect_ratios_every_iteration_is_the_closed_form(lost: float, fakes: float) -> None:
    """Also with many lost events and fakes; three tenths of fakes left at the prior would give a mean of 0.25."""
    from vispa_green_jobs.catalogue.omnifold.toy import Gaussian, iterated

    expected = iterated(Gaussian(0, 1), Gaussian(0.2, 0.8), 0.5, 4)[1:]
    found = unfolded(lost, fakes, 4)
    assert np.array(found) == pytest.approx(np.array([(one.mean, one.width) for one in expected]), abs=0.01)


def test_an_efficiency_that_depends_on_the_truth_is_divided_out() -> None:
    from dataclasses import replace

    from vispa_green_jobs.catalogue.omnifold.judging import moments
    from vispa_green_jobs.catalogue.omnifold.toy import Detector, Gaussian, Sample, generate
    from vispa_green_jobs.catalogue.omnifold.unfolding import unfold

    rng = np.random.default_rng(5)

    def seen(sample: Sample) -> Sample:
        efficiency = 1 / (1 + np.exp(-1.5 * sample.truth[:, 0] - 1))
        return replace(sample, is_seen=rng.random(len(efficiency)) < efficiency)

    simulation, data = (
        seen(generate(shape, Detector(0.5), 400_000, 1, rng)) for shape in (Gaussian(0, 1), Gaussian(0.2, 0.8))
    )
    measured = data.measured[data.is_seen]
    assert measured.mean() > 0.35
    weights = unfold(simulation, measured, None, 6, learn_by_bins)[-1](simulation.truth)
    mean, width = moments(simulation.truth, weights)
    assert (mean[0], width[0]) == pytest.approx((0.2, 0.8), abs=0.02)
    assert weights.mean() == pytest.approx(1, abs=0.01)


def test_background_is_subtracted_without_bins_of_the_data() -> None:
    from vispa_green_jobs.catalogue.omnifold.judging import noise_deviation
    from vispa_green_jobs.catalogue.omnifold.toy import Gaussian
    from vispa_green_jobs.catalogue.omnifold.unfolding import subtract

    rng, shape = np.random.default_rng(6), Gaussian(0.2, 0.9)
    signal = shape.draw(200_000, 1, rng)
    data = np.concatenate([signal, Gaussian(0, 1.2).draw(40_000, 1, rng)])
    simulated = Gaussian(0, 1.2).draw(400_000, 1, rng)
    weights = subtract(data, simulated, np.full(len(simulated), 0.1), learn_by_bins)(data)
    assert weights.sum() == pytest.approx(200_000, rel=1e-6)
    assert noise_deviation(data, np.ones(len(data)), shape, 200_000) == pytest.approx(0.2, abs=0.01)
    assert noise_deviation(data, weights, shape, 200_000) < 0.015


@pytest.mark.full
def test_a_quarter_of_the_smoke_run_already_follows_the_closed_form(jobs: Jobs, tmp_path: Path) -> None:
    out = tmp_path / "run"
    changes = ["events=25000", "test_events=50000", "iterations=3", "steps=150", "batch=4096"]
    done = jobs("run", "omnifold", "--seed", "1", "--out", str(out), *(f"--set={change}" for change in changes))
    assert done.returncode in {0, 3}, done.stderr
    found = json.loads((out / "metrics.json").read_text())["metrics"]
    for variant in ("", "full_"):
        assert found[f"{variant}largest_mean_deviation"] < 0.05
        assert found[f"{variant}largest_width_deviation"] < 0.05
        assert found[f"{variant}triangular_3"] < 0.15 * found[f"{variant}triangular_0"]
        assert found[f"{variant}yield_deviation"] < 0.06
    assert found["noise_deviation"] < 0.5 * found["noise_deviation_before"]
