"""The two toys of "Learning to bin" (arXiv:2601.07756, figures and parameters as in its public examples).

Three-dimensional Gaussians with common covariance (1, off-diagonal 0.2), five of them background; each coordinate is
then smeared by a factor N(1, 0.3). The classifier is the exact likelihood of the unsmeared densities, so nothing is
trained and nothing can be overtrained. Yields are those of 100/fb: 26000 background, 50 (and 10) signal events.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vispa_green_binning.sample import Floats, Sample

LUMINOSITY_PER_FB = 100.0
COVARIANCE = 0.8 * np.eye(3) + 0.2
SMEARING = 0.3
BACKGROUND_MEANS = ((-0.5, -0.5, 1.0), (0.5, -0.5, 0.8), (0.5, 0.5, -0.6), (-0.5, 1.0, -0.4), (-0.5, 0.5, -0.2))
BACKGROUND_FB = np.array([100.0, 80.0, 50.0, 20.0, 10.0])


@dataclass(frozen=True, slots=True)
class SignalSpec:
    """A signal's mean in the three coordinates and its cross-section."""

    mean: tuple[float, float, float]
    cross_section_fb: float


@dataclass(frozen=True, slots=True, eq=False)
class Toy:
    """Samples ready for `learn_bins`."""

    signals: dict[str, Sample]
    background: Sample


SEPARABLE = (SignalSpec((1.5, -1.0, -1.0), 0.5), SignalSpec((-1.0, 1.5, -1.0), 0.1))
LIMITED = (SignalSpec((1.2, 0.3, -1.0), 0.5), SignalSpec((0.3, 1.2, -1.0), 0.5))
"""Signals that resemble each other: here argmax throws away most."""


def binary(seed: int, n_signal: int = 100_000, n_background: int = 300_000) -> Toy:
    """Return one signal over background with one score, ``p_s / (p_s + p_b)``."""
    return _toy(seed, SEPARABLE[:1], n_signal, n_background)


def three_class(seed: int, *, limited: bool = False, n_signal: int = 100_000, n_background: int = 500_000) -> Toy:
    """Return two signals over background with two scores, the softmax outputs of the signals.

    ``limited`` takes signals of limited separability (our choice of parameters; the paper's are not published).
    """
    return _toy(seed, LIMITED if limited else SEPARABLE, n_signal, n_background)


def _toy(seed: int, specs: tuple[SignalSpec, ...], n_signal: int, n_background: int) -> Toy:
    random = np.random.default_rng(seed)
    signals = {}
    for index, spec in enumerate(specs, start=1):
        points = _draw(random, spec.mean, n_signal)
        weight = spec.cross_section_fb * LUMINOSITY_PER_FB / n_signal
        signals[f"signal{index}" if len(specs) > 1 else "signal"] = Sample.of((_scores(points, specs), weight))
    counts = np.round(n_background * BACKGROUND_FB / BACKGROUND_FB.sum()).astype(int)
    points = np.concatenate([_draw(random, mean, n) for mean, n in zip(BACKGROUND_MEANS, counts, strict=True)])
    weights = np.repeat(BACKGROUND_FB * LUMINOSITY_PER_FB / counts, counts)
    return Toy(signals, Sample.of((_scores(points, specs), weights)))


def _draw(random: np.random.Generator, mean: tuple[float, float, float], count: int) -> Floats:
    points = random.multivariate_normal(mean, COVARIANCE, count)
    return points * random.normal(1.0, SMEARING, points.shape)


def _scores(points: Floats, specs: tuple[SignalSpec, ...]) -> Floats:
    """Return the signals' posterior (events, signals) for equal priors of all classes."""
    shares = BACKGROUND_FB / BACKGROUND_FB.sum()
    background = shares @ np.stack([_density(points, mean) for mean in BACKGROUND_MEANS])
    densities = np.column_stack([*(_density(points, spec.mean) for spec in specs), background])
    posterior: Floats = (densities / densities.sum(axis=1, keepdims=True))[:, :-1]
    return posterior


def _density(points: Floats, mean: tuple[float, float, float]) -> Floats:
    """Return the Gaussian density (events,), without the norm that all classes share."""
    shifted = points - np.array(mean)
    density: Floats = np.exp(-0.5 * ((shifted @ np.linalg.inv(COVARIANCE)) * shifted).sum(axis=1))
    return density
