"""The pictures of energy_regression: responses of showers, the restless adversary, jets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from vispa_green_jobs.catalogue.energy_regression.jet_regression import JetResults
from vispa_green_jobs.catalogue.energy_regression.judging import Response
from vispa_green_jobs.catalogue.energy_regression.pivot import Course
from vispa_green_jobs.shared.pictures import save

GREY, ORANGE, BLUE, GREEN = "#777777", "#d55e00", "#0072b2", "#009e73"


def draw_showers(path: Path, judged: Mapping[str, Response]) -> None:
    """Draw bias and resolution against the energy, for the line and both networks."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for (name, found), colour in zip(judged.items(), (GREY, ORANGE, BLUE), strict=True):
        left.plot(found.truth, found.bias, color=colour, marker="o", markersize=3, label=name)
        right.plot(found.truth, found.width / np.sqrt(found.truth), color=colour, marker="o", markersize=3)
    left.axhspan(-0.1, 0.1, color=BLUE, alpha=0.12, linewidth=0, label="claimed of the likelihood")
    left.set_ylabel("bias in GeV")
    left.legend(fontsize="small", loc="lower left")
    right.set_ylabel("σ/√E in √GeV")
    right.set_ylim(0, None)
    for panel in (left, right):
        panel.set_xlabel("true energy in GeV")
    left.set_title("the squared error bends where the spectrum ends", fontsize="medium")
    right.set_title("and seems to know better there", fontsize="medium")
    save(figure, path)


def draw_courses(path: Path, courses: Mapping[str, Course]) -> None:
    """Draw how the biases move while training goes on, with an adversary and without."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for (name, course), colour in zip(courses.items(), (GREEN, ORANGE, BLUE), strict=True):
        turns = np.arange(1, len(course.last_bin) + 1)
        left.plot(turns, course.last_bin, color=colour, marker="o", markersize=3, label=name)
        right.plot(turns, course.largest, color=colour, marker="o", markersize=3)
    left.axhline(0, color=GREY, linewidth=0.8)
    left.set_title("bias of the last bin", fontsize="medium")
    right.set_title("largest |bias| of all bins above 0.5 GeV", fontsize="medium")
    right.set_yscale("log")
    left.legend(fontsize="small")
    for panel in (left, right):
        panel.set_xlabel("turns at a constant rate")
        panel.set_ylabel("GeV")
    save(figure, path)


def draw_jets(path: Path, results: JetResults) -> None:
    """Draw the bias by stage, and the width predicted for groups of jets against what is found."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    for (name, found), colour in zip(results.responses.items(), (GREY, ORANGE, GREEN, BLUE), strict=True):
        left.plot(found.truth, found.bias, color=colour, marker="o", markersize=3, label=name)
    left.axhline(0, color=GREY, linewidth=0.8)
    left.set_xlabel("true pT in GeV")
    left.set_ylabel("bias in GeV")
    left.legend(fontsize="small")
    both = np.concatenate([results.predicted_width, results.found_width])
    ends = both.min() - 0.05, both.max() + 0.05
    right.plot(ends, ends, color=GREY, linewidth=0.8)
    right.plot(results.predicted_width, results.found_width, color=BLUE, marker="o", linestyle="none")
    right.set_xlabel("predicted σ ÷ σ(pT), fifths of all jets")
    right.set_ylabel("found σ ÷ σ(pT)")
    save(figure, path)
