"""Pictures of a binning: yields per bin, and the regions in score space. Each returns a Matplotlib figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vispa_green_binning.binning import Bins
from vispa_green_binning.errors import BinningError, MissingExtra
from vispa_green_binning.evaluation import Evaluation
from vispa_green_binning.sample import Floats, Sample, SampleLike, as_signals

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PIXELS = 250
SHOWN = 1500
"""Events per signal in the plane."""


def draw_yields(evaluation: Evaluation, title: str = "") -> Figure:
    """Return signal and background per bin on a logarithmic scale, each bin's significance below."""
    figure = _figure(6.4, 4.8)
    upper, lower = figure.subplots(2, sharex=True, height_ratios=(3, 1))
    bins = np.arange(len(evaluation.background))
    upper.bar(bins, evaluation.background, width=1, color="0.85", edgecolor="0.6", label="background")
    upper.errorbar(bins, evaluation.background, evaluation.background_sigma, fmt="none", ecolor="0.4")
    others = evaluation.signals.sum(axis=0)
    for name, row in zip(evaluation.names, evaluation.signals, strict=True):
        (line,) = upper.step(bins, np.where(row > 0, row, np.nan), where="mid", label=name)
        below = evaluation.background + others - row
        lower.plot(bins, row / np.sqrt(np.where(below > 0, below, np.nan)), "o", color=line.get_color())
    values = ", ".join(f"{name} {z:.3f}σ" for name, z in evaluation.significances.items())
    upper.set(yscale="log", ylabel="events", title=f"{title}: {values}" if title else values)
    upper.legend(loc="upper right")
    lower.set(xlabel="bin", ylabel="S/√B", xticks=bins)
    return figure


def draw_scores(binning: Bins, signal: SampleLike, background: SampleLike) -> Figure:
    """Return where the bins lie: boundaries over the score's distributions, or regions in the plane of two scores."""
    signals = as_signals(signal)
    below = Sample.of(background, "the background")
    dimensions = below.dimensions
    if dimensions > 2:
        raise BinningError(f"{dimensions} scores cannot be drawn in a plane; give one or two")
    figure = _figure(6.4, 4.8)
    axes = figure.subplots()
    if dimensions == 1:
        edges = np.histogram_bin_edges(below.scores[:, 0], 60).tolist()
        for name, sample in {"background": below, **signals}.items():
            axes.hist(sample.scores[:, 0], edges, weights=sample.weights, histtype="step", label=name)
        for cut in getattr(binning, "edges", ()):
            axes.axvline(cut, color="0.3", linewidth=0.8, linestyle="--")
        axes.set(xlabel="score", ylabel="events", yscale="log")
        axes.legend(loc="upper right")
        return figure
    _draw_regions(axes, binning, np.concatenate([sample.scores for sample in (*signals.values(), below)]))
    for name, sample in signals.items():
        shown = sample.scores[:: max(1, len(sample.scores) // SHOWN)]
        axes.plot(*shown.T, ".", markersize=1, label=name)
    axes.set(xlabel="score 1", ylabel="score 2")
    axes.legend(loc="upper right", markerscale=6)
    return figure


def _draw_regions(axes: Axes, binning: Bins, scores: Floats) -> None:
    low, high = scores.min(axis=0), scores.max(axis=0)
    centres = [a + (np.arange(PIXELS) + 0.5) / PIXELS * (b - a) for a, b in zip(low, high, strict=True)]
    points = np.stack(np.meshgrid(*centres), axis=-1).reshape(-1, 2)
    labels = binning.assign(points).reshape(PIXELS, PIXELS).astype(float)
    if high.max() <= 1 and low.min() >= 0:  # softmax scores do not add up to more than 1
        labels[points.sum(axis=1).reshape(PIXELS, PIXELS) > 1] = np.nan
    # ordered colours, as bins are ordered by S/B; lines, as neighbours need not differ by one
    axes.pcolormesh(*centres, labels, cmap="YlGnBu", alpha=0.6, shading="nearest", rasterized=True)
    axes.contour(*centres, labels, levels=np.arange(binning.n_bins) + 0.5, colors="0.2", linewidths=0.6)
    for number in range(binning.n_bins):
        rows, columns = np.nonzero(labels == number)
        if len(rows):
            axes.text(centres[0][columns].mean(), centres[1][rows].mean(), str(number), weight="bold", zorder=5)


def _figure(width: float, height: float) -> Figure:
    """Return a figure without pyplot, whose global state would choose the user's backend."""
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as absent:
        raise MissingExtra("matplotlib") from absent
    return Figure(figsize=(width, height), layout="constrained")
