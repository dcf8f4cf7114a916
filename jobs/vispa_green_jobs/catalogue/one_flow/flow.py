"""A conditional neural spline flow by coupling (Durkan et al., arXiv:1906.04032), small enough to read.

log p(x | c) = log N(f(x; c); 0, 1) + log |det ∂f/∂x|, where f is a chain of couplings: each moves some
coordinates by monotonic rational-quadratic splines whose knots a network computes from the other
coordinates and the condition c. Beyond ±`BOUND` a spline is the identity.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations, pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

BOUND = 6.0
MIN_WIDTH = 1e-3
MIN_SLOPE = 1e-3


class SplineFlow(nn.Module):
    """f: (x, c) → z and its inverse; every coupling moves half of the coordinates, in all pairings in turn."""

    def __init__(self, features: int, conditions: int, transforms: int, hidden: Sequence[int], bins: int) -> None:
        super().__init__()
        halves = _halves(features)
        self.couplings = nn.ModuleList(
            Coupling(features, conditions, halves[number % len(halves)], hidden, bins) for number in range(transforms)
        )

    def forward(self, x: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Return z = f(x; c) and log |det ∂f/∂x| of each event."""
        log_det = torch.zeros_like(x[:, 0])
        for coupling in self.couplings:
            x, added = coupling(x, condition)
            log_det = log_det + added
        return x, log_det

    def inverse(self, z: Tensor, condition: Tensor) -> Tensor:
        """Return x with f(x; c) = z."""
        for coupling in reversed(self.couplings):
            z, _ = coupling(z, condition, inverse=True)
        return z

    def log_prob(self, x: Tensor, condition: Tensor) -> Tensor:
        """Return log p(x | c) of each event."""
        z, log_det = self(x, condition)
        return log_det - 0.5 * z.square().sum(1) - 0.5 * z.shape[1] * math.log(2 * math.pi)


class Coupling(nn.Module):
    """Moves the coordinates ``moved`` by splines that depend on the others and on the condition."""

    def __init__(
        self, features: int, conditions: int, moved: Sequence[int], hidden: Sequence[int], bins: int
    ) -> None:
        super().__init__()
        self.moved, self.bins = list(moved), bins
        self.kept = [index for index in range(features) if index not in self.moved]
        sizes = [len(self.kept) + conditions, *hidden]
        layers: list[nn.Module] = []
        for before, after in pairwise(sizes):
            layers += [nn.Linear(before, after), nn.SiLU()]
        last = nn.Linear(sizes[-1], len(self.moved) * (3 * bins - 1))
        nn.init.zeros_(last.weight)  # the flow starts as the identity ...
        nn.init.zeros_(last.bias)
        self.network = nn.Sequential(*layers, last)

    def forward(self, x: Tensor, condition: Tensor, *, inverse: bool = False) -> tuple[Tensor, Tensor]:
        """Return the moved coordinates in their places, and the log-determinant of each event."""
        parameters = self.network(torch.cat([x[:, self.kept], condition], 1))
        knots = parameters.view(len(x), len(self.moved), 3 * self.bins - 1)
        moved, log_slope = spline(x[:, self.moved], knots, self.bins, inverse=inverse)
        y = x.clone()
        y[:, self.moved] = moved
        return y, log_slope.sum(1)


def spline(x: Tensor, knots: Tensor, bins: int, *, inverse: bool) -> tuple[Tensor, Tensor]:
    """Return y(x) and log dy/dx of a monotonic rational-quadratic spline with identity tails.

    With s = Δy/Δx of a bin, ξ = (x − x_k)/Δx and slopes d_k at the knots (arXiv:1906.04032, eqs. 4 to 8):
    y = y_k + Δy (s ξ² + d_k ξ(1−ξ)) / (s + (d_{k+1} + d_k − 2s) ξ(1−ξ)).
    """
    x_edges, x_widths = _edges(knots[..., :bins])
    y_edges, y_widths = _edges(knots[..., bins : 2 * bins])
    # ... because softplus of this offset plus the minimum is a slope of 1, as in the tails.
    offset = math.log(math.expm1(1 - MIN_SLOPE))
    slopes = functional.pad(MIN_SLOPE + functional.softplus(knots[..., 2 * bins :] + offset), (1, 1), value=1.0)
    inside = x.abs() < BOUND
    clamped = x.clamp(-BOUND, BOUND)
    searched = y_edges if inverse else x_edges
    index = (torch.searchsorted(searched.detach(), clamped[..., None], right=True) - 1).clamp(0, bins - 1)

    def at(values: Tensor, shift: int = 0) -> Tensor:
        return values.gather(-1, index + shift)[..., 0]

    x0, y0, dx, dy, d0, d1 = at(x_edges), at(y_edges), at(x_widths), at(y_widths), at(slopes), at(slopes, 1)
    s = dy / dx
    curve = d0 + d1 - 2 * s
    xi = _solve(clamped - y0, dy, s, d0, curve) if inverse else (clamped - x0) / dx
    mixed = xi * (1 - xi)
    denominator = s + curve * mixed
    log_slope = 2 * s.log() + (d1 * xi**2 + 2 * s * mixed + d0 * (1 - xi) ** 2).log() - 2 * denominator.log()
    result = x0 + xi * dx if inverse else y0 + dy * (s * xi**2 + d0 * mixed) / denominator
    log_slope = -log_slope if inverse else log_slope
    return torch.where(inside, result, x), torch.where(inside, log_slope, torch.zeros_like(x))


def _solve(above: Tensor, dy: Tensor, s: Tensor, d0: Tensor, curve: Tensor) -> Tensor:
    """Return ξ from y − y_k: the root of a ξ² + b ξ + c in [0, 1], in the form that never cancels."""
    a = dy * (s - d0) + above * curve
    b = dy * d0 - above * curve
    c = -s * above
    return (2 * c / (-b - (b**2 - 4 * a * c).clamp(min=0).sqrt())).clamp(0, 1)


def _edges(raw: Tensor) -> tuple[Tensor, Tensor]:
    """Return the knots from −BOUND to BOUND and the widths between them."""
    bins = raw.shape[-1]
    shares = MIN_WIDTH + (1 - MIN_WIDTH * bins) * functional.softmax(raw, -1)
    edges = functional.pad(shares.cumsum(-1), (1, 0)) * (2 * BOUND) - BOUND
    return edges, edges.diff(dim=-1)


def _halves(features: int) -> list[tuple[int, ...]]:
    """Return every half of the coordinates, each followed by its complement."""
    if features < 2:
        raise ValueError(f"a coupling needs at least two features, not {features}")
    first = [half for half in combinations(range(features), features // 2) if 0 in half]
    return [turn for half in first for turn in (half, tuple(i for i in range(features) if i not in half))]
