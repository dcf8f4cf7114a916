"""The work of the job: a classifier by cross-entropy, inference-aware networks, and one judge for all."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from vispa_green_jobs.catalogue.inferno import toy
from vispa_green_jobs.catalogue.inferno.exact import PUBLISHED_BOUND, fisher_unbinned
from vispa_green_jobs.catalogue.inferno.measurement import Bins, Expectation, hard_expectation, sigma_of
from vispa_green_jobs.catalogue.inferno.toy import BENCHMARKS, Array, Benchmark
from vispa_green_jobs.context import RunContext
from vispa_green_jobs.shared import training
from vispa_green_jobs.shared.ratio import perceptron, weighted_cross_entropy

if TYPE_CHECKING:
    from vispa_green_jobs.catalogue.inferno import Settings

FEWEST = 1e-3
"""Expected events that a soft bin is given at least, so that an empty one has no infinite information."""
AT_ONCE = 50_000
"""Events whose bins are computed together when judging."""

Binning = Callable[[Tensor], Tensor]
"""Events (rows) to the number of the bin of each."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Signal events, and what background events are made of."""

    signal: Tensor
    units: Tensor

    @classmethod
    def draw(cls, events: int, rng: np.random.Generator) -> Sample:
        """Draw so many of each."""
        return cls(_tensor(toy.signal(events, rng)), _tensor(toy.background_units(events, rng)))


def run(settings: Settings, context: RunContext) -> Mapping[str, float]:
    """Train and judge; see `vispa_green_jobs.catalogue.inferno.run`."""
    from vispa_green_jobs.catalogue.inferno.plots import draw_measurement, draw_regions

    training.prepare(context)
    sample = Sample.draw(settings.train_events, context.rng("training data"))
    matrix = fisher_unbinned()
    bounds = [sigma_of(matrix, benchmark) for benchmark in BENCHMARKS]
    context.say("the best that is possible: σ(s) = " + ", ".join(f"{bound:.2f}" for bound in bounds))

    binnings = {"ce": _classify(settings, context, sample)}
    for number in settings.trained_for:
        binnings[f"inferno{number}"] = _optimise(settings, context, sample, number)
    judged = {}
    for name, binning in binnings.items():
        context.pause_point()
        judged[name] = judge(binning, settings, context)
    sigmas = {name: [found.sigma(benchmark) for benchmark in BENCHMARKS] for name, found in judged.items()}
    draw_measurement(context.plot("measurement"), judged, sigmas, bounds)
    draw_regions(context.plot("regions"), binnings, settings.bins)
    return _metrics(sigmas, bounds)


def soft_expectation(network: nn.Module, signal: Tensor, units: Tensor, temperature: float) -> Expectation:
    """Return what is expected in soft bins, differentiable by the network's weights.

    An event counts in bin k with softmax(network(x)/temperature)_k. Derivatives by r and λ are carried forward
    through the network along with the events (forward mode), both at once.
    """

    def fractions(points: Tensor) -> Tensor:
        return torch.softmax(network(points) / temperature, dim=1).double().mean(0)

    def moved(nuisances: Tensor) -> tuple[Tensor, Tensor]:
        x0 = toy.BACKGROUND_X0 + nuisances[0] + toy.BACKGROUND_WIDTHS[0] * units[:, 0]
        points = torch.stack([x0, toy.BACKGROUND_WIDTHS[1] * units[:, 1], units[:, 2] / nuisances[1]], dim=1)
        found = fractions(points)
        return found, found

    _load_forward_mode()
    nominal = torch.tensor([0.0, toy.BACKGROUND_RATE])
    by_nuisance, background = torch.func.jacfwd(moved, has_aux=True)(nominal)
    made = Expectation.of(fractions(signal), background, by_nuisance[:, 0], by_nuisance[:, 1])
    return Expectation(made.counts.clamp(min=FEWEST), made.jacobian)


