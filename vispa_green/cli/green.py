"""``vispa-green green``: what became of green submissions."""

from __future__ import annotations

import getpass
import os
from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import click

from vispa_green.answers.grid import ledger_at
from vispa_green.answers.promises import known_promises
from vispa_green.cli._grid import UNIT, known_of, print_json, rounded, span_words, stamp, warn
from vispa_green.cli._options import config_option, json_option
from vispa_green.errors import LedgerMissing, SlurmError, UsageError
from vispa_green.green.promises import Outcome, Verdict, belongs, outcome
from vispa_green.model import GridKind, JobFact, Ledger, Move, Promise, Selection
from vispa_green.session import Session, open_session
from vispa_green.times.local_zone import local_zone


@click.command("green")
@click.argument("jobs", nargs=-1, metavar="[JOB]...")
@config_option
@json_option
def command(jobs: tuple[str, ...], config_file: Path | None, *, as_json: bool) -> None:
    """Compare what gsbatch promised for JOB (default: all of mine) with what came of it.

    The forecast is held against measured values only, weighted by the energy the job used. "Had it started
    at submission" moves the same energy to that time. It says so when waiting made it worse. Of a start that
    `vispa-green replan` moved, the first plan and the last are told; the comparison stays that with submission.

    \b
    Examples:
      vispa-green green
      vispa-green green 4711 --json | jq '.jobs[].saved_g'
    """
    session = open_session(config_file)
    outcomes, warnings = _outcomes(session, jobs)
    if as_json:
        print_json({"jobs": [_record(found) for found in outcomes], "warnings": list(warnings)})
        return
    warn(warnings)
    zone = local_zone(os.environ)
    for found in outcomes:
        click.echo("\n".join(_lines(found, zone)))
    if not outcomes:
        click.echo("No green submission yet; try: gsbatch --green-finish-by=tomorrow job.sh")


def _outcomes(session: Session, jobs: tuple[str, ...]) -> tuple[list[Outcome], tuple[str, ...]]:
    ledger = ledger_at(session.ledger_url)
    if ledger is None:
        raise LedgerMissing(f"{session.ledger_url} cannot be opened; see `vispa-green doctor`")
    try:
        known = known_promises(session, ledger, jobs)
        promises, moves = _promises(known.promises, jobs), known.moves
        facts, warnings = _facts(session, ledger, promises)
        warnings += known.refused
        found: list[Outcome] = []
        for promise in promises:
            mine = [fact for fact in facts if belongs(fact, promise.job_id)]
            found.append(_judged(session, ledger, promise, mine, moves))
    finally:
        ledger.close()
    return found, warnings


def _promises(promises: Sequence[Promise], jobs: tuple[str, ...]) -> list[Promise]:
    if unknown := [job for job in jobs if job not in {promise.job_id for promise in promises}]:
        raise UsageError(f"no green submission is known of job {', '.join(unknown)}; gsbatch keeps one for each plan")
    return list(promises) if jobs else [promise for promise in promises if promise.user == getpass.getuser()]


def _facts(session: Session, ledger: Ledger, promises: Sequence[Promise]) -> tuple[list[JobFact], tuple[str, ...]]:
    """Return what Slurm says of the jobs now, and what the ledger kept of those it has forgotten."""
    ids = tuple(promise.job_id for promise in promises)
    kept = ledger.job_facts(Selection(ids)) if ids else []
    if not ids or not session.config.slurm.enabled:
        return kept, ()
    from vispa_green.slurm.jobs import JobQuery, job_facts

    try:
        current = job_facts(JobQuery(job_ids=ids), timeout_s=session.config.slurm.timeout_s)
    except SlurmError as error:
        return kept, (f"slurm: {error}",)
    return list({fact.job_id: fact for fact in [*kept, *current.records]}.values()), current.faults


def _judged(
    session: Session, ledger: Ledger, promise: Promise, facts: list[JobFact], moves: Sequence[Move]
) -> Outcome:
    job_ids = tuple({promise.job_id, *(fact.job_id for fact in facts)})
    postings = list(ledger.postings(Selection(job_ids=job_ids)))
    begin = min([promise.submitted, *(posting.start for posting in postings)])
    end = max([promise.submitted + timedelta(seconds=1), *(posting.end for posting in postings)])
    if not postings:
        return outcome(promise, facts, (), {}, moves)
    measured = known_of(session, begin, min(end, session.now.utc)).signals(GridKind.MEASURED)
    return outcome(promise, facts, postings, measured, moves)


