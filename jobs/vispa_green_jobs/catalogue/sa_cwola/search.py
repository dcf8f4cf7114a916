"""The work of the job: six searches for one signal, all of them weighted classifiers, and their judge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vispa_green_jobs.catalogue.sa_cwola import exact, toy
from vispa_green_jobs.catalogue.sa_cwola.exact import Score
from vispa_green_jobs.catalogue.sa_cwola.toy import Array, Samples
from vispa_green_jobs.context import RunContext
from vispa_green_jobs.shared import training
from vispa_green_jobs.shared.metrics import auc, largest_sic
from vispa_green_jobs.shared.ratio import Classifier, DensityRatio

if TYPE_CHECKING:
    from vispa_green_jobs.catalogue.sa_cwola import Settings

CONTROLLED = ("salad", "sa_cwola")
"""Methods that are trained without the signal, too: what simulation gets wrong may point at it by chance."""
FEWEST_BACKGROUND = 100
"""Background events that a cut has to keep, or its efficiency is not known to better than 10 %."""


@dataclass(frozen=True, slots=True)
class Unseen:
    """Labelled events that no method was trained with."""

    signal: Array
    background: Array
    """Of the signal region."""

    def auc(self, score: Score) -> float:
        """Return how well a score tells signal from background; 0.5 is not at all, less is the wrong way round."""
        return auc(score(self.signal), score(self.background))

    def sic(self, score: Score) -> float:
        """Return the largest ε_S/√ε_B of its cuts."""
        fewest = min(FEWEST_BACKGROUND, len(self.background))
        return largest_sic(score(self.signal), score(self.background), fewest_background=fewest)


class Search:
    """All methods on one set of data; ``name`` tells its stages from those of others."""

    def __init__(self, name: str, samples: Samples, settings: Settings, context: RunContext) -> None:
        self._name, self._samples, self._settings, self._context = name, samples, settings, context
        schedule = training.Schedule(settings.steps, settings.batch, settings.learning_rate)
        self._classifier = Classifier(settings.hidden, settings.networks, schedule)

    def methods(self) -> dict[str, Callable[[], Score]]:
        """Return what trains each method, by the names of `exact.scores`."""
        return {
            "cwola": self.cwola,
            "data_vs_sim": self.data_vs_sim,
            "salad": self.salad,
            "sa_cwola": self.sa_cwola,
            "optimal_cwola": self.optimal_cwola,
            "supervised": self.supervised,
        }

    def cwola(self) -> Score:
        """Signal region against sideband, as if the features did not depend on the mass."""
        return self._ratio("cwola", self._samples.data_region, self._samples.data_sideband).log_ratio

    def data_vs_sim(self) -> Score:
        """Data against simulation in the signal region, as if simulation were right."""
        return self._ratio("data_vs_sim", self._samples.data_region, self._samples.simulation_region).log_ratio

    def salad(self) -> Score:
        """Learn in the sideband what simulation gets wrong; reweight the signal region's and compare with data."""
        own = self._samples
        corrected = self._ratio("salad_weights", own.data_sideband, own.simulation_sideband)
        weights = corrected.weights(own.simulation_region)
        return self._ratio("salad", own.data_region, own.simulation_region, None, weights).log_ratio

    def sa_cwola(self) -> Score:
        """CWoLa plus λ times CWoLa on simulation with swapped labels: telling the regions apart no longer pays."""
        own, swapped = self._samples, self._settings.simulation_weight
        first, first_w = together(own.data_region, own.simulation_sideband, swapped)
        second, second_w = together(own.data_sideband, own.simulation_region, swapped)
        return self._ratio("sa_cwola", first, second, first_w, second_w).log_ratio

    def optimal_cwola(self) -> Score:
        """Data against the signal region's true background: more than any search has."""
        rng = self._context.rng("true background")
        background = toy.background(toy.DATA_REGION, self._settings.background_events, rng)
        return self._ratio("optimal_cwola", self._samples.data_region, background).log_ratio

    def supervised(self) -> Score:
        """Signal against background with labels: the best there is."""
        rng, events = self._context.rng("labelled data"), self._settings.background_events
        signal, background = toy.signal(events, rng), toy.background(toy.DATA_REGION, events, rng)
        return self._ratio("supervised", signal, background).log_ratio

    def _ratio(
        self,
        stage: str,
        numerator: Array,
        denominator: Array,
        numerator_w: Array | None = None,
        denominator_w: Array | None = None,
    ) -> DensityRatio:
        ratio = DensityRatio(numerator.shape[1], self._classifier)
        ratio.fit(self._context, f"{self._name}_{stage}", numerator, denominator, numerator_w, denominator_w)
        return ratio