def judge(binning: Binning, settings: Settings, context: RunContext) -> Expectation:
    """Return what is expected in hard bins of unseen events, the same ones for every network."""
    rng = context.rng("test data")
    signal = toy.signal(settings.test_events, rng)
    background = toy.background(toy.background_units(settings.test_events, rng))
    return hard_expectation(_bins_of(binning, signal), _bins_of(binning, background), background, settings.bins)


@cache
def _load_forward_mode() -> None:
    """Use forward mode once, so that torch compiles its rules for it: by a part of its own that it deprecates."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.func.jvp(torch.sin, (torch.zeros(()),), (torch.ones(()),))


def _classify(settings: Settings, context: RunContext, sample: Sample) -> Binning:
    """Train signal against background; return equal bins of the score."""
    training.seed_everything(context, "weights of the classifier")
    network = perceptron(3, settings.hidden, 1)
    points = torch.cat([sample.signal, _tensor(toy.background(sample.units.double().numpy()))])
    labels = torch.cat([torch.ones(len(sample.signal)), torch.zeros(len(sample.units))])

    def loss(rows: Tensor) -> Tensor:
        return weighted_cross_entropy(network(points[rows])[:, 0], labels[rows], torch.ones(len(rows)))

    schedule = training.Schedule(settings.classifier_steps, 2 * settings.batch, settings.classifier_learning_rate)
    losses = training.fit(context, "classifier", network, loss, len(points), schedule)
    context.say(f"classifier: cross-entropy {np.mean(losses[-50:]):.4f}")

    def binning(events: Tensor) -> Tensor:
        score = torch.sigmoid(network(events)[:, 0])
        return (score * settings.bins).long().clamp(max=settings.bins - 1)

    return binning


def _optimise(settings: Settings, context: RunContext, sample: Sample, number: int) -> Binning:
    """Train a network whose loss is the variance of s in one benchmark; return its bins: the largest output."""
    training.seed_everything(context, f"weights of inferno {number}")
    network = perceptron(3, settings.hidden, settings.bins)

    def loss(rows: Tensor) -> Tensor:
        return _loss(network, sample, rows, settings.temperature, BENCHMARKS[number])

    schedule = training.Schedule(settings.inferno_steps, settings.batch, settings.inferno_learning_rate)
    losses = training.fit(context, f"inferno{number}", network, loss, len(sample.signal), schedule)
    context.say(f"inferno, benchmark {number}: σ(s) {np.exp(np.mean(losses[-50:]) / 2):.2f} in soft bins")
    return lambda events: network(events).argmax(1)


def _loss(network: nn.Module, sample: Sample, rows: Tensor, temperature: float, benchmark: Benchmark) -> Tensor:
    """Return ln var(s): its gradients do not shrink as it improves."""
    expected = soft_expectation(network, sample.signal[rows], sample.units[rows], temperature)
    return expected.variance(benchmark).log()


def _bins_of(binning: Binning, points: Array) -> Bins:
    with torch.no_grad():
        found = torch.cat([binning(part) for part in _tensor(points).split(AT_ONCE)])
    bins: Bins = found.numpy()
    return bins


def _metrics(sigmas: Mapping[str, list[float]], bounds: list[float]) -> dict[str, float]:
    """Return σ(s) by network and benchmark, and how they compare with one another and with what is possible."""
    found = {f"sigma_bound_b{number}": bound for number, bound in enumerate(bounds)}
    for name, values in sigmas.items():
        found |= {f"sigma_{name}_b{number}": value for number, value in enumerate(values)}
        if name != "ce":
            number = int(name.removeprefix("inferno"))
            found[f"ratio_b{number}"] = values[number] / sigmas["ce"][number]
    deviations = [abs(ours / theirs - 1) for ours, theirs in zip(bounds, PUBLISHED_BOUND, strict=True)]
    found["bound_deviation"] = max(deviations)
    found["smallest_above_bound"] = min(
        value - bound for values in sigmas.values() for value, bound in zip(values, bounds, strict=True)
    )
    return found


def _tensor(columns: Array) -> Tensor:
    return torch.from_numpy(columns.astype(np.float32))
