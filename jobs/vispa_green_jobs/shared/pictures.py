"""Writing a picture without a screen."""

from __future__ import annotations

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, in the size of all the jobs' pictures."""
    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=80)
