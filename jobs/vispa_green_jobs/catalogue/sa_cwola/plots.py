"""Pictures of sa_cwola: what a cut gains at each signal efficiency, and what each method calls signal-like."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from vispa_green_jobs.catalogue.sa_cwola import toy
from vispa_green_jobs.catalogue.sa_cwola.exact import Score
from vispa_green_jobs.catalogue.sa_cwola.toy import Array, Samples
from vispa_green_jobs.shared.pictures import save

LABELS = {
    "cwola": ("CWoLa", "#d55e00"),
    "data_vs_sim": ("data vs simulation", "#999999"),
    "salad": ("SALAD", "#009e73"),
    "sa_cwola": ("SA-CWoLa", "#0072b2"),
    "optimal_cwola": ("CWoLa with true background", "#cc79a7"),
    "supervised": ("supervised", "#222222"),
}
IN_PLANES = ("cwola", "salad", "sa_cwola", "supervised")
SHARES = (0.5, 0.8, 0.95)
"""Of the data in the signal region, below the contours."""
CIRCLES = (
    (toy.DATA_REGION, 1.0, "#ffffff", "background, signal region"),
    (toy.DATA_SIDEBAND, 1.0, "#ff9d5c", "background, sideband"),
    (toy.SIGNAL, toy.SIGNAL_VARIANCE**0.5, "#ff2a2a", "signal"),
)
"""Centres, one standard deviation around them, and how they are drawn."""


def sic_curve(signal: Array, background: Array, fewest_background: int) -> tuple[Array, Array]:
    """Return ε_S and ε_S/√ε_B of all cuts that keep at least so many background events, the tightest first."""
    cuts = np.sort(background)[::-1][fewest_background - 1 :]
    kept = np.arange(fewest_background, len(background) + 1) / len(background)
    efficiency: Array = 1 - np.searchsorted(np.sort(signal), cuts, side="left") / len(signal)
    return efficiency, efficiency / np.sqrt(kept)


def draw_sic(
    path: Path,
    learnt: Mapping[str, Score],
    ideal: Mapping[str, Score],
    signal: Array,
    background: Array,
    fewest_background: int,
) -> None:
    """Draw the significance improvement of each method, learnt and of endless events."""
    figure = Figure(figsize=(7.5, 4.2), layout="constrained")
    panel = figure.subplots()
    fewest = min(fewest_background, len(background))
    for name, (label, colour) in LABELS.items():
        for score, line, text in ((learnt[name], "solid", label), (ideal[name], "dotted", None)):
            panel.plot(*sic_curve(score(signal), score(background), fewest), color=colour, linestyle=line, label=text)
    panel.plot([], [], color="#777777", linestyle="dotted", label="of endless events")
    panel.axhline(1, color="#777777", linewidth=0.6)
    panel.set_xlabel("signal efficiency")
    panel.set_ylabel("ε(signal) / √ε(background)")
    panel.set_title(f"cuts that keep ≥ {fewest} of {len(background)} background events", fontsize="medium")
    panel.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1.0, 1.0))
    save(figure, path)


def draw_planes(path: Path, learnt: Mapping[str, Score], samples: Samples) -> None:
    """Draw what four of the methods call signal-like, over the background of the two regions and the signal."""
    figure = Figure(figsize=(11, 3.2), layout="constrained")
    axis = np.linspace(-3.5, 4.5, 161)
    plane = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    for panel, name in zip(figure.subplots(1, len(IN_PLANES), sharey=True), IN_PLANES, strict=True):
        reference = np.sort(learnt[name](samples.data_region))
        share = (np.searchsorted(reference, learnt[name](plane)) / len(reference)).reshape(len(axis), len(axis))
        drawn = panel.pcolormesh(axis, axis, share, cmap="viridis", vmin=0, vmax=1)
        panel.contour(axis, axis, share, levels=SHARES, colors="white", linewidths=0.7)
        for centre, radius, colour, label in CIRCLES:
            panel.plot(*_circle(centre, radius), color=colour, linewidth=1.6, label=label)
        panel.set_title(LABELS[name][0], fontsize="medium")
        panel.set_xlabel("first feature")
    figure.axes[0].set_ylabel("second feature")
    figure.axes[0].legend(fontsize="x-small", loc="lower left", facecolor="#444444", labelcolor="white")
    figure.colorbar(drawn, ax=figure.axes, label="share of data below this score")
    save(figure, path)


def _circle(centre: tuple[float, float], radius: float) -> tuple[Array, Array]:
    angle = np.linspace(0, 2 * np.pi, 100)
    return centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle)
