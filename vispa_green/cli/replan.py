"""``vispa-green replan``: ask again about green jobs that still wait for their start."""

from __future__ import annotations

import os
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

import click

from vispa_green import host
from vispa_green.answers.replan import Waiting, replanned
from vispa_green.cli._options import config_option, json_option
from vispa_green.cli._output import UNIT, print_json, rounded, stamp, warn
from vispa_green.session import open_session
from vispa_green.times.local_zone import local_zone


@click.command("replan")
@click.argument("jobs", nargs=-1, metavar="[JOB]...")
@click.option("-a", "--allusers", is_flag=True, help="Jobs of all users; Slurm lets root and operators do that.")
@click.option("--dry-run", is_flag=True, help="Say what would be moved; move nothing.")
@config_option
@json_option
def command(jobs: tuple[str, ...], config_file: Path | None, *, allusers: bool, dry_run: bool, as_json: bool) -> None:
    """Plan JOB (default: all of mine) again, if it waits for the start that gsbatch gave it.

    Forecasts change while a job waits. Its start is moved to one that is greener by 1 % and 5 minutes or more
    away, or as green and earlier; never past the end it was promised. Where the grid is not known, all stays.
    A begin time that somebody changed by hand wins, and so do a hold and a start. Each move is kept in the
    ledger for `vispa-green green`. It may be called as often as you like.

    \b
    Examples:
      vispa-green replan
      vispa-green replan 4711 --dry-run
      vispa-green replan -a --json | jq '.jobs[] | select(.moved)'
      */30 * * * * root vispa-green replan -a >/dev/null     # in /etc/cron.d, on one machine of the site
    """
    session = open_session(config_file)
    found, warnings = replanned(session, jobs, host.now, all_users=allusers, dry_run=dry_run)
    if as_json:
        records = [_record(waiting) for waiting in found]
        print_json({"dry_run": dry_run, "jobs": records, "warnings": list(warnings)})
        return
    warn(warnings)
    zone = local_zone(os.environ)
    for waiting in found:
        click.echo(_line(waiting, zone))
    if not found:
        click.echo("No green job waits for its start.")


def _record(waiting: Waiting) -> dict[str, Any]:
    """Return a job for JSON; what does not apply to it is ``null``."""
    job, made = waiting.held, waiting.decision
    return {
        "cluster": waiting.promise.cluster,
        "job_id": waiting.promise.job_id,
        "submit": stamp(waiting.promise.submitted),
        "user": waiting.promise.user,
        "begin": stamp(None if job is None else job.begin),
        "finish_by": stamp(waiting.promise.finish_by),
        "new_start": stamp(None if made is None else made.start),
        "moved": waiting.is_moved,
        "quantity": None if made is None else made.quantity.value,
        "forecast_mean": rounded(None if made is None else made.mean_before),
        "forecast_mean_at_new_start": rounded(None if made is None else made.mean_after),
        "reason": waiting.said,
    }


def _line(waiting: Waiting, zone: tzinfo) -> str:
    job, made = waiting.held, waiting.decision
    if job is None or made is None:
        return f"job {waiting.promise.job_id}: {waiting.said}"
    begin = _local(job.begin, zone)
    if made.start is None:
        return f"job {waiting.promise.job_id}: stays at {begin}: {waiting.said}"
    word = "moved" if waiting.is_moved else "would move"
    line = f"job {waiting.promise.job_id}: {word} from {begin} to {_local(made.start, zone)}, {waiting.said}"
    if made.mean_after is None or made.mean_before is None:
        return line
    return f"{line}: {made.mean_after:.0f} {UNIT[made.quantity.value]} instead of {made.mean_before:.0f}"


def _local(moment: datetime, zone: tzinfo) -> str:
    return f"{moment.astimezone(zone):%a %d %b %H:%M:%S}"
