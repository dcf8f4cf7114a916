"""Pictures of omnifold: spectra with their ratio to the truth, iterations with their closed form, subtraction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from vispa_green_jobs.catalogue.omnifold.judging import EQUAL_BINS, Judged, relative_counts
from vispa_green_jobs.catalogue.omnifold.toy import Array, Gaussian
from vispa_green_jobs.shared.pictures import save

EDGES = np.linspace(-3, 3, 41)
PRIOR_COLOUR, TRUTH_COLOUR = "#d55e00", "#222222"
ITERATION_COLOURS = ("#a6cde3", "#6baed6", "#3182bd", "#08519c", "#08306b")


def draw_spectra(path: Path, variants: Mapping[str, Judged]) -> None:
    """Draw the first dimension: truth of data, prior and iterations, and their ratios to the truth below."""
    figure = Figure(figsize=(9, 4.6), layout="constrained")
    panels = figure.subplots(2, len(variants), sharex=True, sharey="row", height_ratios=(2, 1), squeeze=False)
    for column, (name, judged) in enumerate(variants.items()):
        upper, lower = panels[0][column], panels[1][column]
        truth = np.histogram(judged.truth[:, 0], EDGES, density=True)[0]
        upper.stairs(truth, EDGES, color=TRUTH_COLOUR, fill=True, alpha=0.2, label="truth of data")
        lower.axhline(1, color=TRUTH_COLOUR, linewidth=0.8)
        for number, weights in enumerate(judged.weights):
            drawn = np.histogram(judged.points[:, 0], EDGES, weights=weights, density=True)[0]
            ratio = np.divide(drawn, truth, out=np.full(len(truth), np.nan), where=truth > 0)
            colour, label = _style(number)
            upper.stairs(drawn, EDGES, color=colour, label=label)
            lower.stairs(ratio, EDGES, color=colour)
        upper.set_title(name)
        upper.set_xlim(-3, 3)
        lower.set_ylim(0.7, 1.5)
        lower.set_xlabel("t")
    panels[0][0].set_ylabel("density")
    panels[1][0].set_ylabel("÷ truth")
    panels[0][0].legend(fontsize="small")
    save(figure, path)


def draw_iterations(path: Path, variants: Mapping[str, Judged], expected: Sequence[Gaussian]) -> None:
    """Draw mean and width after each iteration, as found (dots) and in closed form (line)."""
    figure = Figure(figsize=(9, 3), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    numbers = np.arange(len(expected))
    left.plot(numbers, [one.mean for one in expected], color=TRUTH_COLOUR, label="closed form")
    middle.plot(numbers, [one.width for one in expected], color=TRUTH_COLOUR)
    for (name, judged), marker in zip(variants.items(), "os", strict=False):
        style = {"marker": marker, "linestyle": "none", "label": name, "markerfacecolor": "none"}
        left.plot(numbers, [mean[0] for mean in judged.means], **style)
        middle.plot(numbers, [width[0] for width in judged.widths], **style)
        right.plot(numbers, judged.triangular, **(style | {"label": None}))
    right.axhline(2e-3, color="0.6", linestyle="--", label="claim")
    right.legend(fontsize="small")
    right.set_yscale("log")
    for panel, title in ((left, "mean"), (middle, "width"), (right, "triangular discriminator")):
        panel.set_title(title)
        panel.set_xlabel("iteration")
        panel.set_xticks(numbers)
    left.legend(fontsize="small")
    save(figure, path)


def draw_noise(path: Path, points: Array, weights: Array, shape: Gaussian, expected: float) -> None:
    """Draw data ÷ expected signal in bins of equal signal, before and after the subtraction."""
    figure = Figure(figsize=(6, 3), layout="constrained")
    panel = figure.subplots()
    for label, used, colour in (
        ("data with background", np.ones(len(points)), PRIOR_COLOUR),
        ("after unbinned subtraction", weights, ITERATION_COLOURS[3]),
    ):
        panel.stairs(relative_counts(points, used, shape, expected)[0], baseline=None, color=colour, label=label)
    panel.axhline(1, color=TRUTH_COLOUR, linewidth=0.8)
    panel.set_xlim(0, EQUAL_BINS)
    panel.set_xticks(range(0, EQUAL_BINS + 1, 5))
    panel.set_ylim(0.9, 1.4)
    panel.set_xlabel("bin of equal expected signal, measured level")
    panel.set_ylabel("÷ expected signal")
    panel.legend(fontsize="small")
    save(figure, path)


def _style(number: int) -> tuple[str, str]:
    if number == 0:
        return PRIOR_COLOUR, "simulation"
    return ITERATION_COLOURS[min(number, len(ITERATION_COLOURS)) - 1], f"iteration {number}"
