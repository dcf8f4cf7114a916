"""``vispa-green plan``: when would a job be greenest?"""

from __future__ import annotations

import os
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import click

from vispa_green.answers.plan import plan
from vispa_green.cli._options import config_option, json_option
from vispa_green.cli._output import UNIT, print_json, rounded, span_words, stamp, warn
from vispa_green.session import open_session
from vispa_green.shifting.planning import GridMeans, Plan, Wish
from vispa_green.times.local_zone import local_zone
from vispa_green.times.slurm_time import finite_duration, parse_time


@click.command("plan")
@click.option("--duration", metavar="D", help="How long the job runs, as for sbatch --time (default: the site's).")
@click.option("--finish-by", metavar="T", help="When it has to be done: tomorrow, 18:00, +24h, 2026-07-01T08:00.")
@click.option("--max-delay", metavar="D", help="How much later than now it may start: 6h, 12:00:00, 1-0.")
@click.option(
    "--cpus", type=click.IntRange(min=1), default=1, help="CPUs it takes, for a policy that looks at the queue."
)
@click.option("--policy", metavar="NAME", help="The rule that chooses (default: the site's).")
@config_option
@json_option
def command(
    duration: str | None,
    finish_by: str | None,
    max_delay: str | None,
    cpus: int,
    policy: str | None,
    config_file: Path | None,
    *,
    as_json: bool,
) -> None:
    """Say when a job of this length would be greenest, and what that saves. Nothing is submitted.

    The mean over the job's whole length counts. With --finish-by and --max-delay the tighter holds.
    Where nothing is known of the grid, the plan is to start at once, and says so.

    \b
    Examples:
      vispa-green plan --duration 4h --finish-by +24h
      vispa-green plan --duration 1-0 --max-delay 2-0 --json | jq .plan.start
    """
    session = open_session(config_file)
    now, zone = session.now.utc, local_zone(os.environ)
    answer = plan(
        session,
        duration=finite_duration(duration, "a planned duration") if duration else None,
        finish_by=parse_time(finish_by, now, zone) if finish_by else None,
        max_delay=finite_duration(max_delay, "a delay") if max_delay else None,
        cpus=cpus,
        policy=policy,
    )
    if as_json:
        print_json({"plan": record(answer.plan, answer.wish), "warnings": list(answer.warnings)})
    else:
        warn(answer.warnings)
        _print(answer.plan, answer.wish, zone)


def record(made: Plan, wish: Wish) -> dict[str, Any]:
    """Return a plan for JSON; ``finish_by`` is what the plan was made for, the queue margin taken off."""
    has_limit = wish.finish_by is not None or wish.max_delay is not None
    return {
        "start": stamp(made.window.start),
        "end": stamp(made.window.end),
        "duration_s": made.request.duration.total_seconds(),
        "finish_by": stamp(made.request.finish_by) if has_limit else None,
        "policy": made.policy,
        "quantity": made.window.quantity.value,
        **_means(made.means),
        "start_now": _means(made.means_if_started_now),
        "saving_pct": rounded(made.saving_pct),
        "reason": made.window.reason,
    }


def _means(means: GridMeans) -> dict[str, float | None]:
    return {
        "mean_gco2_per_kwh": rounded(means.gco2_per_kwh),
        "mean_renewable_share_pct": rounded(means.renewable_share_pct),
    }


def _print(made: Plan, wish: Wish, zone: tzinfo) -> None:
    window, now = made.window, made.request.earliest
    delay = f" (in {span_words(window.start - now)})" if made.is_shifted else " (at once)"
    click.echo(f"start   {_local(window.start, zone)}{delay}")
    click.echo(f"end     {_local(window.end, zone)}")
    if wish.finish_by is not None or wish.max_delay is not None:
        click.echo(f"done by {_local(made.request.finish_by, zone)} at the latest")
    click.echo(f"grid    {_words(made.means)}")
    if made.is_shifted:
        click.echo(f"at once {_words(made.means_if_started_now)}")
    if made.is_shifted and made.saving_pct is not None:
        click.echo(f"saving  {made.saving_pct:.0f} % of the CO2")
    click.echo(f"why     {window.reason}")
    if made.is_shifted:
        seconds = int((window.start - now) / timedelta(seconds=1))
        click.echo(f"\nsbatch --begin=now+{seconds} …   or let gsbatch do it: gsbatch --green-finish-by=… …")


def _words(means: GridMeans) -> str:
    known = [
        f"{value:.0f} {unit}"
        for value, unit in zip((means.gco2_per_kwh, means.renewable_share_pct), UNIT.values(), strict=True)
        if value is not None
    ]
    return ", ".join(known) or "unknown"


def _local(moment: datetime, zone: tzinfo) -> str:
    return f"{moment.astimezone(zone):%a %d %b %H:%M %Z}"
