"""The ratio of two densities by a weighted classifier: the one machine under many unfolding and anomaly methods.

A network s(x) that minimises the weighted cross-entropy of numerator (label 1) against denominator (label 0),
both normalised to the same total weight, approaches s(x) = log p₁(x)/p₀(x) (Cranmer, Pavez & Louppe,
arXiv:1506.02169). Negative weights are allowed: that subtracts (arXiv:2105.04448, §3).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from vispa_green_jobs.context import RunContext
from vispa_green_jobs.shared.training import Schedule, fit, seed_everything

Array = npt.NDArray[np.float64]

USUAL = Schedule(steps=1000, batch=4096, learning_rate=3e-3)


@dataclass(frozen=True, slots=True)
class Classifier:
    """The size of a network and how long it learns; several of them are averaged in log p₁/p₀."""

    hidden: tuple[int, ...] = (50, 50, 50)
    networks: int = 1
    schedule: Schedule = USUAL
    largest_log: float = 10.0
    """|log p₁/p₀| is cut here, so that no single event carries everything."""


class DensityRatio:
    """log p₁(x)/p₀(x), learnt from two weighted samples."""

    def __init__(self, features: int, classifier: Classifier) -> None:
        self._classifier, self._features = classifier, features
        self._mean, self._width = torch.zeros(features), torch.ones(features)
        self._log_yields = 0.0
        self._networks: list[nn.Module] = []

    def fit(
        self,
        context: RunContext,
        stage: str,
        numerator: Array,
        denominator: Array,
        numerator_w: Array | None = None,
        denominator_w: Array | None = None,
    ) -> list[float]:
        """Learn from two samples (rows are events); return the losses of the last network."""
        first, second = _tensor(numerator), _tensor(denominator)
        weights = [_weights(numerator, numerator_w), _weights(denominator, denominator_w)]
        self._log_yields = float(torch.log(weights[0].sum() / weights[1].sum()))
        # Normalised classes: the logit is then the ratio of densities, not of event numbers.
        normalised = torch.cat([w / w.sum() for w in weights]) * (len(first) + len(second)) / 2
        columns = torch.cat([first, second])
        self._mean, self._width = columns.mean(0), columns.std(0).clamp(min=1e-12)
        columns = self._scaled(columns)
        labels = torch.cat([torch.ones(len(first)), torch.zeros(len(second))])
        self._networks, losses = [], []
        for number in range(self._classifier.networks):
            seed_everything(context, f"{stage}: network {number}")
            network = perceptron(self._features, self._classifier.hidden, 1)

            def loss(rows: Tensor, network: nn.Module = network) -> Tensor:
                return weighted_cross_entropy(network(columns[rows])[:, 0], labels[rows], normalised[rows])

            losses = fit(context, f"{stage}-{number}", network, loss, len(columns), self._classifier.schedule)
            self._networks.append(network)
        return losses

    def log_ratio(self, columns: Array) -> Array:
        """Return log p₁(x)/p₀(x) of the two normalised densities."""
        with torch.no_grad():
            scaled = self._scaled(_tensor(columns))
            mean = torch.stack([network(scaled)[:, 0] for network in self._networks]).mean(0)
        limit = self._classifier.largest_log
        result: Array = mean.clamp(-limit, limit).double().numpy()
        return result

    def weights(self, columns: Array) -> Array:
        """Return p₁/p₀ times the ratio of the total weights: what turns the denominator into the numerator."""
        turned: Array = np.exp(self.log_ratio(columns) + self._log_yields)
        return turned

    def _scaled(self, columns: Tensor) -> Tensor:
        return (columns - self._mean) / self._width


def perceptron(features: int, hidden: tuple[int, ...], outputs: int) -> nn.Sequential:
    """Return dense layers with ReLU between them."""
    layers: list[nn.Module] = []
    for before, after in pairwise((features, *hidden)):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(hidden[-1] if hidden else features, outputs))


def weighted_cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Return mean of w·[softplus(s) − y·s]; weights may be negative."""
    return (weights * (functional.softplus(logits) - labels * logits)).mean()


def _tensor(columns: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(columns, dtype=np.float32))


def _weights(columns: Array, weights: Array | None) -> Tensor:
    chosen = torch.ones(len(columns)) if weights is None else torch.from_numpy(weights.astype(np.float32))
    if chosen.sum() <= 0:
        raise ValueError(f"the weights of a sample sum to {float(chosen.sum()):g}; a density needs a positive sum")
    return chosen
