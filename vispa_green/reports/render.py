"""Reports to text and HTML, through Jinja templates."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from vispa_green.energy.parts import EnergyParts
from vispa_green.energy.weekly import WeeklyReport
from vispa_green.printable import printable
from vispa_green.reports.plots import COMPONENTS, missing_extra, week_png
from vispa_green.units import energy_text, mass_text, percent_text

if TYPE_CHECKING:
    from markupsafe import Markup

PLOT_ID = "energy-by-day@vispa-green"


@dataclass(frozen=True, slots=True)
class WeeklyPages:
    """A weekly report, ready to be mailed or shown. ``html`` points to the plot by ``cid:``."""

    subject: str
    text: str
    html: str
    plot_png: bytes

    def self_contained_html(self) -> str:
        """Return the HTML with the plot inside."""
        data = base64.b64encode(self.plot_png).decode()
        return self.html.replace(f"cid:{PLOT_ID}", f"data:image/png;base64,{data}")


def render_weekly(report: WeeklyReport, cluster: str) -> WeeklyPages:
    """Return both forms of the mail; raise `MailError` where the ``report`` extra is not installed."""
    words = _words(report, cluster)
    number, total_uj = report.name.partition("W")[2], report.figures.parts.total_uj
    subject = f"Week {number}: {energy_text(total_uj)} on {cluster}" if total_uj else f"Week {number} on {cluster}"
    plot = week_png(_days(report))
    return WeeklyPages(subject, template("weekly.txt", words), template("weekly.html", words), plot)


def weekly_text(report: WeeklyReport, cluster: str) -> str:
    """Return the text of the mail alone, which needs no plot."""
    return template("weekly.txt", _words(report, cluster))


def _days(report: WeeklyReport) -> list[tuple[str, EnergyParts]]:
    return [(f"{day:%a %d}", parts) for day, parts in days_so_far(report)]


def _words(report: WeeklyReport, cluster: str) -> dict[str, Any]:
    return {
        "report": report,
        "cluster": cluster,
        "total": report.figures.parts,
        "parts": [(label, getattr(report.figures.parts, name), colour) for name, label, colour in COMPONENTS],
        "days": _days(report),
        "first_day": report.week.days[0],
        "last_day": report.week.days[-1],
        "plot_id": PLOT_ID,
        "plot_in_words": plot_in_words(report),
        "notes": quality_notes(report),
        "comparison": comparison(report),
        "green": greenness(report),
        "co2": co2_words(report),
    }


def template(name: str, words: dict[str, Any]) -> str:
    """Fill one of our templates; raise `MailError` where jinja2 is not installed."""
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError as error:
        raise missing_extra() from error
    environment = Environment(
        loader=PackageLoader("vispa_green.reports"),
        autoescape=name.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        code=_code, printable=printable, energy=energy_text, mass=mass_text, percent=percent_text
    )
    return environment.get_template(name).render(words)


def plot_in_words(report: WeeklyReport) -> str:
    """Say in one line what the plot shows; it stands in for the picture where there is none."""
    days = ", ".join(f"{day:%a} {energy_text(parts.total_uj)}" for day, parts in days_so_far(report))
    return f"Energy by day: {days}."


def days_so_far(report: WeeklyReport) -> list[tuple[date, EnergyParts]]:
    """Return the days that have begun, each with its energy: what is to come is not zero."""
    days = list(zip(report.week.days, report.figures.days, strict=True))
    return days[: report.days_begun]


def co2_words(report: WeeklyReport) -> str:
    """Say how much CO2 it was, and for which part of the energy that is known."""
    figures = report.figures
    if figures.grid.co2_g is None:
        return "unknown: no grid data for this week"
    if figures.grid.co2_coverage >= 1:
        return mass_text(figures.grid.co2_g)
    known = percent_text(figures.grid.co2_coverage)
    return f"{mass_text(figures.grid.co2_g)} for the {known} of the energy whose grid is known"


def greenness(report: WeeklyReport) -> str:
    """Say how renewable the power was, and what the grid's mean was."""
    share, mean = report.figures.grid.renewable_share_pct, report.grid_share_pct
    if share is None:
        return "unknown: no grid data for this week"
    beside = "" if mean is None else f" (the grid's mean was {mean:.0f} %)"
    return f"{share:.0f} % renewable while your jobs ran{beside}"


def comparison(report: WeeklyReport) -> str:
    """Compare with the week before, empty if there was none; a part of a week is no more or less than a whole."""
    if report.before is None or report.change is None:
        return ""
    earlier = energy_text(report.before.parts.total_uj)
    if not report.is_over:
        return f"so far; the whole week before had {earlier}"
    if abs(report.change) < 0.02:
        return f"about as much as in the week before ({earlier})"
    if report.change > 1.5:
        return f"{report.change + 1:.1f} times as much as in the week before ({earlier})"
    direction = "less" if report.change < 0 else "more"
    return f"{abs(100 * report.change):.0f} % {direction} than in the week before ({earlier})"


def quality_notes(report: WeeklyReport) -> list[str]:
    """Say in words how far the figures can be trusted."""
    notes = []
    if report.coverage is not None:
        known = percent_text(report.coverage)
        notes.append(f"The account holds {known} of the time your {_jobs(report.jobs - report.unseen_jobs)} ran.")
    if report.estimated_jobs:
        notes.append(f"{_jobs(report.estimated_jobs, 'rests', 'rest')} on a power model, not on energy counters.")
    if report.gap_jobs:
        notes.append(f"{_jobs(report.gap_jobs, 'has', 'have')} gaps in the account: the true energy is higher.")
    if report.unseen_jobs:
        notes.append(f"{_jobs(report.unseen_jobs, 'ran', 'ran')} unmetered and could not be counted.")
    if report.coverage is not None and not report.estimated_jobs and not report.gap_jobs:
        notes.append("All figures come from energy counters.")
    return notes


def _code(sentence: str) -> Markup:
    """Escape a sentence for HTML and set what stands in backticks as code."""
    from markupsafe import Markup

    pieces = sentence.split("`")
    return Markup("").join(  # each piece is escaped as it is put in
        Markup("<code>{}</code>").format(piece) if i % 2 else piece for i, piece in enumerate(pieces)
    )


def _jobs(count: int, one: str = "", many: str = "") -> str:
    noun, verb = ("job", one) if count == 1 else ("jobs", many)
    return f"{count} {noun} {verb}".rstrip()
