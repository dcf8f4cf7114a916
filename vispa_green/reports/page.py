"""A page about the whole cluster in one file: power, grid, jobs, promises, the balance. Drawing apart, it is pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise

from vispa_green.answers.page import ClusterAnswer
from vispa_green.energy.carbon import GridSignal
from vispa_green.energy.parts import energy_parts
from vispa_green.energy.power import CARRIED, IDLE, OTHERS, SYSTEM, NodePower, node_powers
from vispa_green.model import Promise, Quantity
from vispa_green.reports.plots import aligned_panels, calm, local_dates, svg_text
from vispa_green.reports.render import template
from vispa_green.shifting.promises import Outcome
from vispa_green.times.local_zone import zone_name
from vispa_green.units import percent_text

NODES_DRAWN, JOBS_LISTED = 8, 100
ROUNDING = timedelta(minutes=1)
"""A job that starts within this of its submission was not shifted."""
SECONDS_MATTER = timedelta(hours=1)
"""On a page about a shorter time, times have seconds."""
JOB_COLOURS = ("#2f7d5b", "#d39b3a", "#5f7fa3", "#b5654a", "#7fb89a", "#8d6a9f")
FIXED_COLOURS = {OTHERS: "#6d7f76", CARRIED: "#bdc8c2", IDLE: "#e4e9e6", SYSTEM: "#a79bb0"}


@dataclass(frozen=True, slots=True)
class GreenJob:
    """One promised job, in words and times for the table."""

    display_id: str
    user: str
    window_start: datetime
    started: datetime | None
    promised: str
    measured: str
    saved_g: float | None
    verdict: str


@dataclass(frozen=True, slots=True)
class Page:
    """An answer, and in what zone and when it is told."""

    answer: ClusterAnswer
    cluster: str
    zone: tzinfo
    made: datetime

    @property
    def start(self) -> datetime:
        """From when on."""
        return self.answer.start

    @property
    def end(self) -> datetime:
        """Until when."""
        return self.answer.end

    @property
    def signals(self) -> list[tuple[GridSignal, str, str]]:
        """The grid's series that are known, with unit and colour."""
        series = (
            (self.answer.intensity, "g CO2/kWh", "#b5654a"),
            (self.answer.renewable_share, "% renewable", "#2f7d5b"),
        )
        return [(signal, unit, colour) for signal, unit, colour in series if signal is not None]


def page_html(answer: ClusterAnswer, cluster: str, zone: tzinfo, made: datetime) -> str:
    """Return the page; raise `MailError` where the ``report`` extra is not installed."""
    page = Page(answer, cluster, zone, made)
    names = {row.key: row.display_id for row in answer.rows}
    nodes = node_powers(answer.energies, answer.postings, names, answer.start, answer.end)
    drawn = nodes[:NODES_DRAWN]
    keys = colour_keys(drawn)
    ran = [row for row in answer.rows if row.has_run]
    costly = sorted(ran, key=lambda row: -(row.energy_uj or -1))
    words = {
        "page": page,
        "green_jobs": [_green_job(one, shown) for one, shown in
                       zip(answer.green.outcomes, answer.green.shown, strict=True)],
        "balance": answer.balance,
        "waiting": sum(not row.has_run and row.end is None for row in answer.rows),
        "ran": len(ran),
        "local": lambda moment: _local(moment, page),
        "span": _span(page),
        "zone": zone_name(zone, made),
        "parts": energy_parts(answer.postings),
        "power": [(node, _power_svg(node, key, page), key) for node, key in zip(drawn, keys, strict=True)],
        "nodes_left_out": len(nodes) - NODES_DRAWN,
        "grid_svg": _grid_svg(page),
        "grid_words": grid_words(page),
        "rows": costly[:JOBS_LISTED],
        "rows_left_out": max(0, len(costly) - JOBS_LISTED),
        "co2": sum(row.co2_g for row in ran if row.co2_g is not None),
        "co2_known": any(row.co2_g is not None for row in ran),
        "broken": sum(row.difference_uj != 0 for row in answer.balance),
    }  # fmt: skip
    return template("page.html", words)


