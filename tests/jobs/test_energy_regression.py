"""energy_regression: the likelihood's minimum is the estimate itself, the toys are what they say, the bias goes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="torch is not installed: run `deploy/setup.sh torch`")
Jobs = Callable[..., subprocess.CompletedProcess[str]]
LOW, HIGH = 0.0, 10.0


def slope_at(estimate: float, truth: np.ndarray, density: np.ndarray, sigma: np.ndarray) -> float:
    """Return the derivative by ŷ of the expected loss, for truths of this (unnormalised) density."""
    from vispa_green_jobs.catalogue.energy_regression.likelihood import truncated

    found = torch.full((len(truth),), estimate, dtype=torch.float64, requires_grad=True)
    losses = truncated(found, torch.from_numpy(truth), torch.from_numpy(sigma), LOW, HIGH)
    (torch.from_numpy(density / density.sum()) * losses).sum().backward()
    return float(found.grad.sum())


@given(sigma=st.floats(0.2, 2.0), beyond=st.floats(-7.0, 2.0))
def test_with_a_constant_width_the_minimum_is_the_estimate_also_beyond_the_ends(sigma: float, beyond: float) -> None:
    measured = HIGH + beyond * sigma
    truth = np.linspace(LOW, HIGH, 20001)
    density = np.exp(-((measured - truth) ** 2) / (2 * sigma**2))
    density[[0, -1]] /= 2
    assert slope_at(measured, truth, density, np.full_like(truth, sigma)) * sigma == pytest.approx(0, abs=1e-3)
    # ... and no other point is: it rises away from there.
    assert slope_at(measured - 0.1 * sigma, truth, density, np.full_like(truth, sigma)) < 0
    assert slope_at(measured + 0.1 * sigma, truth, density, np.full_like(truth, sigma)) > 0


@pytest.mark.parametrize("width", [lambda y: 0.36 * np.sqrt(y), lambda y: 0.05 * y + 0.1])
def test_with_a_width_that_grows_the_minimum_is_the_estimate_and_the_mean_is_not(
    width: Callable[[np.ndarray], np.ndarray],
) -> None:
    """The mean of y is higher by 2σσ' = c² for σ = c √y; what is weighted with 1/σ² is exact."""
    measured, truth = 5.0, np.linspace(1e-3, HIGH, 40001)
    sigma = width(truth)
    density = np.exp(-(((measured - truth) / sigma) ** 2) / 2) / sigma
    assert slope_at(measured, truth, density, sigma) == pytest.approx(0, abs=2e-3)
    mean = (truth * density).sum() / density.sum()
    growth = float(width(np.array([measured + 1e-3]))[0] - width(np.array([measured]))[0]) / 1e-3
    assert mean - measured == pytest.approx(2 * float(width(np.array([measured]))[0]) * growth, rel=0.1)


@given(estimate=st.floats(-300, 300), sigma=st.floats(0.05, 3.0))
def test_the_density_is_normalised_and_has_gradients_wherever_the_estimate_is(estimate: float, sigma: float) -> None:
    from vispa_green_jobs.catalogue.energy_regression.likelihood import truncated

    found = torch.tensor([estimate], dtype=torch.float64, requires_grad=True)
    truth = torch.tensor([4.0], dtype=torch.float64)
    loss = truncated(found, truth, torch.tensor([sigma], dtype=torch.float64), LOW, HIGH).sum()
    loss.backward()
    assert bool(torch.isfinite(loss)) and bool(torch.isfinite(found.grad).all())
    if abs(estimate) < 20 and sigma > 0.5:
        at = torch.linspace(LOW, HIGH, 20001, dtype=torch.float64)
        density = torch.exp(-truncated(found.detach(), at, torch.full_like(at, sigma), LOW, HIGH) / 2)
        assert float(torch.trapezoid(density, at)) == pytest.approx(np.sqrt(2 * np.pi), rel=1e-3)


def test_the_loss_is_the_thesis_formula_where_that_can_be_computed() -> None:
    from vispa_green_jobs.catalogue.energy_regression.likelihood import truncated

    y, found = torch.tensor([1.0, 5.0, 9.7]), torch.tensor([1.4, 4.0, 10.3])
    sigma = 0.32 * torch.sqrt(y)
    ends = torch.erf((found - LOW) / (2**0.5 * sigma)) - torch.erf((found - HIGH) / (2**0.5 * sigma))
    thesis = ((y - found) / sigma) ** 2 + torch.log(torch.pi * sigma**2 / 2 * ends**2)
    ours = truncated(found, y, sigma, LOW, HIGH)
    assert torch.allclose(ours + np.log(2 * np.pi), thesis, atol=1e-5)


