"""What many runs of one job found, seed by seed: median, worst and claim of each metric. Pure but for reading."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from vispa_green.units import energy_text
from vispa_green_jobs import record as records
from vispa_green_jobs.definition import Operator
from vispa_green_jobs.errors import JobError
from vispa_green_jobs.record import Judgement, Record, Status


@dataclass(frozen=True, slots=True)
class Row:
    """One claim over all runs; ``None`` where a run has no such number, which fails it."""

    metric: str
    op: str
    threshold: float
    median: float | None
    worst: float | None
    held: int
    """In so many runs."""
    runs: int


def found_in(folder: Path, job: str, preset: str) -> list[Record]:
    """Return the runs of a job in the folders of a folder, by seed; raise `JobError` if there is none."""
    candidates = (records.read(path.parent) for path in sorted(folder.glob(f"*/{records.FILE}")))
    runs = [record for record in candidates if (record.job, record.preset) == (job, preset)]
    if not runs:
        raise JobError(
            f"{folder} has no run of {job} with preset {preset}; "
            f"`vispa-green jobs run {job} --preset {preset} --seed 0` makes one"
        )
    return sorted(runs, key=lambda record: record.seed)


def complete(runs: Iterable[Record]) -> list[Record]:
    """Return those that are judged."""
    return [record for record in runs if record.status is Status.COMPLETE]


def rows(judged: Sequence[Sequence[Judgement]]) -> list[Row]:
    """Return a row for every claim; ``judged`` has the judgements of one run each."""
    by_claim: dict[tuple[str, str, float], list[Judgement]] = {}
    for judgement in (one for run in judged for one in run):
        by_claim.setdefault((judgement.metric, judgement.op, judgement.threshold), []).append(judgement)
    return [_row(same, len(judged)) for same in by_claim.values()]


def lines(job: str, table: Sequence[Row], seeds: int) -> list[str]:
    """Return the table as Markdown."""
    head = f"{job}: {seeds} {'seed' if seeds == 1 else 'seeds'}"
    if not table:
        return [f"{head}, nothing claimed"]
    return [
        *(head, "", "| metric | median | worst | claim | holds |", "|---|---|---|---|---|"),
        *(
            f"| {row.metric} | {_number(row.median)} | {_number(row.worst)} | {row.op} {row.threshold:g} "
            f"| {row.held} of {row.runs} |"
            for row in table
        ),
    ]


def energy_line(runs: Sequence[Record]) -> str:
    """Return what the runs cost, where that is known."""
    known = [
        sum(segment.cost.energy_uj or 0 for segment in record.segments)
        for record in runs
        if all(segment.cost.energy_uj is not None for segment in record.segments)
    ]
    if not known:
        return "energy unknown"
    rest = f", of {len(runs) - len(known)} unknown" if len(known) < len(runs) else ""
    return (
        f"energy of a run: median {energy_text(round(median(known)))}, all together {energy_text(sum(known))}{rest}"
    )


def _row(same: Sequence[Judgement], runs: int) -> Row:
    first, values = same[0], [judgement.value for judgement in same]
    known = [value for value in values if value is not None]
    is_whole = len(known) == runs
    larger_is_worse = first.op in {Operator.LESS, Operator.AT_MOST}
    worst = (max(known) if larger_is_worse else min(known)) if is_whole else None
    held = sum(judgement.passed for judgement in same)
    return Row(first.metric, first.op, first.threshold, median(known) if known else None, worst, held, runs)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"
