"""Reports to text and HTML, through Jinja templates and the phrases of the reader's language."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Any

from vispa_green.energy.advice import Advice
from vispa_green.energy.parts import EnergyParts
from vispa_green.energy.weekly import WeeklyReport
from vispa_green.phrases import Words
from vispa_green.printable import printable
from vispa_green.reports.bars import week_png
from vispa_green.reports.plots import COMPONENTS, missing_extra
from vispa_green.units import energy_text, mass_text, percent_text

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

PLOT_ID = "energy-by-day@vispa-green"
Line = tuple[str, int, float | None]
"""A name, its energy in µJ, its CO2 in g."""
PROJECTS = 5
"""So many projects are named, the largest; the account has all."""


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


def render_weekly(report: WeeklyReport, cluster: str, language: str, leave: str = "") -> WeeklyPages:
    """Return both forms of the mail; ``leave`` is the address by which its reader gets no more of them.

    Raises `MailError` where the ``report`` extra is not installed.
    """
    words = Words(language)
    filled = _filled(report, cluster, words, leave)
    total_uj = report.figures.parts.total_uj
    number = named(report, words).partition("W")[2]
    subject = words.say(
        "subject" if total_uj else "subject_none", number=number, energy=words.energy(total_uj), cluster=cluster
    )
    plot = week_png(_days(report, words), {name: words.say(name) for name, _, _ in COMPONENTS})
    return WeeklyPages(subject, template("weekly.txt", filled), template("weekly.html", filled), plot)


def weekly_text(report: WeeklyReport, cluster: str, language: str) -> str:
    """Return the text of the mail alone, which needs no plot."""
    return template("weekly.txt", _filled(report, cluster, Words(language), ""))


def named(report: WeeklyReport, words: Words) -> str:
    """Return ``2026-W47``, or ``2026-W47 so far`` while it is not over."""
    return report.week.name if report.is_over else words.say("so_far", week=report.week.name)


def _filled(report: WeeklyReport, cluster: str, words: Words, leave: str) -> dict[str, Any]:
    parts = report.figures.parts
    return {
        "report": report,
        "cluster": cluster,
        "words": words,
        "say": words.say,
        "week": named(report, words),
        "total": parts,
        "tables": _tables(report, words),
        "days": _days(report, words),
        "plot_id": PLOT_ID,
        "plot_in_words": plot_in_words(report, words),
        "notes": quality_notes(report, words),
        "comparison": comparison(report, words),
        "rows": [*_about_grid(report, words), *_about_use(report, words)],
        "advice": advice_words(report.advice, words),
        "leave": leave,
    }


def _tables(report: WeeklyReport, words: Words) -> list[tuple[str, list[Line]]]:
    """Return what the week's energy was made of, and the weeks before, with the CO2 where it is known."""
    own = report.figures.parts
    parts: list[Line] = [(words.say(name), getattr(own, name), None) for name, _, _ in COMPONENTS]
    tables = [(words.say("by_component"), [line for line in parts if line[1]])]
    if any(one.name for one in report.projects):
        shown = report.projects[:PROJECTS]
        lines: list[Line] = [(one.name or words.say("no_project"), one.energy_uj, one.co2_g) for one in shown]
        tables.append((words.say("by_project"), lines))
    if report.earlier:
        earlier: list[Line] = [(one.name, one.energy_uj, one.co2_g) for one in report.earlier]
        tables.append((words.say("earlier"), earlier))
    return tables


def _days(report: WeeklyReport, words: Words) -> list[tuple[str, EnergyParts]]:
    return [(words.weekday(day), parts) for day, parts in days_so_far(report)]


def template(name: str, filled: dict[str, Any]) -> str:
    """Fill one of our templates; raise `MailError` where jinja2 is not installed."""
    return _environment().get_template(name).render(filled)


@cache
def _environment() -> Environment:
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
    except ImportError as error:
        raise missing_extra() from error
    environment = Environment(
        loader=PackageLoader("vispa_green.reports"),
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        code=_code, printable=printable, energy=energy_text, mass=mass_text, percent=percent_text
    )
    return environment


def plot_in_words(report: WeeklyReport, words: Words) -> str:
    """Say in one line what the plot shows; it stands in for the picture where there is none."""
    days = [f"{words.weekday(day)[:2 if words.language == 'de' else 3]} {words.energy(parts.total_uj)}"
            for day, parts in days_so_far(report)]  # fmt: skip
    return words.say("plot", days=", ".join(days))


def days_so_far(report: WeeklyReport) -> list[tuple[date, EnergyParts]]:
    """Return the days that have begun, each with its energy: what is to come is not zero."""
    days = list(zip(report.week.days, report.figures.days, strict=True))
    return days[: report.days_begun]


