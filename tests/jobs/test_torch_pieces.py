"""Shared pieces that need torch, against closed forms."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np
import pytest
from vispa_green_jobs.context import RunContext

if TYPE_CHECKING:
    from vispa_green.model import Instant

SKIPPED = "torch is not installed: run `deploy/setup.sh torch`"


@pytest.fixture(autouse=True)
def _torch() -> None:
    pytest.importorskip("torch", reason=SKIPPED)


def test_a_hard_histogram_is_the_usual_one() -> None:
    import torch
    from vispa_green_jobs.shared.soft_histogram import soft_counts

    values, weights = torch.rand(1000, dtype=torch.float64), torch.rand(1000, dtype=torch.float64)
    edges = torch.tensor([0.2, 0.5, 0.9], dtype=torch.float64)
    usual = np.histogram(values.numpy(), [-1, 0.2, 0.5, 0.9, 2], weights=weights.numpy())[0]
    assert soft_counts(values, edges, 0.0, weights).numpy() == pytest.approx(usual)
    assert soft_counts(values, edges, 1e-6, weights).numpy() == pytest.approx(usual, rel=1e-3)


def test_a_soft_histogram_is_a_gaussian_convolution_that_loses_nothing() -> None:
    import torch
    from vispa_green_jobs.shared.soft_histogram import soft_counts

    edges = torch.tensor([0.0, 1.0], dtype=torch.float64)
    counts = soft_counts(torch.zeros(1, dtype=torch.float64), edges, 0.5)
    assert counts.tolist() == pytest.approx([0.5, 0.4772499, 0.0227501], abs=1e-6)
    assert float(soft_counts(torch.randn(99, dtype=torch.float64), edges, 0.3).sum()) == pytest.approx(99)


def test_edges_are_ordered_and_equal_parameters_are_equidistant() -> None:
    import torch
    from vispa_green_jobs.shared.soft_histogram import edges_between

    assert edges_between(torch.zeros(4)).tolist() == pytest.approx([0.25, 0.5, 0.75])
    drawn = edges_between(torch.randn(9), -1, 3)
    assert bool((drawn.diff() > 0).all())
    assert -1 < float(drawn[0]) < float(drawn[-1]) < 3


def test_fisher_of_a_counting_experiment() -> None:
    """μs + b in one bin: σ_μ = √(s+b)/s; with b known to σ_b: √(s + b + σ_b²)/s."""
    import torch
    from vispa_green_jobs.shared.soft_histogram import fisher_matrix, profiled_variance

    s, b, width = 20.0, 100.0, 15.0
    counts = torch.tensor([s + b], dtype=torch.float64)
    jacobian = torch.tensor([[s, width]], dtype=torch.float64)
    free = fisher_matrix(counts, jacobian[:, :1], torch.tensor([torch.inf]))
    assert float(profiled_variance(free)) == pytest.approx((s + b) / s**2)
    both = fisher_matrix(counts, jacobian, torch.tensor([torch.inf, 1.0]))
    assert sqrt(float(profiled_variance(both))) == pytest.approx(sqrt(s + b + width**2) / s)
    with pytest.raises(ValueError, match="expects no events"):
        fisher_matrix(counts * 0, jacobian, torch.ones(2))


def test_density_ratio_of_gaussians(context: RunContext) -> None:
    """log N(x; δ, 1)/N(x; 0, 1) = δx − δ²/2, and the weights carry the ratio of the totals."""
    from vispa_green_jobs.shared.ratio import Classifier, DensityRatio
    from vispa_green_jobs.shared.training import Schedule

    rng, delta = np.random.default_rng(7), 0.8
    first, second = rng.normal(delta, 1, (40_000, 1)), rng.normal(0, 1, (40_000, 1))
    ratio = DensityRatio(1, Classifier((32, 32), 1, Schedule(steps=400, batch=4096, learning_rate=5e-3)))
    ratio.fit(context, "ratio", first, second, numerator_w=np.full(len(first), 2.0))
    at = np.linspace(-1.5, 2.3, 20)[:, None]
    exact = delta * at[:, 0] - delta**2 / 2
    assert ratio.log_ratio(at) == pytest.approx(exact, abs=0.12)
    weights = ratio.weights(second)
    assert weights.sum() == pytest.approx(2 * len(first), rel=0.02)
    assert np.average(second[:, 0], weights=weights) == pytest.approx(delta, abs=0.03)
    assert np.average(second[:, 0] ** 2, weights=weights) == pytest.approx(1 + delta**2, abs=0.08)


def test_negative_weights_subtract(context: RunContext) -> None:
    """Data plus background, minus background with weight −1, over data: the ratio is 1 everywhere."""
    from vispa_green_jobs.shared.ratio import Classifier, DensityRatio
    from vispa_green_jobs.shared.training import Schedule

    rng = np.random.default_rng(8)
    data, background, mc = rng.normal(0, 1, 30_000), rng.normal(1, 0.5, 6000), rng.normal(1, 0.5, 6000)
    numerator = np.concatenate([data, background, mc])[:, None]
    weights = np.concatenate([np.ones(36_000), -np.ones(6000)])
    ratio = DensityRatio(1, Classifier((32, 32), 1, Schedule(steps=300, batch=4096, learning_rate=5e-3)))
    ratio.fit(context, "subtraction", numerator, rng.normal(0, 1, (30_000, 1)), weights)
    assert ratio.log_ratio(np.linspace(-1.5, 1.5, 9)[:, None]) == pytest.approx(np.zeros(9), abs=0.12)


def test_a_finished_stage_is_read_and_nothing_else(context: RunContext) -> None:
    """Not a step, not a look at the clock, not a write: a run of many stages resumes at once."""
    import torch
    from vispa_green_jobs.shared.training import Schedule, fit

    network = torch.nn.Linear(1, 1)
    points = torch.linspace(-1, 1, 20)[:, None]

    def loss(rows: torch.Tensor) -> torch.Tensor:
        return network(points[rows]).square().mean()

    losses = fit(context, "stage", network, loss, 20, Schedule(steps=3, batch=10))
    written, weights = context.checkpoint("stage").stat(), network.weight.detach().clone()
    with torch.no_grad():
        network.weight.zero_()

    def no_clock() -> Instant:
        raise AssertionError

    again = fit(replace(context, now=no_clock), "stage", network, loss, 20, Schedule(steps=3, batch=10))
    assert again == losses
    assert torch.equal(network.weight, weights)
    assert context.checkpoint("stage").stat().st_ino == written.st_ino
    assert context.steps_done == 3