def test_a_falling_spectrum_counts_as_a_flat_one() -> None:
    from vispa_green_jobs.catalogue.energy_regression.likelihood import Bins

    bins = Bins(30.0, 150.0, 4)
    truth = torch.tensor([31.0] * 90 + [70.0] * 9 + [140.0])
    losses = torch.tensor([1.0] * 90 + [2.0] * 9 + [6.0])
    assert float(bins.mean_over(losses, truth)) == pytest.approx(3.0)  # one bin of the four is empty


def test_the_width_is_found_from_its_values() -> None:
    from vispa_green_jobs.catalogue.energy_regression.likelihood import Width

    truth = np.linspace(30, 150, 20)
    width = Width.fit(truth, 0.5 * np.sqrt(truth) + 0.04 * truth + 1.5)
    assert (width.root, width.linear, width.constant) == pytest.approx((0.5, 0.04, 1.5))


def test_a_line_fitted_the_other_way_round_would_be_biased() -> None:
    from vispa_green_jobs.catalogue.energy_regression.calorimeter import BINS
    from vispa_green_jobs.catalogue.energy_regression.judging import Line, Response

    rng = np.random.default_rng(1)
    truth = rng.uniform(0, 10, 100_000)
    signal = 24 * (truth + 0.36 * np.sqrt(truth) * rng.standard_normal(len(truth)))
    right = Response.of(Line.fit(signal, truth).inverted(signal), truth, BINS)
    slope, offset = np.polyfit(signal, truth, 1)
    wrong = Response.of(float(slope) * signal + float(offset), truth, BINS)
    assert np.abs(right.bias).max() < 0.06
    assert wrong.bias[-1] < -0.25
    assert right.root_resolution(2, 8) == pytest.approx(0.36, rel=0.01)


def test_a_bent_response_has_a_width_as_if_it_were_straight() -> None:
    from vispa_green_jobs.catalogue.energy_regression.judging import Response
    from vispa_green_jobs.catalogue.energy_regression.likelihood import Bins

    rng = np.random.default_rng(2)
    truth = rng.uniform(0, 10, 200_000)
    bent = 5 + 0.5 * (truth + rng.normal(0, 1.0, len(truth)) - 5)
    found = Response.of(bent, truth, Bins(0, 10, 10))
    # 0.144: half of what the bin's own width of 1 contributes, as the response is half of one
    assert found.unbent_width == pytest.approx(np.hypot(0.5, 0.5 / np.sqrt(12)) / 0.5, rel=0.05)


@pytest.mark.parametrize("shift", [0, 1, 3])
def test_augmentation_turns_mirrors_and_shifts(shift: int) -> None:
    from vispa_green_jobs.catalogue.energy_regression.augmentation import Augmentation

    augmentation = Augmentation(8, shift)
    assert len(augmentation) == 8 * (2 * shift + 1) ** 2
    image = torch.zeros(1, 17, 8, 8)
    image[0, :, 3, 4], image[0, 5, 3, 3], image[0, 6, 4, 4] = torch.arange(17) + 1.0, 40.0, 50.0
    images = image.expand(len(augmentation), -1, -1, -1)
    turned = augmentation.apply(images, torch.arange(len(augmentation)))
    assert torch.equal(turned[0], image[0])
    assert len({tuple(one.flatten().tolist()) for one in turned}) == len(augmentation)
    assert torch.equal(turned.sum((2, 3)), images.sum((2, 3)))  # every layer keeps its traces
    if shift == 0:
        expected = [torch.rot90(start, k, (1, 2)) for start in (image[0], image[0].mT) for k in range(4)]
        assert all(any(torch.equal(one, other) for other in expected) for one in turned)


def test_what_is_shifted_out_is_lost_and_without_augmentation_nothing_is() -> None:
    from vispa_green_jobs.catalogue.energy_regression.augmentation import Augmentation

    image = torch.ones(400, 2, 8, 8)
    left = set(Augmentation(8, 1)(image).sum((1, 2, 3)).tolist())
    assert left == {2.0 * 64, 2.0 * 56, 2.0 * 49}
    images = torch.rand(5, 17, 8, 8)
    assert torch.equal(Augmentation(8, None)(images), images)


def test_showers_have_24_traces_a_gev_and_resolve_as_in_the_thesis() -> None:
    from vispa_green_jobs.catalogue.energy_regression import showers
    from vispa_green_jobs.catalogue.energy_regression.calorimeter import BINS
    from vispa_green_jobs.catalogue.energy_regression.judging import Line, Response

    rng = np.random.default_rng(3)
    energy = showers.energies(15_000, rng)
    images = showers.images(energy, rng)
    assert images.shape == (15_000, 17, 8, 8)
    traces = images.sum((1, 2, 3)).astype(float)
    line = Line.fit(traces, energy)
    # 2 % of the tail lies beside the calorimeter.
    assert (line.slope, line.offset) == pytest.approx((0.98 * 24, 0), abs=0.4)
    found = Response.of(line.inverted(traces), energy, BINS)
    assert found.root_resolution(2, 8) == pytest.approx(0.36, abs=0.015)
    across = images.sum((0, 1), dtype=float)
    # Round, within five standard deviations of clusters of five traces, and in the middle.
    assert (np.abs(across - across.T) < 5 * np.sqrt(2 * 9 * across)).all()
    assert across[3:5, 3:5].sum() > 0.8 * across.sum()
    assert images.sum((0, 2, 3)).argmax() in {1, 2}


