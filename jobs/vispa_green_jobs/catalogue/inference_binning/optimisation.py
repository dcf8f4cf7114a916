"""The work of the job: three trainings of one network and its edges, judged alike.

1. cross-entropy of signal against background, equidistant bins;
2. the same network, edges learnt: minimise σ_μ of the soft histogram;
3. network and edges together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from vispa_green_jobs.catalogue.inference_binning import toy
from vispa_green_jobs.catalogue.inference_binning.measurement import Templates, cls, sigma_mu, templates
from vispa_green_jobs.catalogue.inference_binning.plots import draw_templates
from vispa_green_jobs.context import RunContext
from vispa_green_jobs.shared import training
from vispa_green_jobs.shared.ratio import perceptron, weighted_cross_entropy
from vispa_green_jobs.shared.soft_histogram import edges_between

if TYPE_CHECKING:
    from vispa_green_jobs.catalogue.inference_binning import Settings


class Observable(nn.Module):
    """A score in (0, 1) and the edges of its bins."""

    def __init__(self, hidden: tuple[int, ...], bins: int) -> None:
        super().__init__()
        self.network = perceptron(2, hidden, 1)
        self.raw_edges = nn.Parameter(torch.zeros(bins))

    def score(self, points: Tensor) -> Tensor:
        """Return the score of each event."""
        return torch.sigmoid(self.network(points)[:, 0])

    def templates(self, samples: toy.Samples, bandwidth: float) -> Templates:
        """Return the expected events in each bin."""
        scores = {name: self.score(points) for name, points in samples.items()}
        return templates(scores, edges_between(self.raw_edges), bandwidth)


def run(settings: Settings, context: RunContext) -> Mapping[str, float]:
    """Train in three stages and judge each; see `vispa_green_jobs.catalogue.inference_binning.run`."""
    training.prepare(context)
    samples = toy.generate(settings.train_events, context.rng("training data"))
    unseen = toy.generate(settings.test_events, context.rng("test data"))
    training.seed_everything(context, "initial weights")
    observable = Observable(settings.hidden, settings.bins)
    context.say(f"training on {settings.train_events} events of each of {len(samples)} samples")

    judged: dict[str, Templates] = {}
    _classify(settings, context, observable, samples)
    judged["classifier"] = _hard(observable, unseen)
    _minimise(settings, context, observable, samples, "bins", settings.binning_steps)
    judged["bins"] = _hard(observable, unseen)
    _minimise(settings, context, observable, samples, "joint", settings.joint_steps)
    judged["joint"] = _hard(observable, unseen)
    context.pause_point()

    draw_templates(context.plot("templates"), judged)
    found = {f"sigma_mu_{name}": float(sigma_mu(expected)) for name, expected in judged.items()}
    found |= {f"cls_{name}": cls(expected) for name, expected in judged.items()}
    found["sigma_mu_ratio"] = found["sigma_mu_joint"] / found["sigma_mu_classifier"]
    found["sigma_mu_bins_gain"] = found["sigma_mu_classifier"] - found["sigma_mu_bins"]
    found["cls_ratio"] = found["cls_joint"] / found["cls_classifier"]
    return found


def _classify(settings: Settings, context: RunContext, observable: Observable, samples: toy.Samples) -> None:
    points = torch.cat([samples["signal"], samples["background"]])
    labels = torch.cat([torch.ones(len(samples["signal"])), torch.zeros(len(samples["background"]))])

    def loss(rows: Tensor) -> Tensor:
        logits = observable.network(points[rows])[:, 0]
        return weighted_cross_entropy(logits, labels[rows], torch.ones(len(rows)))

    schedule = training.Schedule(settings.classifier_steps, settings.batch, settings.learning_rate)
    training.fit(context, "classifier", observable, loss, len(points), schedule)


def _minimise(
    settings: Settings, context: RunContext, observable: Observable, samples: toy.Samples, stage: str, steps: int
) -> None:
    """Minimise σ_μ over the edges (stage ``bins``) or over everything, the bandwidth narrowing as it goes."""
    learnt = [observable.raw_edges] if stage == "bins" else list(observable.parameters())
    rate = settings.learning_rate * (10 if stage == "bins" else 1)
    optimiser = torch.optim.Adam(learnt, lr=rate)
    narrowing = settings.narrowest / settings.widest

    def step(number: int, rows: Tensor) -> float:
        bandwidth = settings.widest * narrowing ** (number / max(steps - 1, 1))
        optimiser.zero_grad(set_to_none=True)
        value = sigma_mu(observable.templates({name: points[rows] for name, points in samples.items()}, bandwidth))
        value.backward()
        nn.utils.clip_grad_norm_(learnt, 1.0)
        optimiser.step()
        return float(value.detach())

    parts = {"model": observable, "optimiser": optimiser}
    training.train(context, stage, parts, step, settings.train_events, steps=steps, batch=settings.batch)


def _hard(observable: Observable, samples: toy.Samples) -> Templates:
    with torch.no_grad():
        return observable.templates(samples, 0.0)
