"""The pictures of the reports, drawn by matplotlib without its global state. Imports it only when called."""

from __future__ import annotations

import io
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any

from vispa_green.errors import MailError
from vispa_green.units import UJ_PER_J, UJ_PER_WH

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, FAINT, GRID_LINE = "#33413b", "#77857e", "#e3e8e5"
COMPONENTS = (
    ("cpu_uj", "CPU", "#2f7d5b"),
    ("dram_uj", "memory", "#7fb89a"),
    ("gpu_uj", "GPU", "#d39b3a"),
    ("node_uj", "node", "#5f7fa3"),
    ("idle_uj", "idle", "#c3cbc7"),
)
"""The parts of a job's energy, with their names and colours; told apart in grey print too by their order."""


def missing_extra() -> MailError:
    """Return the error for an installation without what reports need."""
    return MailError("reports need matplotlib, pillow and jinja2: run `pip install 'vispa-green[report]'`")


def new_figure(width_in: float, height_in: float, *, fitted: bool = True) -> Figure:
    """Return an empty figure, its margins ``fitted`` to the labels; raise `MailError` where matplotlib is missing."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise missing_extra() from error
    return Figure(figsize=(width_in, height_in), layout="constrained" if fitted else None)


def aligned_panels(height_in: float, panels: int = 1) -> tuple[Figure, list[Axes]]:
    """Return axes one above the other, whose sides are in the same place in every figure of a page."""
    figure = new_figure(8.4, height_in, fitted=False)
    axes = figure.subplots(panels, 1, sharex=True, squeeze=False)[:, 0]
    figure.subplots_adjust(
        left=0.055, right=0.985, top=1 - 0.27 / height_in, bottom=0.28 / height_in, hspace=0.4 / height_in * panels
    )
    return figure, list(axes)


def energy_unit(largest_uj: int) -> tuple[str, int]:
    """Return the unit in which ``largest_uj`` is easy to read, and its µJ."""
    if largest_uj >= 1000 * UJ_PER_WH:
        return "kWh", 1000 * UJ_PER_WH
    return ("Wh", UJ_PER_WH) if largest_uj >= UJ_PER_WH else ("J", UJ_PER_J)


def calm(axes: Axes, y_label: str) -> None:
    """Take away what says nothing: frame, ticks, and lines that shout."""
    axes.spines[:].set_visible(False)
    axes.spines["bottom"].set_visible(True)
    axes.spines["bottom"].set_color(FAINT)
    axes.tick_params(length=0, labelsize=8.5, labelcolor=INK)
    axes.yaxis.grid(visible=True, color=GRID_LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_title(y_label, loc="left", fontsize=8.5, color=FAINT)


def legend_above(axes: Axes) -> None:
    """Put the legend in one line above the axes, at the right."""
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1, 1),
        ncols=6,
        frameon=False,
        fontsize=8.5,
        labelcolor=INK,
        handlelength=0.9,
        handleheight=0.9,
        columnspacing=1.2,
        borderaxespad=0.2,
    )


def local_dates(axes: Axes, start: datetime, end: datetime, zone: tzinfo) -> None:
    """Label the time axis in ``zone``."""
    from matplotlib import dates

    locator = dates.AutoDateLocator(tz=zone, minticks=3, maxticks=8)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    formatter = dates.ConciseDateFormatter(  # type: ignore[no-untyped-call]
        locator, tz=zone, formats=["%Y", "%b", "%d %b", "%H:%M", "%H:%M", "%H:%M:%S"], show_offset=False
    )
    formatter.zero_formats = ["", "%Y", "%d %b", "%d %b", "%H:%M", "%H:%M:%S"]
    axes.xaxis.set_major_formatter(formatter)
    axes.set_xlim(start, end)  # type: ignore[arg-type]  # matplotlib takes datetimes


def svg_text(figure: Figure) -> str:
    """Return a figure as an ``<svg>`` element for a page, with text as text."""
    from matplotlib import rc_context

    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "vispa-green"}):
        text = _saved(figure, "svg", transparent=True, metadata={"Date": None, "Creator": None}).decode()
    return text[text.index("<svg") :]


def _saved(figure: Figure, form: str, **options: Any) -> bytes:  # noqa: ANN401 - matplotlib's own options
    buffer = io.BytesIO()
    figure.savefig(buffer, format=form, **options)
    return buffer.getvalue()
