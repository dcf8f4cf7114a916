"""Metrics against what is known exactly."""

from __future__ import annotations

from math import erf, sqrt

import numpy as np
import pytest
from vispa_green_jobs.shared import metrics

RNG = np.random.default_rng(1)


def phi(x: float) -> float:
    return (1 + erf(x / sqrt(2))) / 2


def test_auc_of_two_gaussians() -> None:
    """AUC = Φ(Δ/√2) for unit Gaussians Δ apart."""
    assert metrics.auc(RNG.normal(1, 1, 200_000), RNG.normal(0, 1, 200_000)) == pytest.approx(
        phi(1 / sqrt(2)), abs=0.003
    )


def test_auc_counts_ties_half_and_weights_as_copies() -> None:
    assert metrics.auc(np.array([1.0, 2.0]), np.array([1.0, 2.0])) == 0.5
    copied = metrics.auc(np.array([1.0, 3, 3]), np.array([0.0, 2, 2, 2]))
    weighted = metrics.auc(np.array([1.0, 3]), np.array([0.0, 2]), np.array([1.0, 2]), np.array([1.0, 3]))
    assert weighted == pytest.approx(copied)


def test_ks_of_shifted_gaussians_and_of_weights() -> None:
    """sup |Φ(x) − Φ(x − Δ)| = 2Φ(Δ/2) − 1; weighting a sample to the other's density removes it."""
    first, second = RNG.normal(0.5, 1, 200_000), RNG.normal(0, 1, 200_000)
    assert metrics.kolmogorov_smirnov(first, second) == pytest.approx(2 * phi(0.25) - 1, abs=0.005)
    turned = np.exp(0.5 * second - 0.125)
    assert metrics.kolmogorov_smirnov(first, second, None, turned) < 0.006


def test_correlations_and_effective_events() -> None:
    wanted = np.array([[1, 0.6], [0.6, 1]])
    drawn = RNG.multivariate_normal([0, 3], wanted, 200_000)
    assert metrics.correlations(drawn) == pytest.approx(wanted, abs=0.01)
    assert metrics.largest_correlation_difference(drawn, drawn * 3 + 1) == pytest.approx(0, abs=1e-12)
    assert metrics.effective_events(np.ones(7)) == 7
    assert metrics.effective_events(np.array([1.0, 0, 0])) == 1


def test_the_divergence_of_equal_and_disjoint_histograms() -> None:
    p, q = np.array([1.0, 3, 0]), np.array([0.0, 0, 5])
    assert metrics.triangular_discriminator(p, 2 * p) == 0
    assert metrics.triangular_discriminator(p, q) == pytest.approx(1)


def test_sic_has_a_floor_of_background() -> None:
    """Without separation it is √(highest efficiency) = 1; with perfect separation the floor limits it."""
    background = RNG.random(10_000)
    assert metrics.largest_sic(background, background) == pytest.approx(1, abs=0.02)
    assert metrics.largest_sic(background + 2, background) == pytest.approx(sqrt(10_000 / 50))
    with pytest.raises(ValueError, match="fewer than the floor"):
        metrics.largest_sic(background, background[:10])
