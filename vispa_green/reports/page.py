"""A page about the whole cluster in one file: power, grid, jobs, promises, the balance. Drawing apart, it is pure.

The ledger tells over time what jobs were charged, so that is what the power plots show: each job's busy power, and
the idle power that jobs carry. Idle energy that nobody carried and the system's share are sums of the balance.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise

from vispa_green.carbon import GridSignal, without_overlap
from vispa_green.model import BalanceRow, JobId, JobPosting
from vispa_green.reports.jobs import GridBackground, JobEnergy, energy_parts
from vispa_green.reports.plots import calm, legend_above, local_dates, new_figure, svg_text
from vispa_green.reports.render import template
from vispa_green.reports.units import energy_text, percent_text

BINS = 192
SHORTEST_BIN = timedelta(minutes=1)
NODES_DRAWN, JOBS_DRAWN, JOBS_LISTED = 8, 6, 100
JOB_COLOURS = ("#2f7d5b", "#d39b3a", "#5f7fa3", "#b5654a", "#7fb89a", "#8d6a9f")
OTHERS, IDLE = "#a9b8b0", "#d9dedb"


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
class NodePower:
    """The mean power of one node by bin in W: of each drawn job, of the others, and idle carried by jobs."""

    node: str
    series: tuple[tuple[str, tuple[float, ...]], ...]
    energy_uj: int

    @property
    def peak_w(self) -> float:
        """The highest bin."""
        return max(map(sum, zip(*(values for _, values in self.series), strict=True)), default=0.0)


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
    grid: GridBackground
    green_jobs: Sequence[GreenJob]
    balance: Sequence[BalanceRow]


def page_html(content: PageContent) -> str:
    """Return the page; raise `MailError` where the ``report`` extra is not installed."""
    inside = [p for p in without_overlap(list(content.postings)) if p.end > content.start and p.start < content.end]
    names = {row.job_id: row.display_id for row in content.rows}
    nodes = node_powers(inside, names, content.start, content.end)
    parts = energy_parts(inside)
    costly = sorted(content.rows, key=lambda row: -(row.energy_uj or -1))
    words = {
        "page": content,
        "local": lambda moment: f"{moment.astimezone(content.zone):%a %d %b %H:%M}" if moment else "–",
        "parts": parts,
        "power": [(node, _power_svg(node, content), _power_words(node)) for node in nodes[:NODES_DRAWN]],
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


def node_powers(
    postings: Iterable[JobPosting], names: Mapping[JobId, str], start: datetime, end: datetime
) -> list[NodePower]:
    """Return the power of every node in equal bins over ``[start, end)``, the largest consumer first."""
    by_node: defaultdict[str, list[JobPosting]] = defaultdict(list)
    for posting in postings:
        by_node[posting.node].append(posting)
    width = max(SHORTEST_BIN, (end - start) / BINS)
    found = [_node_power(node, own, names, start, end, width) for node, own in by_node.items()]
    return sorted(found, key=lambda power: -power.energy_uj)


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


def _node_power(
    node: str,
    postings: Sequence[JobPosting],
    names: Mapping[JobId, str],
    start: datetime,
    end: datetime,
    width: timedelta,
) -> NodePower:
    bins = -(-(end - start) // width)
    total: defaultdict[JobId, int] = defaultdict(int)
    for posting in postings:
        total[posting.job_id] += posting.busy_uj
    drawn = sorted(total, key=lambda job: (-total[job], job))[:JOBS_DRAWN]
    series = {job: [0.0] * bins for job in [*drawn, "others", "idle"]}
    for posting in postings:
        busy = series[posting.job_id if posting.job_id in drawn else "others"]
        length = max(posting.end - posting.start, timedelta(microseconds=1))
        first = max(0, (posting.start - start) // width)
        for i in range(first, min(bins, -(-(posting.end - start) // width))):
            overlap = min(posting.end, start + (i + 1) * width) - max(posting.start, start + i * width)
            watts_per_uj = (overlap / length) / (width.total_seconds() * 1e6)
            busy[i] += posting.busy_uj * watts_per_uj
            series["idle"][i] += posting.idle_uj * watts_per_uj
    labels = {"others": "other jobs", "idle": "idle, carried"}
    named = [(labels.get(job, f"job {names.get(job, job)}"), tuple(values)) for job, values in series.items()]
    shown = tuple((label, values) for label, values in named if any(values))
    return NodePower(node, shown, sum(posting.busy_uj + posting.idle_uj for posting in postings))


def _power_words(node: NodePower) -> str:
    jobs = [label for label, _ in node.series if label.startswith("job ")]
    listed = f"; most used {', '.join(jobs[:3])}" if jobs else ""
    return f"{energy_text(node.energy_uj)} for jobs, at most {node.peak_w:.0f} W{listed}."


def _power_svg(node: NodePower, content: PageContent) -> str:
    figure = new_figure(8.4, 2.3)
    axes = figure.subplots()
    width = max(SHORTEST_BIN, (content.end - content.start) / BINS)
    bins = -(-(content.end - content.start) // width)
    edges = [content.start + i * width for i in range(bins + 1)]
    below = [0.0] * bins
    fixed = {"other jobs": OTHERS, "idle, carried": IDLE}
    for (label, values), colour in zip(node.series, [*JOB_COLOURS, OTHERS, IDLE], strict=False):
        top = [low + value for low, value in zip(below, values, strict=True)]
        axes.stairs(top, _numbers(edges), baseline=below, fill=True, color=fixed.get(label, colour), label=label)
        below = top
    calm(axes, "W")
    axes.set_ylim(bottom=0)
    local_dates(axes, content.start, content.end, content.zone)
    legend_above(axes)
    return svg_text(figure)


def _grid_svg(content: PageContent) -> str:
    series = [
        (content.grid.intensity, "g CO2/kWh", "#b5654a"),
        (content.grid.renewable_share, "% renewable", "#2f7d5b"),
    ]
    known = [(signal, unit, colour) for signal, unit, colour in series if signal is not None]
    if not known:
        return ""
    figure = new_figure(8.4, 1.9 * len(known))
    panels = figure.subplots(len(known), 1, sharex=True, squeeze=False)[:, 0]
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
