"""Histograms that gradients pass through, and what a binned measurement could know (its Fisher matrix).

An event at x counts in a bin [e_k, e_{k+1}) with Φ((e_{k+1} − x)/h) − Φ((e_k − x)/h), a Gaussian kernel of
bandwidth h (neos, arXiv:2203.05570). The outer bins are open, so no event is lost. With h → 0 it is the
usual histogram: judge with that one, never with the soft one.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.special import ndtr


def soft_counts(values: Tensor, inner_edges: Tensor, bandwidth: float, weights: Tensor | None = None) -> Tensor:
    """Return the sum of weights in each of ``len(inner_edges) + 1`` bins; ``bandwidth`` 0 is a hard histogram."""
    distance = inner_edges[None, :] - values[:, None]
    below = ndtr(distance / bandwidth) if bandwidth > 0 else (distance > 0).to(values.dtype)
    ends = torch.nn.functional.pad(torch.nn.functional.pad(below, (1, 0), value=0.0), (0, 1), value=1.0)
    inside = ends.diff(dim=1)
    return inside.sum(0) if weights is None else (weights[:, None] * inside).sum(0)


def edges_between(raw: Tensor, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Return ordered inner edges in (low, high) from free parameters: running sums of a softmax.

    ``n`` parameters make ``n`` bins; equal ones make equidistant edges.
    """
    return low + (high - low) * raw.softmax(0).cumsum(0)[:-1]


def fisher_matrix(counts: Tensor, jacobian: Tensor, constraint_widths: Tensor) -> Tensor:
    """Return F_ij = Σ_b (∂n_b/∂i)(∂n_b/∂j)/n_b + δ_ij/σ_i² of independent Poisson bins (Asimov).

    ``jacobian`` is bins × parameters; a parameter without a constraint has width infinity.
    """
    if bool((counts <= 0).any()):
        raise ValueError("a bin expects no events: merge it, or its information is infinite")
    return jacobian.T @ (jacobian / counts[:, None]) + torch.diag(constraint_widths.to(jacobian.dtype) ** -2)


def profiled_variance(fisher: Tensor, parameter: int = 0) -> Tensor:
    """Return (F⁻¹)_pp: the variance of one parameter when all others are fitted too (Cramér & Rao)."""
    unit = torch.zeros(len(fisher), dtype=fisher.dtype)
    unit[parameter] = 1.0
    return torch.linalg.solve(fisher, unit)[parameter]
