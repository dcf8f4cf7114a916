"""Pictures of sr_gan: showers in three ways, their widths, and what few labelled events are worth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from vispa_green_jobs.catalogue.sr_gan import shapes
from vispa_green_jobs.catalogue.sr_gan.identification import Trend
from vispa_green_jobs.catalogue.sr_gan.judging import PIXEL_MM, widths
from vispa_green_jobs.catalogue.sr_gan.toy import SPLIT, Images, Showers
from vispa_green_jobs.shared.pictures import save

TRUE, CRYSTALS, ALONE, MADE = "#222222", "#999999", "#d55e00", "#0072b2"
SHOWN = 6
"""Crystals along the side of a drawn image."""


def draw_images(path: Path, showers: Showers, made: Images) -> None:
    """Draw one photon and two π⁰: crystals, made pixels, true pixels, in energy per pixel."""
    pions = np.flatnonzero(showers.is_pion)
    # π⁰ whose photons are as far apart as pixels can show: the widest and a usual one.
    by_width = pions[np.argsort(widths(showers, made)["true"][pions])]
    rows = [np.flatnonzero(~showers.is_pion)[0], by_width[len(by_width) // 2], by_width[-max(len(by_width) // 20, 1)]]
    figure = Figure(figsize=(7.6, 7.4), layout="constrained")
    panels = figure.subplots(3, 3, sharex=True, sharey=True)
    first = (showers.crystals.shape[1] - SHOWN) // 2
    reach = SHOWN * SPLIT * PIXEL_MM / 2
    for line, row, name in zip(panels, rows, ("photon", "π⁰", "wide π⁰"), strict=True):
        highest = float(showers.pixels[row].max())
        shown = (showers.crystals[row] / SPLIT**2, made[row], showers.pixels[row])
        for panel, image, size in zip(line, shown, (1, SPLIT, SPLIT), strict=True):
            cut = slice(first * size, (first + SHOWN) * size)
            drawn = panel.imshow(
                np.maximum(image[cut, cut], highest * 1e-4), norm=LogNorm(highest * 1e-3, highest), cmap="magma",
                extent=(-reach, reach, -reach, reach), origin="lower",
            )  # fmt: skip
        line[0].set_ylabel(f"{name}, {showers.pixels[row].sum():.0f} GeV\ny in mm")
        figure.colorbar(drawn, ax=line[-1], label="GeV per pixel")
    for panel, title in zip(panels[0], ("crystals (LR)", "made pixels (SR)", "true pixels (HR)"), strict=True):
        panel.set_title(title)
    for panel in panels[-1]:
        panel.set_xlabel("x in mm")
    save(figure, path)


def draw_widths(path: Path, showers: Showers, alone: Images, made: Images) -> None:
    """Draw the widths of photons and π⁰, and two shapes on which the critic insists."""
    figure = Figure(figsize=(10.5, 3.3), layout="constrained")
    panels = figure.subplots(1, 4)
    before, after = widths(showers, alone), widths(showers, made)
    for panel, name, rows in zip(panels, ("photons", "π⁰"), (~showers.is_pion, showers.is_pion), strict=False):
        edges = np.linspace(2.5, 13, 43)
        panel.stairs(
            np.histogram(after["true"][rows], edges)[0], edges, color=TRUE, fill=True, alpha=0.25, label="HR"
        )
        panel.stairs(np.histogram(after["crystals"][rows], edges)[0], edges, color=CRYSTALS, label="LR")
        panel.stairs(np.histogram(before["made"][rows], edges)[0], edges, color=ALONE, label="SR before the critic")
        panel.stairs(np.histogram(after["made"][rows], edges)[0], edges, color=MADE, label="SR")
        panel.set_title(name)
        panel.set_xlabel("width in mm")
    panels[0].set_ylabel("showers")
    panels[1].legend(fontsize="x-small")
    for panel, name, shape in zip(
        panels[2:], ("energy in hottest pixel", "roughness"), (shapes.hottest_share, shapes.roughness), strict=True
    ):
        values = [shape(images) for images in (showers.pixels, alone, made)]
        low, high = np.quantile(np.concatenate(values), (0.001, 0.999))
        edges = np.linspace(float(low), float(high), 41)
        for value, colour, fill in zip(values, (TRUE, ALONE, MADE), (True, False, False), strict=True):
            panel.stairs(np.histogram(value, edges)[0], edges, color=colour, fill=fill, alpha=0.25 if fill else 1)
        panel.set_xlabel(name)
    save(figure, path)


def draw_trend(path: Path, trend: Trend) -> None:
    """Draw the AUC of the same classifier on crystals and on made pixels, by the number of labelled events."""
    figure = Figure(figsize=(4.6, 3.4), layout="constrained")
    panel = figure.subplots()
    for name, values, colour in (("crystals", trend.crystals, CRYSTALS), ("made pixels", trend.made, MADE)):
        panel.errorbar(trend.events, values.mean(axis=1), values.std(axis=1), color=colour, marker="o", label=name)
    panel.set_xscale("log")
    panel.set_xticks(trend.events, [str(events) for events in trend.events])
    panel.set_xticks([], minor=True)
    panel.set_xlabel("labelled events")
    panel.set_ylabel("AUC of π⁰ against photons")
    panel.legend(fontsize="small")
    save(figure, path)
