"""The work of the job: showers, what augmentation gains, the adversary, jets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from vispa_green_jobs.catalogue.energy_regression import calorimeter, jet_regression, pivot, plots
from vispa_green_jobs.catalogue.energy_regression.augmentation import Augmentation
from vispa_green_jobs.catalogue.energy_regression.calorimeter import Showers
from vispa_green_jobs.catalogue.energy_regression.showers import CELLS
from vispa_green_jobs.context import RunContext
from vispa_green_jobs.shared import training

if TYPE_CHECKING:
    from vispa_green_jobs.catalogue.energy_regression import Settings


def run(settings: Settings, context: RunContext) -> Mapping[str, float]:
    """Run all parts; see `vispa_green_jobs.catalogue.energy_regression.run`."""
    training.prepare(context)
    found = _electrons(settings, context)
    context.pause_point()
    jets = jet_regression.run(settings, context)
    plots.draw_jets(context.plot("jets"), jets)
    return found | jet_regression.figures(jets)


def _electrons(settings: Settings, context: RunContext) -> dict[str, float]:
    context.say(f"drawing {settings.train_events + settings.test_events} showers")
    sample = Showers.draw(settings.train_events, context.rng("training showers"))
    context.pause_point()
    unseen = Showers.draw(settings.test_events, context.rng("test data: showers"))
    context.pause_point()
    augmentation = Augmentation(CELLS, settings.largest_shift)
    mse = calorimeter.new_network(settings, context, "squared error")
    calorimeter.learn(
        settings, context, "squared-error", mse, sample, calorimeter.squared, settings.mse_steps, augmentation
    )
    # Far from its optimum the likelihood hardly converges: it starts from what the squared error learnt.
    truncated = calorimeter.new_network(settings, context, "likelihood")
    truncated.load_state_dict(mse.state_dict())
    width = calorimeter.root_width(mse, sample)
    loss = calorimeter.likelihood(width)
    calorimeter.learn(
        settings, context, "likelihood", truncated, sample, loss, settings.likelihood_steps, augmentation
    )
    judged = {
        "linear fit": calorimeter.straight_line(sample, unseen),
        "squared error": calorimeter.response(mse, unseen),
        "truncated likelihood": calorimeter.response(truncated, unseen),
    }
    plots.draw_showers(context.plot("showers"), judged)
    found = {"fitted_width": width.root, **calorimeter.figures(judged)}
    found |= calorimeter.augmentation_gaps(settings, context, sample, unseen)
    courses = pivot.courses(settings, context, sample, mse, truncated, width)
    plots.draw_courses(context.plot("adversary"), courses)
    return found | pivot.figures(courses)