def advice_words(one: Advice, words: Words) -> str:
    """Return the sentence of advice."""
    numbers = {name: words.number(text) if name in {"busy", "used"} else text for name, text in one.values.items()}
    saved = {"saved": words.energy(one.saved_uj), "saved_co2": words.mass(one.saved_g)}
    return words.say(f"advice_{one.topic}", **numbers, **saved)


def _about_grid(report: WeeklyReport, words: Words) -> list[tuple[str, str]]:
    """Return lines about CO2, how green it was, and what shifting brought."""
    rows = [("CO2", co2_words(report, words)), (words.say("green"), greenness(report, words))]
    shifted = report.shifted
    if shifted.jobs:
        phrase = "shifted_saved" if shifted.saved_g >= 0 else "shifted_lost"
        said = words.say(
            phrase, jobs=shifted.jobs, saved=words.mass(abs(shifted.saved_g)), better=shifted.better,
            worse=shifted.worse,
        )  # fmt: skip
        unknown = words.say("shifted_unknown", unknown=shifted.unknown) if shifted.unknown else ""
        rows.append((words.say("shifting"), said + unknown))
    return rows


def _about_use(report: WeeklyReport, words: Words) -> list[tuple[str, str]]:
    """Return lines about what was reserved and not used."""
    waste = report.waste
    rows = [
        (words.say("idle"), words.say("idle_share", share=words.percent(report.figures.idle_share))),
    ]
    if waste.memory_share is not None:
        reserved = f"{waste.memory_reserved_gib_h:.0f}"
        said = words.say("memory_used", share=words.percent(waste.memory_share), reserved=reserved)
        rows.append((words.say("memory"), said))
    if waste.idle_gpu_jobs:
        said = words.say("gpus_idle", jobs=waste.idle_gpu_jobs, energy=words.energy(waste.idle_gpu_uj))
        rows.append((words.say("gpus"), said))
    if waste.limit_share is not None:
        rows.append((words.say("limits"), words.say("limits_used", share=words.percent(waste.limit_share))))
    return rows


def co2_words(report: WeeklyReport, words: Words) -> str:
    """Say how much CO2 it was, and for which part of the energy that is known."""
    grid = report.figures.grid
    if grid.co2_g is None:
        return words.say("unknown_grid")
    mass = words.mass(grid.co2_g)
    if grid.co2_coverage >= 1:
        return mass
    return words.say("co2_part", co2=mass, known=words.percent(grid.co2_coverage))


def greenness(report: WeeklyReport, words: Words) -> str:
    """Say how renewable the power was, and what the grid's mean was."""
    share, mean = report.figures.grid.renewable_share_pct, report.grid_share_pct
    if share is None:
        return words.say("unknown_grid")
    beside = "" if mean is None else words.say("grid_mean", mean=f"{mean:.0f}")
    return words.say("green_share", share=f"{share:.0f}") + beside


def comparison(report: WeeklyReport, words: Words) -> str:
    """Compare with the weeks before, empty if there was none; a part of a week is no more or less than a whole."""
    if report.usual_uj is None or report.change is None:
        return ""
    usual, change = words.energy(report.usual_uj), report.change
    if not report.is_over:
        return words.say("compared_so_far", usual=usual)
    if abs(change) < 0.02:
        return words.say("compared_same", usual=usual)
    if change > 1.5:
        return words.say("compared_times", times=words.number(f"{change + 1:.1f}"), usual=usual)
    return words.say("compared_less" if change < 0 else "compared_more", percent=f"{abs(100 * change):.0f}",
                     usual=usual)  # fmt: skip


def quality_notes(report: WeeklyReport, words: Words) -> list[str]:
    """Say in words how far the figures can be trusted."""
    notes = []
    if report.coverage is not None:
        notes.append(words.say("covered", known=words.percent(report.coverage)))
    for phrase, jobs in (
        ("estimated", report.estimated_jobs),
        ("gap", report.gap_jobs),
        ("unseen", report.unseen_jobs),
    ):
        if jobs:
            notes.append(words.say(f"{phrase}_{'one' if jobs == 1 else 'many'}", jobs=jobs))
    if report.coverage is not None and not report.estimated_jobs and not report.gap_jobs:
        notes.append(words.say("all_counted"))
    return notes


def _code(sentence: str) -> Markup:
    """Escape a sentence for HTML and set what stands in backticks as code."""
    from markupsafe import Markup

    pieces = sentence.split("`")
    return Markup("").join(  # each piece is escaped as it is put in
        Markup("<code>{}</code>").format(piece) if i % 2 else piece for i, piece in enumerate(pieces)
    )
