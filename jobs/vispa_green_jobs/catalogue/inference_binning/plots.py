"""The picture of inference_binning: what is expected in each bin, before and after."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure

from vispa_green_jobs.catalogue.inference_binning.measurement import Templates, sigma_mu
from vispa_green_jobs.shared.pictures import save

COLOURS = {"background": "#999999", "signal": "#d55e00", "up": "#0072b2", "down": "#009e73"}


def draw_templates(path: Path, judged: Mapping[str, Templates]) -> None:
    """Draw the four templates of every stage in hard bins of unseen events."""
    figure = Figure(figsize=(9, 3), layout="constrained")
    for panel, (stage, expected) in zip(figure.subplots(1, len(judged), sharey=True), judged.items(), strict=True):
        for name, colour in COLOURS.items():
            panel.stairs(expected[name].numpy(), color=colour, label=name, fill=name == "background", alpha=0.8)
        panel.set_title(f"{stage}: σ(μ) = {float(sigma_mu(expected)):.3f}")
        panel.set_xlabel("bin")
        panel.set_yscale("log")
        panel.set_ylim(0.05, 150)
    figure.axes[0].set_ylabel("expected events")
    figure.axes[0].legend(fontsize="small")
    save(figure, path)
