"""The work of the job: the plain toy, the full one with losses, fakes and background, and their judgement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vispa_green_jobs.catalogue.omnifold.judging import Judged, judged, moments, noise_deviation
from vispa_green_jobs.catalogue.omnifold.plots import draw_iterations, draw_noise, draw_spectra
from vispa_green_jobs.catalogue.omnifold.toy import Array, Detector, Gaussian, Sample, generate, iterated
from vispa_green_jobs.catalogue.omnifold.unfolding import Learn, Weighting, subtract, unfold
from vispa_green_jobs.context import RunContext
from vispa_green_jobs.shared import training
from vispa_green_jobs.shared.metrics import effective_events
from vispa_green_jobs.shared.ratio import Classifier, DensityRatio

if TYPE_CHECKING:
    from vispa_green_jobs.catalogue.omnifold import Settings


@dataclass(frozen=True, slots=True)
class Toy:
    """What is simulated, what is true, and the detector between."""

    settings: Settings
    detector: Detector

    @classmethod
    def plain(cls, settings: Settings) -> Toy:
        """Resolution only."""
        return cls(settings, Detector(settings.smearing))

    @classmethod
    def full(cls, settings: Settings) -> Toy:
        """Losses and fakes, too."""
        return cls(settings, Detector(settings.smearing, settings.lost, settings.fakes))

    @property
    def prior(self) -> Gaussian:
        """The truth of simulation."""
        return Gaussian(*self.settings.prior)

    @property
    def truth(self) -> Gaussian:
        """The truth of data."""
        return Gaussian(*self.settings.truth)

    def simulation(self, events: int, rng: np.random.Generator) -> Sample:
        """Draw simulated events."""
        return generate(self.prior, self.detector, events, self.settings.dimensions, rng)

    def data(self, events: int, rng: np.random.Generator) -> Sample:
        """Draw data without background."""
        return generate(self.truth, self.detector, events, self.settings.dimensions, rng)

    def background(self, events: int, rng: np.random.Generator) -> Array:
        """Draw the measured background that belongs to so many events."""
        shape = Gaussian(0.0, self.settings.background_width)
        return shape.draw(round(self.settings.background * events), self.settings.dimensions, rng)


def run(settings: Settings, context: RunContext) -> Mapping[str, float]:
    """Unfold and judge; see `vispa_green_jobs.catalogue.omnifold.run`."""
    training.prepare(context)
    expected = iterated(Gaussian(*settings.prior), Gaussian(*settings.truth), settings.smearing, settings.iterations)
    plain, found = _plain(settings, context)
    full, found_full = _full(settings, context)
    variants = {"resolution": plain, "losses, fakes, background": full}
    draw_spectra(context.plot("spectra"), variants)
    draw_iterations(context.plot("iterations"), variants, expected)
    return {**found, **found_full}


def _plain(settings: Settings, context: RunContext) -> tuple[Judged, dict[str, float]]:
    toy = Toy.plain(settings)
    simulation = toy.simulation(settings.events, context.rng("plain simulation"))
    data = toy.data(settings.events, context.rng("plain data")).measured
    context.say(f"resolution only: {settings.events} events of data and of simulation")
    weightings = unfold(simulation, data, None, settings.iterations, _classifiers(settings, context, "plain"))
    unseen = toy.simulation(settings.test_events, context.rng("plain test simulation")).truth
    truth = toy.data(settings.test_events, context.rng("plain test data")).truth
    result = judged(unseen, truth, weightings)
    metrics = result.metrics(toy.prior, toy.truth, settings.smearing)
    metrics["effective_event_fraction"] = effective_events(result.weights[-1]) / settings.test_events
    return result, metrics | _bootstrapped(settings, context, simulation, data, unseen)


def _full(settings: Settings, context: RunContext) -> tuple[Judged, dict[str, float]]:
    toy = Toy.full(settings)
    learn = _classifiers(settings, context, "full")
    simulation = toy.simulation(settings.events, context.rng("full simulation"))
    signal = toy.data(settings.events, context.rng("full data"))
    data = np.concatenate(
        [signal.measured[signal.is_seen], toy.background(settings.events, context.rng("background"))]
    )
    simulated = toy.background(settings.events, context.rng("simulated background"))
    context.say(f"losses, fakes and {len(simulated)} background events as well")
    subtraction = subtract(data, simulated, np.ones(len(simulated)), learn)
    weightings = unfold(simulation, data, subtraction(data), settings.iterations, learn)
    unseen = toy.simulation(settings.test_events, context.rng("full test simulation"))
    truth = toy.data(settings.test_events, context.rng("full test data"))
    result = judged(unseen.truth[unseen.has_truth], truth.truth[truth.has_truth], weightings)
    found = result.metrics(toy.prior, toy.truth, settings.smearing)
    return result, {f"full_{name}": value for name, value in found.items()} | _noise(
        settings, context, toy, subtraction
    )


def _noise(settings: Settings, context: RunContext, toy: Toy, subtraction: Weighting) -> dict[str, float]:
    """Judge the subtraction alone: data without background, as weighted data and as expected."""
    signal = toy.data(settings.test_events, context.rng("noise test data"))
    measured = signal.measured[signal.is_seen]
    noise = toy.background(settings.test_events, context.rng("noise test background"))
    everything = np.concatenate([measured, noise])
    shape = toy.truth.smeared(settings.smearing)
    expected = settings.test_events * (1 - settings.lost)
    draw_noise(context.plot("noise"), everything, subtraction(everything), shape, expected)
    return {
        "noise_deviation_before": noise_deviation(everything, np.ones(len(everything)), shape, expected),
        "noise_deviation": noise_deviation(everything, subtraction(everything), shape, expected),
    }


def _bootstrapped(
    settings: Settings, context: RunContext, simulation: Sample, data: Array, unseen: Array
) -> dict[str, float]:
    """Unfold data whose events count 0, 1, 2, ... times; return the spread of the unfolded mean and width."""
    found = []
    for number in range(settings.bootstraps):
        counts = context.rng(f"bootstrap {number}").poisson(1.0, len(data)).astype(np.float64)
        learn = _classifiers(settings, context, f"bootstrap-{number}")
        last = unfold(simulation, data, counts, settings.iterations, learn)[-1]
        found.append(moments(unseen, last(unseen)))
    if len(found) < 2:
        return {}
    mean_sigmas, width_sigmas = np.std(found, axis=0, ddof=1)
    return {"bootstrap_mean_sigma": float(mean_sigmas.max()), "bootstrap_width_sigma": float(width_sigmas.max())}


def _classifiers(settings: Settings, context: RunContext, variant: str) -> Learn:
    """Return what learns ratios by networks, each a stage with a checkpoint of its own."""
    schedule = training.Schedule(settings.steps, settings.batch, settings.learning_rate)
    classifier = Classifier(settings.hidden, settings.networks, schedule)

    def learn(
        stage: str,
        numerator: Array,
        denominator: Array,
        numerator_w: Array | None = None,
        denominator_w: Array | None = None,
    ) -> Weighting:
        ratio = DensityRatio(settings.dimensions, classifier)
        ratio.fit(context, f"{variant}-{stage}", numerator, denominator, numerator_w, denominator_w)
        context.say(f"{variant}: {stage} learnt")
        return ratio.weights

    return learn
