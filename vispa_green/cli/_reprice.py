"""``vispa-green ledger reprice``: what revised values of the grid have changed since a report."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from vispa_green.answers.repricing import Repriced, repriced
from vispa_green.answers.totals import GroupTotal
from vispa_green.cli._options import config_option, json_option
from vispa_green.cli._output import print_json, stamp
from vispa_green.cli._selection import choose
from vispa_green.cli._totals import aligned, dimensions, group_cells, group_record
from vispa_green.errors import UsageError
from vispa_green.session import open_session
from vispa_green.times.local_zone import local_zone
from vispa_green.times.past import past_time
from vispa_green.units import energy_text, mass_text, percent_text


@click.command("reprice")
@click.option("--then", required=True, metavar="TIME", help="When the report was made.")
@click.option("-S", "--starttime", default=None, metavar="TIME", help="Energy used after TIME (default: today).")
@click.option("-E", "--endtime", default=None, metavar="TIME", help="Energy used before TIME (default: now).")
@click.option("-a", "--allusers", is_flag=True, help="Jobs of all users, as far as you may see them.")
@click.option("--by", multiple=True, default=("month",), metavar="LIST", help="As of energy --by (default: month).")
@config_option
@json_option
def command(config_file: Path | None, *, then: str, by: tuple[str, ...], as_json: bool, **asked: Any) -> None:  # noqa: ANN401
    """Show CO2 as a report of an earlier day had it, beside what it is by the values of today.

    Services revise their values for weeks. Nothing in the ledger is overwritten: it has every issue of each value.

    \b
    Examples:
      vispa-green ledger reprice --then 2026-07-01 -a -S 2026-01-01 -E 2026-07-01
      vispa-green ledger reprice --then 2026-07-01 -S 2026-06-01 --by project --json
    """
    session, zone = open_session(config_file), local_zone(os.environ)
    now = session.now.utc
    moment = past_time(then, now, zone)
    if moment > now:
        raise UsageError(f"--then {then} lies ahead; name the time of an earlier report")
    choice = choose(
        jobs="", users="", accounts="", start=asked["starttime"], end=asked["endtime"], all_users=asked["allusers"],
        now=now, zone=zone,
    )  # fmt: skip
    rows = repriced(session, choice, dimensions(",".join(by)), zone, moment)
    if as_json:
        print_json({"then": stamp(moment), "now": stamp(now), "totals": [_record(row) for row in rows]})
    elif not rows:
        click.echo("Nothing was charged in this time; -S widens it, -a shows all users.")
    else:
        head = [*(one.value.capitalize() for one in rows[0].group), "Energy", "CO2 then", "CO2 now", "Change"]
        click.echo(aligned([head, *map(_cells, rows)], len(rows[0].group)))


def _record(row: Repriced) -> dict[str, Any]:
    return {
        **group_record(row.group),
        "energy_uj": row.energy_uj,
        "co2_g_then": row.then.grid.co2_g,
        "co2_coverage_then": row.then.grid.co2_coverage,
        "co2_g": row.now.grid.co2_g,
        "co2_coverage": row.now.grid.co2_coverage,
        "co2_change_g": row.change_g,
    }


def _cells(row: Repriced) -> list[str]:
    change, before = row.change_g, row.then.grid.co2_g
    told = "–" if change is None or not before else f"{100 * change / before:+.1f} %"
    return [*group_cells(row.group), energy_text(row.energy_uj), _mass(row.then), _mass(row.now), told]


def _mass(total: GroupTotal) -> str:
    """Return the CO2, with the part of the energy that it is of where that is not all."""
    text, coverage = mass_text(total.grid.co2_g), total.grid.co2_coverage
    return text if total.grid.co2_g is None or coverage >= 1 else f"{text} of {percent_text(coverage)}"
