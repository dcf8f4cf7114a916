"""Pictures of inferno: bins and what moves them, σ(s) by benchmark, and where in space the bins lie."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from vispa_green_jobs.catalogue.inferno import toy
from vispa_green_jobs.catalogue.inferno.exact import PUBLISHED_CROSS_ENTROPY, PUBLISHED_INFERNO
from vispa_green_jobs.catalogue.inferno.measurement import Expectation
from vispa_green_jobs.catalogue.inferno.toy import Array
from vispa_green_jobs.shared.pictures import save

CE_COLOUR, INFERNO_COLOUR, BOUND_COLOUR = "#d55e00", "#0072b2", "#222222"
LINES = ("solid", "dashed", "dotted", "dashdot", (0, (1, 4)))
"""Of networks trained for up to five benchmarks."""
NUISANCE_STEPS = {"r + 0.4": (1, 0.4, "#009e73"), "λ + 1": (2, 1.0, "#cc79a7")}
"""Column of the Jacobian, step and colour of what is drawn; the steps are the widths of benchmark 3."""


def draw_measurement(
    path: Path, judged: Mapping[str, Expectation], sigmas: Mapping[str, Sequence[float]], bounds: Sequence[float]
) -> None:
    """Draw how the signal and the nuisance parameters move the bins of two networks, and σ(s) of all."""
    figure = Figure(figsize=(12.5, 3.4), layout="constrained")
    panels = figure.subplots(1, 3)
    others = [name for name in judged if name != "ce"]
    shown = ["ce", "inferno2"] if "inferno2" in others else ["ce", *others[:1]]
    for panel, name in zip(panels, shown, strict=False):
        _draw_moves(panel, judged[name])
        panel.set_title(f"{_title(name)}: σ(s) = {sigmas[name][2]:.1f} in benchmark 2", fontsize="medium")
    panels[0].set_ylabel("change of expected events ÷ √expected")
    panels[0].legend(fontsize="small")
    _draw_sigmas(panels[2], sigmas, bounds)
    save(figure, path)


def draw_regions(path: Path, binnings: Mapping[str, Callable[[Tensor], Tensor]], bins: int) -> None:
    """Draw the bin of each point of the plane x₀, x₁ at a usual x₂, with the two species' 1σ ellipses."""
    figure = Figure(figsize=(3.6 * len(binnings), 3.4), layout="constrained")
    x0, x1 = np.linspace(-5, 9, 281), np.linspace(-7, 7, 281)
    plane = np.stack(np.meshgrid(x0, x1), axis=-1).reshape(-1, 2)
    points = torch.from_numpy(np.column_stack([plane, np.full(len(plane), 0.25)]).astype(np.float32))
    for panel, (name, binning) in zip(
        np.atleast_1d(figure.subplots(1, len(binnings))), binnings.items(), strict=True
    ):
        with torch.no_grad():
            found = binning(points).numpy().reshape(len(x1), len(x0))
        panel.pcolormesh(x0, x1, found, cmap="tab10" if name != "ce" else "viridis", vmin=0, vmax=bins - 1)
        _draw_ellipse(panel, toy.SIGNAL_CENTRE, (1.0, 1.0), "solid", "signal")
        _draw_ellipse(panel, (toy.BACKGROUND_X0, 0.0), toy.BACKGROUND_WIDTHS, "dashed", "background")
        panel.set_title(f"bins of {_title(name)}, x₂ = 0.25", fontsize="medium")
        panel.set_xlabel("x₀")
    figure.axes[0].set_ylabel("x₁")
    figure.axes[0].legend(fontsize="small", loc="lower right")
    save(figure, path)


def _draw_moves(panel: Axes, expected: Expectation) -> None:
    """Draw what 50 signal events and a step of each nuisance parameter do to the bins, in standard deviations."""
    order = torch.argsort(expected.jacobian[:, 0] / expected.counts)
    deviation = expected.counts[order].sqrt()
    signal = toy.SIGNAL_YIELD * expected.jacobian[order, 0] / deviation
    panel.stairs(signal.numpy(), color="#999999", fill=True, alpha=0.6, label="signal, 50 events")
    for label, (column, step, colour) in NUISANCE_STEPS.items():
        move = step * expected.jacobian[order, column] / deviation
        panel.stairs(move.numpy(), color=colour, linewidth=1.8, label=label)
    panel.axhline(0, color="#222222", linewidth=0.6)
    panel.set_xlabel("bin, by purity")


def _draw_sigmas(panel: Axes, sigmas: Mapping[str, Sequence[float]], bounds: Sequence[float]) -> None:
    at = np.arange(len(bounds))
    panel.plot(at, sigmas["ce"], "o-", color=CE_COLOUR, label="cross-entropy")
    panel.plot(at, PUBLISHED_CROSS_ENTROPY, "o", color=CE_COLOUR, markerfacecolor="none", markersize=10)
    others = [name for name in sigmas if name != "ce"]
    for name, line in zip(others, LINES, strict=False):
        panel.plot(
            at, sigmas[name], "s", linestyle=line, color=INFERNO_COLOUR, label=f"INFERNO, trained for {name[-1]}"
        )
    panel.plot(at, PUBLISHED_INFERNO, "s", color=INFERNO_COLOUR, markerfacecolor="none", markersize=10)
    panel.plot(at, bounds, "_", color=BOUND_COLOUR, markersize=22, label="analytic bound")
    panel.plot([], [], "o", color="#777777", markerfacecolor="none", markersize=10, label="published")
    panel.set_xticks(at)
    panel.set_xlabel("benchmark")
    panel.set_ylabel("σ(s), events")
    panel.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _draw_ellipse(
    panel: Axes, centre: tuple[float, float], widths: tuple[float, float], line: str, label: str
) -> None:
    angle: Array = np.linspace(0, 2 * np.pi, 200)
    x, y = centre[0] + widths[0] * np.cos(angle), centre[1] + widths[1] * np.sin(angle)
    panel.plot(x, y, color="white", linestyle=line, label=label)


def _title(name: str) -> str:
    return "cross-entropy" if name == "ce" else f"INFERNO {name.removeprefix('inferno')}"
