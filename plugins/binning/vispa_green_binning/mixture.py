"""Bins as the regions of a Gaussian mixture, learnt by gradient descent with annealed soft assignments.

The method is that of "Learning to bin" (arXiv:2601.07756): event x belongs to bin k with probability
``softmax_k(ln π_k + ln N(x; μ_k, Σ_k)) / T)``, yields and significance follow from these, and T falls until they are
hard; the final bin is the argmax. What is different here: events are cells (`cells.py`), and all gradients are exact
and written out in numpy. A mixture's logit is a quadratic form in x, so one step is two small matrix products;
an autodiff framework would be slower and 700 MB more. Only hard yields decide which step's mixture is kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vispa_green_binning.cells import Cells
from vispa_green_binning.sample import Floats, Labels, sums
from vispa_green_binning.significance import Objective, combined

STEPS = 250
RATE = 0.03
COLDEST = 0.03
"""Final temperature; soft and hard significance then agree to a few 1e-4."""
SAFETY = 1.05
"""While learning, limits are set stricter by this: a penalty is always violated a little."""


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """A Gaussian per bin: ``log_weights`` (bins,), ``means`` and ``log_scales`` (bins, dimensions), and ``lower``.

    The precision of a component is ``AᵀA`` with A lower triangular: diagonal ``exp(log_scales)``, below it ``lower``
    (bins, dimensions, dimensions; zero on and above the diagonal).
    """

    log_weights: Floats
    means: Floats
    log_scales: Floats
    lower: Floats

    @property
    def bins(self) -> int:
        """How many components there are."""
        return len(self.log_weights)

    def factors(self) -> Floats:
        """Return A (bins, dimensions, dimensions)."""
        return self.lower + np.exp(self.log_scales)[:, :, None] * np.eye(self.means.shape[1])

    def logits(self, points: Floats) -> Floats:
        """Return ``ln π + ln N`` (points, bins) up to a constant."""
        a = self.factors()
        precision = np.einsum("kij,kil->kjl", a, a)
        pull = np.einsum("kjl,kl->kj", precision, self.means)
        constant = self.log_weights + self.log_scales.sum(axis=1) - 0.5 * (pull * self.means).sum(axis=1)
        quadratic = precision.reshape(self.bins, -1)
        logits: Floats = points @ pull.T + constant - 0.5 * (_products(points) @ quadratic.T)
        return logits

    def labels(self, points: Floats) -> Labels:
        """Return the bin (points,) of each point."""
        labels: Labels = self.logits(points).argmax(axis=1)
        return labels

    def only(self, kept: Labels) -> Mixture:
        """Return the components ``kept``, in that order."""
        return Mixture(self.log_weights[kept], self.means[kept], self.log_scales[kept], self.lower[kept])

    def pulled_back(self, points: Floats, gradient: Floats, *, tied: bool) -> list[Floats]:
        """Return the gradient for the four parameters from that of the logits (points, bins).

        With ``tied``, scales are common to all components, which in 1-D makes every bin an interval.
        """
        dimensions = self.means.shape[1]
        total = gradient.sum(axis=0)
        first = gradient.T @ points
        second = (gradient.T @ _products(points)).reshape(self.bins, dimensions, dimensions)
        a = self.factors()
        centred = first - total[:, None] * self.means
        cross = first[:, :, None] * self.means[:, None, :]
        outer = self.means[:, :, None] * self.means[:, None, :]
        scatter = second - cross - cross.transpose(0, 2, 1) + total[:, None, None] * outer
        d_means = np.einsum("kij,kil,kl->kj", a, a, centred)
        d_factors = -np.einsum("kij,kjl->kil", a, scatter)
        d_scales = np.einsum("kii->ki", d_factors) * np.exp(self.log_scales) + total[:, None]
        if tied:
            d_scales = np.broadcast_to(d_scales.sum(axis=0), d_scales.shape)
        return [total, d_means, d_scales, np.tril(d_factors, -1)]


def start(cells: Cells, bins: int, seed: int) -> Mixture:
    """Return a mixture of equal round components at the centres of a weighted k-means (seeded as k-means++).

    In 1-D the k-means is stopped early, as it would make all starts alike, and components overlap more: with both,
    the worst of 30 single starts on the binary toy reaches 0.98 of the optimum (5 bins), else 0.93.
    """
    random = np.random.default_rng(seed)
    shares = np.abs(cells.signals / cells.signals.sum(axis=1, keepdims=True)).mean(axis=0)
    weights = 0.7 * shares + 0.3 * np.abs(cells.background) / np.abs(cells.background).sum()
    points, dimensions = cells.centres, cells.centres.shape[1]
    means = points[random.choice(len(points), 1, p=weights / weights.sum())]
    while len(means) < bins:
        pull = _squared_distance(points, means).min(axis=1) * weights + 1e-12
        means = np.vstack([means, points[random.choice(len(points), 1, p=pull / pull.sum())]])
    for _ in range(2 if dimensions == 1 else 8):
        labels = _squared_distance(points, means).argmin(axis=1)
        mass = sums(labels, weights, bins)[:, None]
        moved = np.stack([sums(labels, weights * column, bins) for column in points.T], axis=1)
        means = np.where(mass > 0, moved / np.maximum(mass, 1e-300), means)
    width = np.sqrt((weights @ _squared_distance(points, means).min(axis=1)) / weights.sum() / dimensions)
    overlap = 1.7 if dimensions == 1 else 1.0
    scales = np.full((bins, dimensions), -np.log(max(overlap * width, 1e-4)))
    return Mixture(np.zeros(bins), means, scales, np.zeros((bins, dimensions, dimensions)))


def learn(cells: Cells, begin: Mixture, objective: Objective, steps: int = STEPS) -> Mixture:
    """Return the best mixture met on the way from ``begin``, judged by its hard yields."""
    tied = begin.means.shape[1] == 1
    stricter = _stricter(objective)
    width = float(np.exp(-begin.log_scales.mean()))
    # steps in natural units: a component moves by a fraction of its width, its shape by a fraction of itself
    descent = Descent(begin, [1.0, width, 1.0, 1 / width])
    best, best_worth = begin, worth(cells, begin.labels(cells.centres), begin.bins, objective)
    for step in range(steps):
        cooling = 0.5 * (1 + np.cos(np.pi * step / steps))
        temperature = COLDEST + (1 - COLDEST) * cooling
        logits = descent.mixture.logits(cells.centres)
        # the hard yields of hot mixtures are rarely worth a look
        if step % 10 == 0 or step > 0.7 * steps:
            reached = worth(cells, logits.argmax(axis=1), begin.bins, objective)
            if reached > best_worth:
                best, best_worth = descent.mixture, reached
        gradient = soft_loss(cells, logits, temperature, stricter)[1]
        step_size = RATE * (0.05 + 0.95 * cooling)
        descent.step(descent.mixture.pulled_back(cells.centres, gradient, tied=tied), step_size)
    return best


def soft_loss(cells: Cells, logits: Floats, temperature: float, objective: Objective) -> tuple[float, Floats]:
    """Return the loss of soft assignments and its gradient for the logits (cells, bins)."""
    scaled = logits / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    shares = np.exp(scaled)
    shares /= shares.sum(axis=1, keepdims=True)
    yields = cells.yields @ shares
    value, d_signals, d_background, d_variance = objective.loss(yields[:-2], yields[-2], yields[-1])
    slopes = cells.yields.T @ np.vstack([d_signals, d_background, d_variance])
    return value, shares * (slopes - (shares * slopes).sum(axis=1, keepdims=True)) / temperature


def worth(cells: Cells, labels: Labels, bins: int, objective: Objective) -> tuple[bool, float]:
    """Return what is compared between binnings: within the limits first, then (penalised) significance."""
    signals, background, variance = cells.summed(labels, bins)
    missing = objective.shortfall(background, variance)
    return not missing.any(), combined(signals, background) * float(np.exp(-(missing**2).sum()))


class Descent:
    """Adam (Kingma, Ba, arXiv:1412.6980) on a mixture's parameters, each with its own unit of step."""

    def __init__(self, mixture: Mixture, units: list[float]) -> None:
        self.mixture = mixture
        self._units = units
        self._mean = [np.zeros_like(parameter) for parameter in _parameters(mixture)]
        self._square = [np.zeros_like(parameter) for parameter in _parameters(mixture)]
        self._steps = 0

    def step(self, gradient: list[Floats], rate: float) -> None:
        """Move against the gradient."""
        self._steps += 1
        moved = []
        for index, parameter in enumerate(_parameters(self.mixture)):
            self._mean[index] = 0.9 * self._mean[index] + 0.1 * gradient[index]
            self._square[index] = 0.99 * self._square[index] + 0.01 * gradient[index] ** 2
            mean = self._mean[index] / (1 - 0.9**self._steps)
            spread = np.sqrt(self._square[index] / (1 - 0.99**self._steps)) + 1e-12
            moved.append(parameter - rate * self._units[index] * mean / spread)
        self.mixture = Mixture(*moved)


def _parameters(mixture: Mixture) -> list[Floats]:
    return [mixture.log_weights, mixture.means, mixture.log_scales, mixture.lower]


def _stricter(objective: Objective) -> Objective:
    limit = objective.max_uncertainty
    return Objective(objective.min_background * SAFETY, None if limit is None else limit / SAFETY, objective.strength)


def _products(points: Floats) -> Floats:
    """Return all products of two coordinates as (points, dimensions²)."""
    products: Floats = (points[:, :, None] * points[:, None, :]).reshape(len(points), -1)
    return products


def _squared_distance(points: Floats, means: Floats) -> Floats:
    distance: Floats = ((points[:, None, :] - means) ** 2).sum(axis=2)
    return distance
