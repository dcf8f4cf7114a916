"""What nobody can beat: the uncertainty of s from all events unbinned, by integration of the exact densities."""

from __future__ import annotations

import numpy as np

from vispa_green_jobs.catalogue.inferno import toy
from vispa_green_jobs.catalogue.inferno.toy import Array

PUBLISHED_BOUND = (14.71, 15.52, 15.65, 15.62, 16.89)
"""σ(s) of benchmarks 0 to 4, from the table of arXiv:1806.04743: the analytical likelihood."""
PUBLISHED_CROSS_ENTROPY = (14.99, 18.94, 23.94, 21.54, 26.71)
"""... a network trained with cross-entropy, ten bins."""
PUBLISHED_INFERNO = (15.51, 16.79, 16.95, 16.89, 18.68)
"""... INFERNO, each trained for the benchmark that it is judged in."""


def fisher_unbinned(plane_points: int = 80, depth_points: int = 40) -> Array:
    """Return F_ij = ∫ ∂_i f ∂_j f / f d³x of the extended likelihood, f = s p_s + b p_b (4 × 4, no constraints).

    Trapezia in x₀ and x₁, which converge exponentially for Gaussians, and Gauss–Legendre in u = exp(−x₂).
    """
    x0, x1 = np.linspace(-14, 18, plane_points), np.linspace(-18, 18, plane_points)
    nodes, node_weights = np.polynomial.legendre.leggauss(depth_points)
    u = (nodes + 1) / 2
    cell = (x0[1] - x0[0]) * (x1[1] - x1[0])
    points = np.stack(np.meshgrid(x0, x1, -np.log(u), indexing="ij"), axis=-1).reshape(-1, 3)
    weights = np.broadcast_to(cell * node_weights / 2 / u, (plane_points, plane_points, depth_points)).ravel()
    p_signal, p_background = toy.signal_density(points), toy.background_density(points)
    expected = toy.SIGNAL_YIELD * p_signal + toy.BACKGROUND_YIELD * p_background
    by_r, by_rate = toy.background_scores(points)
    moved = toy.BACKGROUND_YIELD * p_background
    gradient = np.stack([p_signal, moved * by_r, moved * by_rate, p_background])
    # Far out both densities are zero in double precision, and so is what they would contribute.
    share = np.divide(weights, expected, out=np.zeros_like(expected), where=expected > 0)
    matrix: Array = (gradient * share) @ gradient.T
    return matrix