def _record(found: Outcome) -> dict[str, Any]:
    promise = found.promise
    return {
        "job_id": promise.job_id,
        "user": promise.user,
        "submitted": stamp(promise.submitted),
        "planned_start": stamp(promise.planned_start),
        "last_planned_start": stamp(found.planned),
        "moves": [_move_record(move) for move in found.moves],
        "actual_start": stamp(found.start),
        "end": stamp(found.end),
        "finish_by": stamp(promise.finish_by),
        "policy": promise.policy,
        "quantity": promise.quantity.value,
        "forecast_mean": rounded(promise.mean),
        "forecast_mean_if_started_at_submission": rounded(promise.mean_if_started_now),
        "measured_mean": rounded(found.measured_mean),
        "energy_uj": found.energy_uj,
        "gco2": rounded(None if found.actual is None else found.actual.grams, 6),
        "covered_fraction": found.actual and found.actual.covered_fraction,
        "gco2_if_started_at_submission": rounded(
            None if found.at_submission is None else found.at_submission.grams, 6
        ),
        "covered_fraction_if_started_at_submission": found.at_submission and found.at_submission.covered_fraction,
        "saved_g": rounded(found.saved_g, 6),
        "verdict": found.verdict.value,
    }


def _move_record(move: Move) -> dict[str, Any]:
    return {
        "moved_at": stamp(move.moved_at),
        "moved_by": move.moved_by,
        "from": stamp(move.before),
        "to": stamp(move.after),
        "quantity": move.quantity.value,
        "forecast_mean_from": rounded(move.mean_before),
        "forecast_mean_to": rounded(move.mean_after),
        "reason": move.reason,
    }


def _lines(found: Outcome, zone: tzinfo) -> list[str]:
    promise = found.promise
    unit = UNIT[promise.quantity.value]
    lines = [f"job {promise.job_id}, submitted {_local(promise.submitted, zone)}"]
    lines.append(f"  planned start   {_local(promise.planned_start, zone)}  ({promise.reason})")
    if found.moves:
        last = found.moves[-1]
        times = "once" if len(found.moves) == 1 else f"{len(found.moves)} times, last"
        lines.append(
            f"  moved {times:<9} to {_local(last.after, zone)}  (on {_local(last.moved_at, zone)}: {last.reason})"
        )
    if found.start is None:
        return [*lines, "  actual start    none yet"]
    delay = found.delay or timedelta(0)
    early_or_late = "later" if delay > timedelta(0) else "earlier"
    planned = "planned last" if found.moves else "planned"
    lines.append(
        f"  actual start    {_local(found.start, zone)}  ({span_words(delay)} {early_or_late} than {planned})"
    )
    lines.append(f"  forecast mean   {_number(promise.mean, unit)}" + _moved_mean(found))
    lines.append(
        f"  measured mean   {_number(found.measured_mean, unit)}"
        + (", weighted by energy" if found.energy_uj else "")
    )
    lines.append(f"  energy          {found.energy_uj / 3.6e9:.3f} Wh")
    for label, carbon in (("CO2", found.actual), ("CO2 at once", found.at_submission)):
        if carbon is not None and carbon.covered_fraction is not None:
            covered = (
                "" if carbon.covered_fraction == 1 else f", of the {carbon.covered_fraction:.0%} that is measured"
            )
            lines.append(f"  {label:<15} {carbon.grams:.3f} g{covered}")
    return [*lines, f"  {_judgement(found)}"]


def _moved_mean(found: Outcome) -> str:
    if not found.moves:
        return ""
    last = found.moves[-1]
    return f" at submission, {_number(last.mean_after, UNIT[last.quantity.value])} when it was moved last"


def _judgement(found: Outcome) -> str:
    if found.saved_g is None:
        return "Whether that was better cannot be said: the energy or the measured grid data do not cover both runs."
    if found.verdict is Verdict.SAME:
        return "That made no difference."
    if found.verdict is Verdict.WORSE:
        return f"That was WORSE than starting at submission: {-found.saved_g:.3f} g more. The forecast was wrong."
    return f"Saved {found.saved_g:.3f} g against starting at submission."


def _number(value: float | None, unit: str) -> str:
    return "unknown" if value is None else f"{value:.0f} {unit}"


def _local(moment: datetime, zone: tzinfo) -> str:
    return f"{moment.astimezone(zone):%a %d %b %H:%M:%S}"