def test_a_late_and_wide_shower_is_less_well_known() -> None:
    from vispa_green_jobs.catalogue.energy_regression.showers import mean_cluster

    depth, core, tail = np.array([0.0, 14.0]), np.zeros(2, dtype=bool), np.ones(2, dtype=bool)
    assert mean_cluster(depth, core) == pytest.approx([1, 2])
    assert mean_cluster(depth, tail) == pytest.approx([5, 6])


def test_jets_fall_in_number_and_are_sums_of_what_is_seen() -> None:
    from vispa_green_jobs.catalogue.energy_regression import jets

    made = jets.generate(20_000, np.random.default_rng(4))
    truth = made.truth.double().numpy()
    # N(> p) of a density like p⁻²
    for at in (50.0, 75.0, 120.0):
        assert np.mean(truth > at) == pytest.approx((1 / at - 1 / 150) / (1 / 30 - 1 / 150), abs=0.012)
    momentum = made.particles[:, :, 1] * 20 * made.present
    assert torch.allclose(momentum.sum(1), made.sum_gev, rtol=1e-3)  # no more than 32 particles, or nearly so
    assert bool((momentum[:, 1:] <= momentum[:, :-1] + 1e-5).all())
    by_kind = (made.particles[:, :, 6:] * momentum[..., None]).sum(1).double().numpy()
    untracked = by_kind[:, 0] == 0
    assert untracked.mean() == pytest.approx(0.3, abs=0.02)
    seen = by_kind[~untracked].sum(0)
    # 0.60, 0.27, 0.13 as produced; tracks and soft hadrons are lost, pile-up is neutral.
    assert seen / seen.sum() == pytest.approx([0.51, 0.32, 0.17], abs=0.02)


@given(seed=st.integers(0, 2**32))
def test_neither_order_nor_padding_matters_to_a_particle_flow_network(seed: int) -> None:
    from vispa_green_jobs.catalogue.energy_regression.networks import ParticleFlow

    generator = torch.Generator().manual_seed(seed)
    network = ParticleFlow(4, (8, 6), (8,), 100.0).double()
    particles = torch.randn(3, 7, 4, generator=generator, dtype=torch.float64)
    present = (torch.rand(3, 7, generator=generator) < 0.7).double()
    order = torch.randperm(7, generator=generator)
    noise = torch.randn(particles.shape, generator=generator, dtype=torch.float64)
    filled = torch.where(present[..., None] > 0, particles, noise)
    for found, other in zip(network(particles, present), network(filled[:, order], present[:, order]), strict=True):
        assert torch.allclose(found, other)


def test_a_course_says_how_restless_it_is() -> None:
    from vispa_green_jobs.catalogue.energy_regression.pivot import Course

    course = Course(np.array([-0.5, 0.5, -9.0, 0.0]), np.array([0.5, 0.7, 9.0, 0.3]))
    assert (course.swing_gev, course.usual_bias_gev) == (9.5, 0.6)


@pytest.mark.full
def test_a_quarter_of_the_smoke_run_is_biased_and_then_is_not(jobs: Jobs, tmp_path: Path) -> None:
    out = tmp_path / "run"
    changes = ["train_events=20000", "test_events=20000", "mse_steps=250", "likelihood_steps=250", "few_steps=60"]
    changes += ["few_events=1000", "pivot_turns=6", "pivot_turn_steps=5", "pivot_watched=1000", "train_jets=15000"]
    changes += ["test_jets=15000", "jet_mse_steps=200", "jet_first_steps=120", "jet_second_steps=120"]
    words = [f"--set={change}" for change in changes]
    done = jobs("run", "energy_regression", "--seed", "1", "--out", str(out), *words)
    assert done.returncode in {0, 3}, done.stderr
    found = json.loads((out / "metrics.json").read_text())["metrics"]
    assert found["mse_last_bin_bias_gev"] < -0.3
    assert found["likelihood_largest_bias_gev"] < 0.25
    assert found["resolution_ratio"] < 1.0
    assert found["linear_largest_bias_gev"] < 0.15
    assert found["jet_second_edge_reduction"] > 1.5
    assert found["jet_resolution_ratio"] < 1.0


@pytest.mark.full
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("seed", [11, 12])
def test_the_smoke_preset_meets_its_claims(jobs: Jobs, tmp_path: Path, seed: int) -> None:
    out = tmp_path / "run"
    done = jobs("run", "energy_regression", "--seed", str(seed), "--out", str(out), timeout=1400)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
