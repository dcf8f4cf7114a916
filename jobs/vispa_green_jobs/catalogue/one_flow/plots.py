"""Pictures of one_flow: marginals with ratios, and the correlations that are left to correct."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from vispa_green_jobs.catalogue.one_flow.toy import KINEMATICS, VARIABLES, Array, Sample
from vispa_green_jobs.shared.metrics import correlations
from vispa_green_jobs.shared.pictures import save

BINS = 40
DATA_COLOUR, SIMULATION_COLOUR, CORRECTED_COLOUR = "#222222", "#d55e00", "#0072b2"


def draw_marginals(path: Path, data: Sample, simulation: Sample, corrected: Sample, weights: Array) -> None:
    """Draw the four variables, and simulation ÷ data below each, before and after."""
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    panels = figure.subplots(2, len(VARIABLES), sharex="col", height_ratios=(3, 1))
    for index, name in enumerate(VARIABLES):
        upper, lower = panels[0][index], panels[1][index]
        truth = data.variables[:, index]
        edges = np.linspace(float(np.quantile(truth, 0.001)), float(np.quantile(truth, 0.995)), BINS + 1)
        counts = np.histogram(truth, edges)[0]
        upper.stairs(counts, edges, color=DATA_COLOUR, fill=True, alpha=0.25, label="data")
        lower.axhline(1, color=DATA_COLOUR, linewidth=0.8)
        for sample, colour, label in (
            (simulation, SIMULATION_COLOUR, "simulation"),
            (corrected, CORRECTED_COLOUR, "corrected"),
        ):
            drawn = np.histogram(sample.variables[:, index], edges, weights=weights)[0]
            upper.stairs(drawn, edges, color=colour, label=label)
            ratio = np.divide(drawn, counts, out=np.full(BINS, np.nan), where=counts > 0)
            lower.stairs(ratio, edges, color=colour)
        upper.set_yscale("log")
        lower.set_ylim(0.5, 1.5)
        lower.set_xlabel(name)
    panels[0][0].legend(fontsize="small")
    panels[0][0].set_ylabel("events")
    panels[1][0].set_ylabel("÷ data")
    save(figure, path)


def draw_correlations(path: Path, data: Sample, simulation: Sample, corrected: Sample, weights: Array) -> None:
    """Draw the difference of all correlations to those of data, before and after."""
    names = (*KINEMATICS, *VARIABLES)
    truth = correlations(data.all_columns)
    figure = Figure(figsize=(7.5, 3.4), layout="constrained")
    for panel, sample, title in zip(
        figure.subplots(1, 2), (simulation, corrected), ("simulation − data", "corrected − data"), strict=True
    ):
        image = panel.imshow(correlations(sample.all_columns, weights) - truth, cmap="RdBu", vmin=-0.35, vmax=0.35)
        panel.set_title(title)
        panel.set_xticks(range(len(names)), names, rotation=60)
        panel.set_yticks(range(len(names)), names)
    figure.colorbar(image, ax=figure.axes, label="difference of correlation")
    save(figure, path)