def run(settings: Settings, context: RunContext) -> Mapping[str, float]:
    """Train and judge; see `vispa_green_jobs.catalogue.sa_cwola.run`."""
    from vispa_green_jobs.catalogue.sa_cwola.plots import draw_planes, draw_sic

    training.prepare(context)
    samples, pure = (
        toy.generate(settings.background_events, signal_events, context.rng("data and simulation"))
        for signal_events in (settings.signal_events, 0)
    )
    rng, events = context.rng("test data"), settings.test_events
    unseen = Unseen(toy.signal(events, rng), toy.background(toy.DATA_REGION, events, rng))
    ideal = exact.scores(settings.signal_events / len(samples.data_region), settings.simulation_weight)
    ideal_pure = exact.scores(0.0, settings.simulation_weight)

    context.say(f"{settings.signal_events} signal events in {len(samples.data_region)}")
    learnt = _train(Search("signal", samples, settings, context), ideal, unseen, context)
    context.say("the same without the signal")
    controls = {name: ideal_pure[name] for name in CONTROLLED}
    learnt_pure = _train(Search("no_signal", pure, settings, context), controls, unseen, context)
    draw_sic(context.plot("sic"), learnt, ideal, unseen.signal, unseen.background, FEWEST_BACKGROUND)
    draw_planes(context.plot("planes"), learnt, samples)
    return _metrics(unseen, learnt, ideal, learnt_pure, controls)


def _train(search: Search, ideal: Mapping[str, Score], unseen: Unseen, context: RunContext) -> dict[str, Score]:
    """Train the methods that ``ideal`` has and say how near each comes to it."""
    learnt = {}
    for name, possible in ideal.items():
        learnt[name] = search.methods()[name]()
        context.say(f"{name}: AUC {unseen.auc(learnt[name]):.3f}, of endless events {unseen.auc(possible):.3f}")
    return learnt


def _metrics(
    unseen: Unseen,
    learnt: Mapping[str, Score],
    ideal: Mapping[str, Score],
    learnt_pure: Mapping[str, Score],
    ideal_pure: Mapping[str, Score],
) -> dict[str, float]:
    """Return AUC and significance of all scores; ``pure`` are those of data without the signal."""
    found = {f"auc_{name}": unseen.auc(score) for name, score in learnt.items()}
    found |= {f"auc_exact_{name}": unseen.auc(score) for name, score in ideal.items()}
    found |= {f"auc_without_{name}": unseen.auc(score) for name, score in learnt_pure.items()}
    found |= {f"auc_exact_without_{name}": unseen.auc(score) for name, score in ideal_pure.items()}
    found |= {f"sic_{name}": unseen.sic(score) for name, score in learnt.items()}
    found |= {f"sic_exact_{name}": unseen.sic(score) for name, score in ideal.items()}
    found["auc_gain"] = found["auc_sa_cwola"] - found["auc_cwola"]
    for name in learnt_pure:
        found[f"signal_gain_{name}"] = found[f"auc_{name}"] - found[f"auc_without_{name}"]
    return found


def together(data: Array, simulation: Array, simulation_weight: float) -> tuple[Array, Array]:
    """Return two samples as one, with weights that make their totals 1 and λ."""
    weights = np.repeat([1 / len(data), simulation_weight / len(simulation)], [len(data), len(simulation)])
    return np.vstack([data, simulation]), weights
