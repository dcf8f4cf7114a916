"""The physics-inspired toy of arXiv:2403.18582: two detectors' worth of photons, four shower-like variables each.

Kinematics pT, η, N are known; v1A, v2A are smooth, v1B, v2B (as isolation sums) are zero or lie beyond a
threshold. "Data" and "simulation" differ in every parameter below and in how the variables are correlated.

Numbers: the public definition of the authors' toy (JaLuka98/OneFlowPublic), as collected in our
reference; the code is our own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

KINEMATICS = ("pT", "eta", "N")
VARIABLES = ("v1A", "v2A", "v1B", "v2B")
DISCONTINUOUS = (2, 3)
"""Which of `VARIABLES` are exactly zero for a part of the events."""


@dataclass(frozen=True, slots=True)
class Smooth:
    """v ~ Normal(mean − mean_slope·η, max(width − width_slope·pT + 0.1·N, 0.1))."""

    mean: float
    mean_slope: float
    width: float
    width_slope: float

    def draw(self, kinematics: Array, rng: np.random.Generator) -> Array:
        """Draw one value per event."""
        pt, eta, n = kinematics.T
        width = np.maximum(self.width - self.width_slope * pt + 0.1 * n, 0.1)
        drawn: Array = rng.normal(self.mean - self.mean_slope * eta, width)
        return drawn


@dataclass(frozen=True, slots=True)
class Gapped:
    """v = 0 with probability zero + zero_slope·pT − 0.1·N, else threshold + Exp(scale + scale_slope·η + 0.2·N)."""

    zero: float
    zero_slope: float
    threshold: float
    scale: float
    scale_slope: float

    def draw(self, kinematics: Array, rng: np.random.Generator) -> Array:
        """Draw one value per event."""
        pt, eta, n = kinematics.T
        is_zero = rng.random(len(pt)) < np.clip(self.zero + self.zero_slope * pt - 0.1 * n, 0, 1)
        tail = self.threshold + rng.exponential(self.scale + self.scale_slope * eta + 0.2 * n)
        return np.where(is_zero, 0.0, tail)


@dataclass(frozen=True, slots=True)
class Detector:
    """All parameters of one of the two samples."""

    pt_scale: float
    eta_smear: float
    variables: tuple[Smooth | Gapped, ...]
    upper_triangle: tuple[tuple[float, ...], ...]
    """Wanted correlations in the order pT, η, N, v1A, v2A, v1B, v2B, from the diagonal to the right."""
    lower_exceptions: tuple[tuple[int, int, float], ...] = ()
    """Where the published matrix is not symmetric: (row, column, value) below the diagonal."""


DATA = Detector(
    pt_scale=1.00,
    eta_smear=0.25,
    variables=(
        Smooth(-0.5, 0.2, 0.8, 0.1),
        Smooth(0.5, 0.1, 1.0, 0.2),
        Gapped(0.3, 0.1, 0.8, 1.0, 0.3),
        Gapped(0.4, 0.05, 0.9, 1.3, 0.2),
    ),
    upper_triangle=(
        (1, -0.3, -0.2, 0.2, 0.4, -0.2, -0.5),
        (1, 0.5, 0.1, 0.3, 0.3, 0.7),
        (1, 0.1, -0.1, 0.4, 0.6),
        (1, 0.6, -0.2, 0.2),
        (1, 0.3, -0.3),
        (1, 0.8),
        (1,),
    ),
    lower_exceptions=((3, 1, 0.3),),
)
SIMULATION = Detector(
    pt_scale=0.95,
    eta_smear=0.20,
    variables=(
        Smooth(-0.6, 0.25, 0.7, 0.15),
        Smooth(0.6, 0.05, 1.1, 0.15),
        Gapped(0.5, 0.15, 0.5, 1.1, 0.35),
        Gapped(0.3, 0.1, 0.8, 1.1, 0.15),
    ),
    upper_triangle=(
        (1, -0.4, -0.3, 0.3, 0.3, -0.2, -0.65),
        (1, 0.4, 0.1, 0.25, 0.2, 0.8),
        (0, 0.2, -0.2, 0.3, 0.5),
        (1, 0.5, -0.2, 0.3),
        (1, 0.3, -0.2),
        (1, 0.6),
        (1,),
    ),
)


@dataclass(frozen=True, slots=True)
class Sample:
    """Events: ``kinematics`` (n × 3) and ``variables`` (n × 4), in the order of the names above."""

    kinematics: Array
    variables: Array

    @property
    def all_columns(self) -> Array:
        """Kinematics and variables side by side (n × 7)."""
        return np.hstack([self.kinematics, self.variables])


def generate(detector: Detector, events: int, rng: np.random.Generator) -> Sample:
    """Draw a sample; about 1 s for 100 000 events."""
    pt = rng.exponential(detector.pt_scale, events)
    eta = np.abs(rng.uniform(-2, 2, events) * rng.normal(1, detector.eta_smear, events))
    kinematics = np.stack([pt, eta, rng.uniform(0, 3, events)], axis=1)
    columns = np.column_stack([kinematics, *(v.draw(kinematics, rng) for v in detector.variables)])
    # Ranks need an order: zeros become distinct tiny numbers and are restored afterwards.
    columns = np.where(columns == 0, rng.uniform(1e-6, 2e-6, columns.shape), columns)
    correlated = with_correlations(columns, target_correlations(detector))
    for column in (len(KINEMATICS) + index for index in DISCONTINUOUS):
        correlated[correlated[:, column] < 3e-6, column] = 0
    return Sample(correlated[:, :3], correlated[:, 3:])


def target_correlations(detector: Detector) -> Array:
    """Return the wanted matrix, made positive: negative eigenvalues become the mean of the positive ones.

    The published matrices have one (data) and two (simulation) negative eigenvalues, so what the toy
    has in the end differs from what its files say; we repeat that on purpose, with the same `eig`.
    """
    size = len(detector.upper_triangle)
    wanted = np.zeros((size, size))
    for row, values in enumerate(detector.upper_triangle):
        wanted[row, row:] = values
        wanted[row:, row] = values
    for row, column, value in detector.lower_exceptions:
        wanted[row, column] = value
    eigenvalues, vectors = np.linalg.eig(wanted)
    eigenvalues, vectors = np.real(eigenvalues), np.real(vectors)
    eigenvalues[eigenvalues < 0] = eigenvalues[eigenvalues > 0].mean()
    positive: Array = vectors @ np.diag(eigenvalues) @ vectors.T
    np.fill_diagonal(positive, 1.0)
    return (positive + positive.T) / 2


def with_correlations(columns: Array, target: Array) -> Array:
    """Reorder each column so that its normal scores have the ``target`` correlations (Iman & Conover 1982)."""
    from scipy.special import ndtri

    events = len(columns)
    scores = ndtri((columns.argsort(axis=0).argsort(axis=0) + 1) / (events + 1))
    present = np.linalg.cholesky(np.corrcoef(scores.T))
    mixing = np.linalg.cholesky(target) @ np.linalg.inv(present)
    ranks = (scores @ mixing.T).argsort(axis=0).argsort(axis=0)
    reordered: Array = np.take_along_axis(np.sort(columns, axis=0), ranks, axis=0)
    return reordered
