"""The work of the job: samples, flow, switch, judgement.

The flow models p(v | pT, η, N, switch) with switch 0 for simulation and 1 for data, both at once:
L = −Σ w_i log p(v_i | k_i, switch_i). An event of the simulation is corrected by

    z = f(v; k, 0),   v' = f⁻¹(z; k, 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from vispa_green_jobs.catalogue.one_flow.flow import SplineFlow
from vispa_green_jobs.catalogue.one_flow.plots import draw_correlations, draw_marginals
from vispa_green_jobs.catalogue.one_flow.preparation import Filled, Reweighting, Scaling
from vispa_green_jobs.catalogue.one_flow.toy import DATA, SIMULATION, VARIABLES, Array, Sample, generate
from vispa_green_jobs.context import RunContext
from vispa_green_jobs.shared import metrics, training
from vispa_green_jobs.shared.judging import boosted_auc

if TYPE_CHECKING:
    from vispa_green_jobs.catalogue.one_flow import Settings

CHUNK = 50_000


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything that is learnt from the training samples but the flow itself."""

    data_filled: Filled
    simulation_filled: Filled
    variables: Scaling
    kinematics: Scaling
    reweighting: Reweighting

    @classmethod
    def of(cls, data: Sample, simulation: Sample, bins: tuple[int, int, int], rng: np.random.Generator) -> Prepared:
        """Learn it. The switch is no column here, so it is not scaled."""
        data_filled, simulation_filled = Filled.of(data), Filled.of(simulation)
        both = [data_filled.forward(data.variables, rng), simulation_filled.forward(simulation.variables, rng)]
        return cls(
            data_filled,
            simulation_filled,
            Scaling.of(np.vstack(both)),
            Scaling.of(np.vstack([data.kinematics, simulation.kinematics])),
            Reweighting.of(data.kinematics, simulation.kinematics, bins),
        )

    def scaled(self, sample: Sample, *, is_data: bool, rng: np.random.Generator) -> torch.Tensor:
        """Return what the flow sees of the variables."""
        filled = self.data_filled if is_data else self.simulation_filled
        return torch.from_numpy(self.variables.forward(filled.forward(sample.variables, rng)))

    def condition(self, kinematics: Array, *, is_data: bool) -> torch.Tensor:
        """Return scaled kinematics and the switch."""
        scaled = torch.from_numpy(self.kinematics.forward(kinematics))
        return torch.cat([scaled, torch.full((len(scaled), 1), float(is_data))], 1)


def run(settings: Settings, context: RunContext) -> Mapping[str, float]:
    """Train, correct and judge; see `vispa_green_jobs.catalogue.one_flow.run`."""
    training.prepare(context)
    data = generate(DATA, settings.train_events, context.rng("training data"))
    simulation = generate(SIMULATION, settings.train_events, context.rng("training simulation"))
    prepared = Prepared.of(data, simulation, settings.kinematic_bins, context.rng("noise of the preparation"))
    context.say(f"training on {settings.train_events} + {settings.train_events} events")
    flow = _trained(settings, context, data, simulation, prepared)
    context.pause_point()

    test_data = generate(DATA, settings.test_events, context.rng("test data"))
    test_simulation = generate(SIMULATION, settings.test_events, context.rng("test simulation"))
    weights = prepared.reweighting.weights(test_simulation.kinematics)
    corrected, inversion_error = correct(flow, prepared, test_simulation, context.rng("noise of the test"))
    context.pause_point()
    other = generate(DATA, settings.test_events, context.rng("more test data"))
    found = _judged(test_data, test_simulation, corrected, weights, other, context, settings.judge_rounds)
    draw_marginals(context.plot("marginals"), test_data, test_simulation, corrected, weights)
    draw_correlations(context.plot("correlations"), test_data, test_simulation, corrected, weights)
    return {**found, "inversion_error": inversion_error}


def _trained(
    settings: Settings, context: RunContext, data: Sample, simulation: Sample, prepared: Prepared
) -> SplineFlow:
    rng = context.rng("noise of the training")
    values = torch.cat(
        [prepared.scaled(data, is_data=True, rng=rng), prepared.scaled(simulation, is_data=False, rng=rng)]
    )
    conditions = torch.cat(
        [
            prepared.condition(data.kinematics, is_data=True),
            prepared.condition(simulation.kinematics, is_data=False),
        ]
    )
    simulation_weights = prepared.reweighting.weights(simulation.kinematics)
    weights = torch.from_numpy(np.concatenate([np.ones(len(data.kinematics)), simulation_weights])).float()
    training.seed_everything(context, "initial weights")
    flow = SplineFlow(
        values.shape[1], conditions.shape[1], settings.transforms, settings.hidden, settings.spline_bins
    )

    def loss(rows: torch.Tensor) -> torch.Tensor:
        return -(weights[rows] * flow.log_prob(values[rows], conditions[rows])).mean()

    schedule = training.Schedule(settings.steps, settings.batch, settings.learning_rate)
    training.fit(context, "flow", flow, loss, len(values), schedule)
    return flow


def correct(flow: SplineFlow, prepared: Prepared, sample: Sample, rng: np.random.Generator) -> tuple[Sample, float]:
    """Return the simulation as data would be, and max |f⁻¹(f(x; k, 0); k, 0) − x|."""
    scaled = prepared.scaled(sample, is_data=False, rng=rng)
    moved, error = [], 0.0
    with torch.no_grad():
        for first in range(0, len(scaled), CHUNK):
            part = slice(first, first + CHUNK)
            off = prepared.condition(sample.kinematics[part], is_data=False)
            on = prepared.condition(sample.kinematics[part], is_data=True)
            latent, _ = flow(scaled[part], off)
            error = max(error, float((flow.inverse(latent, off) - scaled[part]).abs().max()))
            moved.append(flow.inverse(latent, on).numpy())
    variables = prepared.data_filled.backward(prepared.variables.backward(np.concatenate(moved)))
    return Sample(sample.kinematics, variables), error


def _judged(
    data: Sample,
    simulation: Sample,
    corrected: Sample,
    weights: Array,
    other: Sample,
    context: RunContext,
    rounds: int,
) -> dict[str, float]:
    truth = data.all_columns
    found: dict[str, float] = {}
    for name, sample in (("nominal", simulation), ("corrected", corrected)):
        seed = context.seed_of(f"judge of {name}")
        found[f"auc_{name}"] = boosted_auc(truth, sample.all_columns, None, weights, seed=seed, rounds=rounds)
        context.pause_point()
    seed = context.seed_of("judge of nothing")
    found["auc_data_data"] = boosted_auc(truth, other.all_columns, seed=seed, rounds=rounds)
    for index, name in enumerate(VARIABLES):
        ours, theirs = data.variables[:, index], corrected.variables[:, index]
        nominal = simulation.variables[:, index]
        found[f"ks_{name}"] = metrics.kolmogorov_smirnov(ours, theirs, None, weights)
        found[f"ks_nominal_{name}"] = metrics.kolmogorov_smirnov(ours, nominal, None, weights)
    differences = _zeros(data) - np.average(corrected.variables == 0, axis=0, weights=weights)
    found["zero_fraction_difference"] = float(np.abs(differences).max())
    for name, sample in (("correlation_difference", corrected), ("correlation_difference_nominal", simulation)):
        found[name] = metrics.largest_correlation_difference(truth, sample.all_columns, None, weights)
    return found


def _zeros(sample: Sample) -> Array:
    fractions: Array = (sample.variables == 0).mean(axis=0)
    return fractions
