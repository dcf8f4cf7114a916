"""A page about the whole cluster in one file: power, grid, jobs, promises, the balance. Drawing apart, it is pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise

from vispa_green.energy.carbon import GridSignal, without_overlap
from vispa_green.energy.jobs import GridBackground, JobEnergy, energy_parts
from vispa_green.energy.power import CARRIED, IDLE, OTHERS, SYSTEM, NodePower, node_powers
from vispa_green.model import BalanceRow, JobPosting, NodeEnergy
from vispa_green.reports.plots import aligned_panels, calm, local_dates, svg_text
from vispa_green.reports.render import template
from vispa_green.times.local_zone import zone_name
from vispa_green.units import percent_text

NODES_DRAWN, JOBS_LISTED = 8, 100
SECONDS_MATTER = timedelta(hours=1)
"""On a page about a shorter time, times have seconds."""
JOB_COLOURS = ("#2f7d5b", "#d39b3a", "#5f7fa3", "#b5654a", "#7fb89a", "#8d6a9f")
FIXED_COLOURS = {OTHERS: "#6d7f76", CARRIED: "#bdc8c2", IDLE: "#e4e9e6", SYSTEM: "#a79bb0"}


@dataclass(frozen=True, slots=True)
class GreenJob:
    """One promised job, in words and times for the table and the shaded windows."""

    display_id: str
    user: str
    window_start: datetime
    window_end: datetime
    started: datetime | None
    finish_by: datetime | None
    promised: str
    measured: str
    saved_g: float | None
    verdict: str


@dataclass(frozen=True, slots=True)
class PageContent:
    """All that the page shows, of ``[start, end)``."""

    cluster: str
    start: datetime
    end: datetime
    zone: tzinfo
    made: datetime
    rows: Sequence[JobEnergy]
    postings: Sequence[JobPosting]
    energies: Sequence[NodeEnergy]
    grid: GridBackground
    green_jobs: Sequence[GreenJob]
    balance: Sequence[BalanceRow]


def page_html(content: PageContent) -> str:
    """Return the page; raise `MailError` where the ``report`` extra is not installed."""
    inside = [p for p in content.postings if p.end > content.start and p.start < content.end]
    names = {row.job_id: row.display_id for row in content.rows}
    nodes = node_powers(content.energies, inside, names, content.start, content.end)
    drawn = nodes[:NODES_DRAWN]
    keys = colour_keys(drawn)
    costly = sorted(content.rows, key=lambda row: -(row.energy_uj or -1))
    words = {
        "page": content,
        "local": lambda moment: _local(moment, content),
        "span": _span(content),
        "zone": zone_name(content.zone, content.made),
        "parts": energy_parts(without_overlap(inside)),
        "power": [(node, _power_svg(node, key, content), key) for node, key in zip(drawn, keys, strict=True)],
        "nodes_left_out": len(nodes) - NODES_DRAWN,
        "grid_svg": _grid_svg(content),
        "grid_words": grid_words(content),
        "rows": costly[:JOBS_LISTED],
        "rows_left_out": max(0, len(costly) - JOBS_LISTED),
        "co2": sum(row.co2_g for row in content.rows if row.co2_g is not None),
        "co2_known": any(row.co2_g is not None for row in content.rows),
        "broken": sum(row.difference_uj != 0 for row in content.balance),
    }
    return template("page.html", words)


def grid_words(content: PageContent) -> str:
    """Say what the grid plot shows."""
    said = []
    for signal, unit in ((content.grid.intensity, "g CO2/kWh"), (content.grid.renewable_share, "% renewable")):
        mean, known = signal.known_part(content.start, content.end) if signal else (None, 0.0)
        if mean is not None:
            part = "" if known >= 1 else f" (known for {percent_text(known)} of the time)"
            said.append(f"{mean:.0f} {unit}{part}")
    if not said:
        return "Nothing is known of the grid in this time."
    windows = len([job for job in content.green_jobs if _in_view(job, content)])
    shaded = f" {windows} green {'window is' if windows == 1 else 'windows are'} shaded." if windows else ""
    return f"Mean of the grid: {', '.join(said)}.{shaded}"


def _local(moment: datetime | None, content: PageContent) -> str:
    if moment is None:
        return "–"
    seconds = ":%S" if content.end - content.start < SECONDS_MATTER else ""
    return moment.astimezone(content.zone).strftime(f"%a %d %b %H:%M{seconds}")


def _span(content: PageContent) -> str:
    """Return the time of the page, the day only once if it is one."""
    clock = "%H:%M:%S" if content.end - content.start < SECONDS_MATTER else "%H:%M"
    start, end = content.start.astimezone(content.zone), content.end.astimezone(content.zone)
    until = clock if start.date() == end.date() else f"%a %d %b %Y {clock}"
    return f"{start.strftime(f'%a %d %b %Y {clock}')} – {end.strftime(until)}"


def _power_svg(node: NodePower, key: dict[str, str], content: PageContent) -> str:
    figure, [axes] = aligned_panels(2.3)
    edges = _numbers(node.bins.edges)
    below = [0.0 if known else math.nan for known in node.known]
    for label, values in node.series:
        top = [low + value for low, value in zip(below, values, strict=True)]
        axes.stairs(top, edges, baseline=below, fill=True, color=key[label])
        below = top
    calm(axes, "W")
    axes.set_ylim(bottom=0)
    local_dates(axes, content.start, content.end, content.zone)
    return svg_text(figure)


def colour_keys(nodes: Sequence[NodePower]) -> list[dict[str, str]]:
    """Return the colours of each plot by label; a job keeps its colour from node to node while there are enough."""
    chosen = dict(FIXED_COLOURS)
    keys = []
    for node in nodes:
        key: dict[str, str] = {}
        labels = [label for label, _ in node.series]
        for label in sorted(labels, key=lambda label: label not in chosen):
            colour = chosen.get(label)
            if colour is None or colour in key.values():
                free = [colour for colour in JOB_COLOURS if colour not in key.values()]
                colour = min(free, key=list(chosen.values()).count)
            key[label] = colour
            chosen.setdefault(label, colour)
        keys.append({label: key[label] for label in labels})
    return keys


def _grid_svg(content: PageContent) -> str:
    series = [
        (content.grid.intensity, "g CO2/kWh", "#b5654a"),
        (content.grid.renewable_share, "% renewable", "#2f7d5b"),
    ]
    known = [(signal, unit, colour) for signal, unit, colour in series if signal is not None]
    if not known:
        return ""
    figure, panels = aligned_panels(1.9 * len(known), len(known))
    for axes, (signal, unit, colour) in zip(panels, known, strict=True):
        moments, values = _steps(signal, content.start, content.end)
        axes.plot(_numbers(moments), values, color=colour, linewidth=1.6)
        for job in content.green_jobs:
            if _in_view(job, content):
                left, right = _numbers([job.window_start, job.window_end])
                axes.axvspan(left, right, color="#2f7d5b", alpha=0.13, linewidth=0)
        calm(axes, unit)
        axes.set_ylim(bottom=0)
        local_dates(axes, content.start, content.end, content.zone)
    return svg_text(figure)


def _steps(signal: GridSignal, start: datetime, end: datetime) -> tuple[list[datetime], list[float]]:
    """Return the corners of a step function; where nothing is known, a NaN breaks the line."""
    edges = [start, *(edge for edge in signal.edges if start < edge < end), end]
    moments: list[datetime] = []
    values: list[float] = []
    for begin, until in pairwise(edges):
        value, _ = signal.known_part(begin, until)
        moments += [begin, until]
        values += [math.nan if value is None else value] * 2
    return moments, values


def _numbers(moments: Sequence[datetime]) -> list[float]:
    from matplotlib.dates import date2num

    return [float(date2num(moment)) for moment in moments]  # type: ignore[no-untyped-call]


def _in_view(job: GreenJob, content: PageContent) -> bool:
    return job.window_start < content.end and job.window_end > content.start
