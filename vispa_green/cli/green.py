"""``vispa-green green``: what became of green submissions."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import click

from vispa_green.answers.green import green
from vispa_green.cli._options import config_option, json_option
from vispa_green.cli._output import UNIT, print_json, rounded, span_words, stamp, warn
from vispa_green.model import Move
from vispa_green.session import open_session
from vispa_green.shifting.promises import Outcome, Verdict
from vispa_green.times.local_zone import local_zone


@click.command("green")
@click.argument("jobs", nargs=-1, metavar="[JOB]...")
@click.option("-a", "--allusers", is_flag=True, help="Green jobs of all users, as far as you may see them.")
@config_option
@json_option
def command(jobs: tuple[str, ...], config_file: Path | None, *, allusers: bool, as_json: bool) -> None:
    """Compare what gsbatch promised for JOB (default: all of mine) with what came of it.

    The forecast is held against measured values only, weighted by the energy the job used. "Had it started
    at submission" moves the same energy to that time. It says so when waiting made it worse. Of a start that
    `vispa-green replan` moved, the first plan and the last are told; the comparison stays that with submission.

    \b
    Examples:
      vispa-green green
      vispa-green green 4711 --json | jq '.jobs[].saved_g'
    """
    answer = green(open_session(config_file), jobs, all_users=allusers)
    if as_json:
        print_json({"jobs": [_record(found) for found in answer.outcomes], "warnings": list(answer.warnings)})
        return
    warn(answer.warnings)
    zone = local_zone(os.environ)
    for found, shown in zip(answer.outcomes, answer.shown, strict=True):
        click.echo("\n".join(_lines(found, shown, zone)))
    if not answer.outcomes:
        click.echo("No green submission yet; try: gsbatch --green-max-delay=12h job.sh")


def _record(found: Outcome) -> dict[str, Any]:
    promise = found.promise
    return {
        "cluster": promise.cluster,
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


def _lines(found: Outcome, shown: str, zone: tzinfo) -> list[str]:
    promise = found.promise
    unit = UNIT[promise.quantity.value]
    lines = [f"job {shown}, submitted {_local(promise.submitted, zone)}"]
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
    how_late = f"{span_words(delay)} {early_or_late} than" if abs(delay) >= timedelta(seconds=1) else "as"
    planned = "planned last" if found.moves else "planned"
    lines.append(f"  actual start    {_local(found.start, zone)}  ({how_late} {planned})")
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
