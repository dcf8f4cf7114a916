"""`report.md`: what a run found, whether its claims hold, what it cost, and its pictures."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from vispa_green.units import duration_text, energy_text, mass_text, percent_text
from vispa_green_jobs.job import Job
from vispa_green_jobs.record import Record, Segment, moment

FILE = "report.md"


def write_report(job: Job, record: Record, out: Path) -> None:
    """Write the report beside the record."""
    pictures = sorted((out / "plots").glob("*.png")) if (out / "plots").is_dir() else []
    (out / FILE).write_text("\n".join(report_lines(job, record, [p.relative_to(out) for p in pictures])) + "\n")


def report_lines(job: Job, record: Record, pictures: Sequence[Path]) -> list[str]:
    """Return the lines of the report."""
    about = job.definition
    lines = [f"# {about.title}", "", about.summary, ""]
    lines += [f"arXiv:{about.arxiv} · preset `{record.preset}` · seed {record.seed} · {record.status}", ""]
    if record.claims:
        lines += ["## Claims", "", "| metric | claim | measured | holds | source |", "|---|---|---|---|---|"]
        lines += [
            f"| {c.metric} | {c.op} {c.threshold:g} | {_number(c.value)} | {'yes' if c.passed else '**no**'} "
            f"| {c.source} |"
            for c in record.claims
        ]
        lines.append("")
    lines += [*_cost_lines(record), ""]
    if record.metrics:
        lines += ["## Metrics", "", "| metric | value |", "|---|---|"]
        lines += [f"| {name} | {_number(value)} |" for name, value in record.metrics.items()] + [""]
    for picture in pictures:
        lines += [f"![{picture.stem}]({picture.as_posix()})", ""]
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    settings = ", ".join(f"{key}={value}" for key, value in record.settings.items())
    lines += ["## How it was made", "", f"Settings: {settings}.", f"Versions: {versions}; {record.threads} threads."]
    return lines


def total_cost_line(record: Record) -> str:
    """Return e.g. ``energy 4.20 Wh (estimated), 1.68 g CO2, in 2 segments``; unknown parts are said."""
    known = [s.cost for s in record.segments if s.cost.energy_uj is not None]
    if not known:
        sources = ", ".join(sorted({s.cost.source for s in record.segments})) or "nothing has run"
        return f"energy unknown ({sources})"
    energy = energy_text(sum(cost.energy_uj or 0 for cost in known))
    quality = ", ".join(sorted({cost.quality for cost in known if cost.quality}))
    grams = [cost.co2_g for cost in known if cost.co2_g is not None]
    carbon = f"{mass_text(sum(grams))} CO2" if grams else "CO2 unknown: no grid data"
    missing = len(record.segments) - len(known)
    rest = f", {missing} of them without a figure" if missing else ""
    return f"energy {energy} ({quality}), {carbon}, in {_plural(len(record.segments))}{rest}"


def _cost_lines(record: Record) -> list[str]:
    lines = ["## What it cost", "", total_cost_line(record), ""]
    lines += [
        "| segment | time | steps | ended | energy | CO2 | CO2 known for | source |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for number, segment in enumerate(record.segments, 1):
        cost = segment.cost
        quality = f" ({cost.quality})" if cost.quality else ""
        lines.append(
            f"| {number}, {segment.start[:19]} UTC | {duration_text(_elapsed(segment))} | {segment.steps} "
            f"| {segment.status} | {energy_text(cost.energy_uj)}{quality} | {mass_text(cost.co2_g)} "
            f"| {percent_text(cost.co2_coverage)} | {cost.source} |"
        )
    return lines


def _elapsed(segment: Segment) -> timedelta | None:
    return moment(segment.end) - moment(segment.start) if segment.end else None


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _plural(segments: int) -> str:
    return "1 segment" if segments == 1 else f"{segments} segments"
