"""Jets: a Particle Flow Network with the squared error, then the likelihood, then a width of its own for each jet.

All losses are means over bins of the truth of the mean in each, so that a falling spectrum counts as a flat one.
The likelihood's σ(pT) = c₀ √pT + c₁ pT + c₂ is fitted to the residuals of the stage before. In the second
stage the network multiplies it by s(jet), and learns s from the same likelihood.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from vispa_green_jobs.catalogue.energy_regression import jets
from vispa_green_jobs.catalogue.energy_regression.judging import Array, Line, Response
from vispa_green_jobs.catalogue.energy_regression.likelihood import Bins, Width, truncated
from vispa_green_jobs.catalogue.energy_regression.networks import ParticleFlow
from vispa_green_jobs.context import RunContext
from vispa_green_jobs.shared import training

if TYPE_CHECKING:
    from vispa_green_jobs.catalogue.energy_regression import Settings

BINS = Bins(jets.LOWEST_GEV, jets.HIGHEST_GEV, 20)
MIDDLE_GEV = 50.0, 130.0
SCALE_GEV = 100.0
JETS_AT_ONCE = 4000
QUANTILES = 5
Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Of pT, ln s and true pT; for each jet."""


@dataclass(frozen=True, slots=True)
class JetResults:
    """Responses by stage, and of groups of jets from narrow to wide: predicted and found width over σ(pT)."""

    responses: dict[str, Response]
    predicted_width: Array
    found_width: Array
    pull_width: float
    """Of (predicted − true)/(s σ) in the middle of the spectrum; 1 is calibrated."""


def run(settings: Settings, context: RunContext) -> JetResults:
    """Train the three stages and judge each on unseen jets."""
    context.say(f"drawing {settings.train_jets + settings.test_jets} jets")
    sample = jets.generate(settings.train_jets, context.rng("training jets"))
    unseen = jets.generate(settings.test_jets, context.rng("test data: jets"))
    training.seed_everything(context, "jets: initial weights")
    network = ParticleFlow(jets.FEATURES, settings.particle_layers, settings.jet_layers, SCALE_GEV)
    responses = {"calibrated sum": _straight_line(sample, unseen)}

    def stage(name: str, loss: Loss, steps: int) -> Response:
        context.pause_point()
        context.say(f"jets, {name}: {steps} steps, {len(sample.truth)} jets")

        def of_rows(rows: Tensor) -> Tensor:
            found, log_s = network(sample.particles[rows], sample.present[rows])
            truth = sample.truth[rows]
            return BINS.mean_over(loss(found, log_s, truth), truth)

        schedule = training.Schedule(steps, settings.jet_batch, settings.learning_rate)
        training.fit(context, f"jets-{name.replace(' ', '-')}", network, of_rows, len(sample.truth), schedule)
        responses[name] = _response(network, unseen)
        return _response(network, sample)

    width = _width(stage("squared error", _squared, settings.jet_mse_steps))
    width = _width(stage("fitted width", _likelihood(width, own=False), settings.jet_first_steps))
    network.forget_widths()
    stage("predicted width", _likelihood(width, own=True), settings.jet_second_steps)
    return _with_widths(network, unseen, width, responses)


def figures(found: JetResults) -> dict[str, float]:
    """Return the numbers that are claimed of jets."""
    line, mse, first, second = found.responses.values()
    return {
        "jet_linear_resolution": line.relative_resolution(*MIDDLE_GEV),
        "jet_resolution": second.relative_resolution(*MIDDLE_GEV),
        "jet_resolution_ratio": second.relative_resolution(*MIDDLE_GEV) / line.relative_resolution(*MIDDLE_GEV),
        "jet_mse_edge_bias_gev": mse.edge_bias,
        "jet_first_edge_bias_gev": first.edge_bias,
        "jet_second_edge_bias_gev": second.edge_bias,
        "jet_first_edge_reduction": mse.edge_bias / first.edge_bias,
        "jet_second_edge_reduction": mse.edge_bias / second.edge_bias,
        "jet_second_largest_bias_gev": float(np.abs(second.bias).max()),
        "jet_pull_width": found.pull_width,
        "jet_found_width_spread": float(found.found_width[-1] / found.found_width[0]),
    }


def _squared(found: Tensor, _log_s: Tensor, truth: Tensor) -> Tensor:
    return ((found - truth) / SCALE_GEV).square()


def _likelihood(width: Width, *, own: bool) -> Loss:
    """Return the truncated likelihood, with ``own`` the width of each jet is σ(pT) times what is predicted."""

    def loss(found: Tensor, log_s: Tensor, truth: Tensor) -> Tensor:
        sigma = width(truth) * torch.exp(log_s) if own else width(truth)
        return truncated(found, truth, sigma, jets.LOWEST_GEV, jets.HIGHEST_GEV)

    return loss


def _predicted(network: ParticleFlow, sample: jets.Jets) -> tuple[Array, Array]:
    chunks = zip(sample.particles.split(JETS_AT_ONCE), sample.present.split(JETS_AT_ONCE), strict=True)
    with torch.no_grad():
        momenta, logs = zip(*(network(particles, present) for particles, present in chunks), strict=True)
    return torch.cat(momenta).double().numpy(), torch.cat(logs).double().numpy()


def _response(network: ParticleFlow, sample: jets.Jets) -> Response:
    return Response.of(_predicted(network, sample)[0], sample.truth.double().numpy(), BINS)


def _straight_line(sample: jets.Jets, unseen: jets.Jets) -> Response:
    line = Line.fit(sample.sum_gev.double().numpy(), sample.truth.double().numpy())
    return Response.of(line.inverted(unseen.sum_gev.double().numpy()), unseen.truth.double().numpy(), BINS)


def _width(found: Response) -> Width:
    """Fit σ(pT) where the response is not bent much, corrected for how much it is."""
    chosen = found.between(*MIDDLE_GEV)
    return Width.fit(found.truth[chosen], found.unbent_width[chosen])


def _with_widths(
    network: ParticleFlow, unseen: jets.Jets, width: Width, responses: dict[str, Response]
) -> JetResults:
    momentum, log_s = _predicted(network, unseen)
    truth = unseen.truth.double().numpy()
    residual = (momentum - truth) / width(unseen.truth).double().numpy()
    middle = (truth > MIDDLE_GEV[0]) & (truth < MIDDLE_GEV[1])
    residual, s = residual[middle], np.exp(log_s[middle])
    groups = np.array_split(np.argsort(s), QUANTILES)
    return JetResults(
        responses,
        np.array([np.sqrt(np.mean(s[group] ** 2)) for group in groups]),
        np.array([residual[group].std() for group in groups]),
        float((residual / s).std()),
    )
