"""The pictures of a study's report. Text in them stays text, so that a page can recolour it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vispa_green.reports.plots import calm, legend_above, new_figure, svg_text
from vispa_green_sim.study.statistics import Estimate
from vispa_green_sim.study.summary import Effect, Noise

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WHOLE, JOBS, ADOPTERS, OTHERS = "#2f7d5b", "#d39b3a", "#5f7fa3", "#b5654a"
HOUR_S = 3600


def saved_figure(effects: Sequence[Effect], noise: Noise) -> Figure:
    """Draw the CO2 saved by scenario, of the whole machine and of what jobs cause, with intervals."""
    figure, axes = _rows(effects)
    edge = 2 * noise.dynamic_co2_pct
    axes.axvspan(-edge, edge, color="#8a968f", alpha=0.25, linewidth=0, label="noise of shaking (± 2 sd)")
    _points(axes, [effect.saved_pct for effect in effects], -0.14, WHOLE, "whole machine")
    _points(axes, [effect.dynamic_saved_pct for effect in effects], 0.14, JOBS, "jobs' part")
    _finish(axes, "CO2 saved, % of the reference run")
    return figure


def waits_figure(effects: Sequence[Effect]) -> Figure:
    """Draw the change of the mean wait of those who take part and of the others."""
    figure, axes = _rows(effects)
    _points(axes, [effect.adopters_wait_s for effect in effects], -0.14, ADOPTERS, "those who take part", HOUR_S)
    _points(axes, [effect.others_wait_s for effect in effects], 0.14, OTHERS, "the others", HOUR_S)
    _finish(axes, "change of the mean wait, h")
    return figure


def price_figure(effects: Sequence[Effect]) -> Figure:
    """Draw what is saved over what it costs in time: up and to the left is better."""
    figure = new_figure(7.6, 3.6)
    axes = figure.subplots()
    for number, effect in enumerate(effects, 1):
        x, y = effect.turnaround_s, effect.saved_pct
        axes.errorbar(
            [x.mean / HOUR_S],
            [y.mean],
            [[y.mean - y.low], [y.high - y.mean]],
            [[(x.mean - x.low) / HOUR_S], [(x.high - x.mean) / HOUR_S]],
            fmt="o",
            color=WHOLE,
            markersize=4,
            linewidth=1,
        )
        axes.annotate(str(number), (x.mean / HOUR_S, y.mean), xytext=(5, 4), textcoords="offset points", fontsize=8.5)
    calm(axes, "CO2 saved of the whole machine, % (numbers: rows of the table)")
    axes.set_xlabel("added to the mean time from submission to end, all jobs, h", fontsize=8.5)
    axes.axhline(0, color="#8a968f", linewidth=0.8)
    axes.axvline(0, color="#8a968f", linewidth=0.8)
    return figure


def svg(figure: Figure) -> str:
    """Return a figure as an element for the page."""
    return svg_text(figure)


def _rows(effects: Sequence[Effect]) -> tuple[Figure, Axes]:
    figure = new_figure(7.6, 1.0 + 0.42 * len(effects))
    axes = figure.subplots()
    axes.set_yticks(range(len(effects)), [f"{effect.name}  {row}" for row, effect in enumerate(effects, 1)])
    axes.set_ylim(len(effects) - 0.5, -0.5)
    axes.axvline(0, color="#8a968f", linewidth=0.8)
    return figure, axes


def _points(
    axes: Axes, values: Sequence[Estimate | None], shift: float, colour: str, label: str, unit: float = 1
) -> None:
    known = [(row + shift, value) for row, value in enumerate(values) if value is not None]
    if not known:
        return
    means = [value.mean / unit for _, value in known]
    spread = (
        [(value.mean - value.low) / unit for _, value in known],
        [(value.high - value.mean) / unit for _, value in known],
    )
    rows = [row for row, _ in known]
    axes.errorbar(means, rows, xerr=spread, fmt="o", color=colour, markersize=4, linewidth=1.4, label=label)


def _finish(axes: Axes, label: str) -> None:
    calm(axes, "")
    axes.set_xlabel(label, fontsize=8.5)  # not above: long names leave the legend no room beside it
    axes.yaxis.grid(visible=False)
    axes.xaxis.grid(visible=True, color="#e3e8e5", linewidth=0.8)
    legend_above(axes)