def _green_job(found: Outcome, shown: str) -> GreenJob:
    promise = found.promise
    unit = "g CO2/kWh" if promise.quantity is Quantity.CARBON_INTENSITY else "% renewable"
    return GreenJob(
        display_id=shown,
        user=promise.user,
        window_start=found.planned,
        started=found.start,
        promised="–" if promise.mean is None else f"{promise.mean:.0f} {unit}",
        measured="–" if found.measured_mean is None else f"{found.measured_mean:.0f} {unit}",
        saved_g=found.saved_g,
        verdict=found.verdict.value,
    )


def green_windows(page: Page) -> list[tuple[datetime, datetime]]:
    """Return the planned times of green jobs that were moved to greener hours, and only those."""
    found = []
    for one in page.answer.green.outcomes:
        promise = one.promise
        is_moved = one.planned - promise.submitted > ROUNDING
        is_greener = _is_greener(promise)
        window = one.planned, one.planned + promise.duration
        if is_moved and is_greener and window[0] < page.end and window[1] > page.start:
            found.append(window)
    return found


def _is_greener(promise: Promise) -> bool:
    """Say whether the plan was greener than the time of submission, by what was known then."""
    if promise.mean is None or promise.mean_if_started_now is None:
        return False
    gain = promise.mean_if_started_now - promise.mean
    return gain > 0 if promise.quantity.lower_is_greener else gain < 0


def grid_words(page: Page) -> str:
    """Say what the grid plot shows."""
    said = []
    for signal, unit, _ in page.signals:
        mean, known = signal.known_part(page.start, page.end)
        if mean is not None:
            part = "" if known >= 1 else f" (known for {percent_text(known)} of the time)"
            said.append(f"{mean:.0f} {unit}{part}")
    if not said:
        return "Nothing is known of the grid in this time."
    windows = len(green_windows(page))
    shaded = f" {windows} green {'window is' if windows == 1 else 'windows are'} shaded." if windows else ""
    return f"Mean of the grid: {', '.join(said)}.{shaded}"


def _local(moment: datetime | None, page: Page) -> str:
    if moment is None:
        return "–"
    seconds = ":%S" if page.end - page.start < SECONDS_MATTER else ""
    return moment.astimezone(page.zone).strftime(f"%a %d %b %H:%M{seconds}")


def _span(page: Page) -> str:
    """Return the time of the page, the day only once if it is one."""
    clock = "%H:%M:%S" if page.end - page.start < SECONDS_MATTER else "%H:%M"
    start, end = page.start.astimezone(page.zone), page.end.astimezone(page.zone)
    until = clock if start.date() == end.date() else f"%a %d %b %Y {clock}"
    return f"{start.strftime(f'%a %d %b %Y {clock}')} – {end.strftime(until)}"


def _power_svg(node: NodePower, key: dict[str, str], page: Page) -> str:
    figure, [axes] = aligned_panels(2.3)
    edges = _numbers(node.bins.edges)
    below = [0.0 if known else math.nan for known in node.known]
    for label, values in node.series:
        top = [low + value for low, value in zip(below, values, strict=True)]
        axes.stairs(top, edges, baseline=below, fill=True, color=key[label])
        below = top
    calm(axes, "W")
    axes.set_ylim(bottom=0)
    local_dates(axes, page.start, page.end, page.zone)
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


def _grid_svg(page: Page) -> str:
    known = page.signals
    if not known:
        return ""
    figure, panels = aligned_panels(1.9 * len(known), len(known))
    for axes, (signal, unit, colour) in zip(panels, known, strict=True):
        moments, values = _steps(signal, page.start, page.end)
        axes.plot(_numbers(moments), values, color=colour, linewidth=1.6)
        for window in green_windows(page):
            axes.axvspan(*_numbers(window), color="#2f7d5b", alpha=0.13, linewidth=0)
        calm(axes, unit)
        axes.set_ylim(bottom=0)
        local_dates(axes, page.start, page.end, page.zone)
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
