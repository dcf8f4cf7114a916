"""Pictures of learn_to_bin: significance by the number of bins, and the plug-in's own of boundaries and regions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure
from vispa_green_binning import load
from vispa_green_binning.plots import draw_scores, draw_yields

from vispa_green_jobs.catalogue.learn_to_bin.bench import BINARY, LIMITED, Bench, Judged, on
from vispa_green_jobs.context import RunContext
from vispa_green_jobs.shared.pictures import save

STYLES = {
    "exact": ("s", "#222222", "optimum (dynamic programming)"),
    "gmm": ("o", "#0072b2", "Gaussian mixture"),
    "bayesian": ("^", "#009e73", "Bayesian"),
    "equidistant": ("x", "#d55e00", "equidistant"),
}


def draw_significances(path: Path, intervals: Mapping[int, Mapping[str, Judged]]) -> None:
    """Draw the significance on unseen events by the number of bins of one score."""
    figure = Figure(figsize=(6, 3.4), layout="constrained")
    panel = figure.subplots()
    numbers = list(intervals)
    for name, (marker, colour, label) in STYLES.items():
        values = [judged[name]["unseen"] for judged in intervals.values()]
        panel.plot(numbers, values, marker=marker, color=colour, label=label, fillstyle="none", linewidth=0.8)
    panel.set(xlabel="bins of one score", ylabel="significance on unseen events, σ", xticks=numbers)
    panel.legend(fontsize="small")
    save(figure, path)


def draw_bins(context: RunContext, bench: Bench) -> None:
    """Draw boundaries in one score, regions in two, and what unseen events put into these."""
    boundaries = load(bench.boundaries(BINARY, f"{bench.settings.bins[-1]}-gmm"))
    sample = bench.unseen(BINARY)
    save(draw_scores(boundaries, sample.signals, sample.background), context.plot("boundaries"))
    regions, sample = load(bench.boundaries(LIMITED, "gmm")), bench.unseen(LIMITED)
    save(draw_scores(regions, sample.signals, sample.background), context.plot("regions"))
    save(draw_yields(on(regions, sample), "limited separability"), context.plot("yields"))
