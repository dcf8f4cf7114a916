"""``vispa-green energy``: what jobs cost, asked as with ``sacct``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

import click

from vispa_green.answers.billing import site_tariff
from vispa_green.answers.jobs import JobAnswer, JobChoice, jobs
from vispa_green.answers.totals import totals
from vispa_green.cli._bill_fields import bill_fields, bill_record
from vispa_green.cli._fields import FIELDS, Field, chosen_fields, parsable, table, with_room_for_ids
from vispa_green.cli._options import config_option, json_option
from vispa_green.cli._output import print_json, stamp, uncollected, warn
from vispa_green.cli._selection import choose
from vispa_green.cli._totals import dimensions, print_totals
from vispa_green.energy.jobs import JobEnergy
from vispa_green.model import Dimension
from vispa_green.session import open_session
from vispa_green.times.local_zone import local_zone
from vispa_green.units import energy_text, mass_text, percent_text

SHORT_FORMAT = "jobid%-11,jobname%-10,user%8,state%10,elapsed%9,energy%9,co2%8,coverage%8"
LONG_FORMAT = (
    "jobid,jobname,user,account,state,elapsed,cpuenergy,dramenergy,gpuenergy,idleenergy,energy,co2,quality,coverage"
)
"""The first fits a terminal of 80 columns."""


@click.command("energy")
@click.argument("job_ids", nargs=-1, metavar="[JOB]...")
@click.option("-a", "--allusers", is_flag=True, help="Jobs of all users, as far as you may read the ledger.")
@click.option("-j", "--jobs", default="", metavar="LIST", help="These jobs: 12, 12_3, 12,13; a step means its job.")
@click.option("-u", "--user", default="", metavar="LIST", help="Jobs of these users (default: yours).")
@click.option("-A", "--accounts", default="", metavar="LIST", help="Jobs under these accounts.")
@click.option(
    "-S", "--starttime", metavar="TIME", help="Jobs that ran after TIME (default: today 00:00; none with -j)."
)
@click.option("-E", "--endtime", metavar="TIME", help="Jobs that ran before TIME (default: now).")
@click.option("-r", "--partition", "partitions", default="", metavar="LIST", help="Jobs of these partitions.")
@click.option("-s", "--state", "states", default="", metavar="LIST", help="Jobs in these states: F, CD, RUNNING ...")
@click.option(
    "-N", "--nodelist", "nodes", default="", metavar="LIST", help="Jobs that ran on these nodes: n1, n[2-4]."
)
@click.option("--name", "names", default="", metavar="LIST", help="Jobs of these names.")
@click.option(
    "--project", "projects", default="", metavar="LIST", help="Jobs of these projects; see vispa-green tag."
)
@click.option("-T", "--truncate", is_flag=True, help="Only what was charged between -S and -E, not whole runs.")
@click.option(
    "--by",
    multiple=True,
    metavar="LIST",
    help=f"Sums instead of jobs, of what was charged between -S and -E, by: {', '.join(Dimension)}.",
)
@click.option("--as-of", metavar="TIME", help="CO2 by what was known of the grid at TIME, before later revisions.")
@click.option("-l", "--long", "is_long", is_flag=True, help="More columns.")
@click.option("-X", "--allocations", is_flag=True, help="Accepted for sacct's sake: rows are always allocations.")
@click.option("-o", "--format", "columns", metavar="FIELD[%WIDTH],...", help="Columns.")
@click.option("-n", "--noheader", is_flag=True, help="No header, no total.")
@click.option("-p", "--parsable", "with_end", is_flag=True, help="Delimited by |, also at the line's end; J and g.")
@click.option("-P", "--parsable2", "without_end", is_flag=True, help="Delimited by |; J and g.")
@click.option("--delimiter", default="|", help="What delimits instead of |.")
@click.option("--helpformat", is_flag=True, help="List the fields for --format.")
@config_option
@json_option
def command(config_file: Path | None, **asked: Any) -> None:  # noqa: ANN401 - click's own values
    """Show what jobs cost in energy and CO2; my own of today, unless told otherwise.

    The whole run of a job counts, also what lies outside of -S and -E; with -T only what lies inside, so that the
    sums of adjacent times add up. QUALITY is the worst that went into a row:
    measured, estimated (a power model, not a counter), or gap (some of it is missing, so the truth is more).
    A dash is unknown, never zero. COVERAGE is the accounted part of the run.

    \b
    Examples:
      vispa-green energy 4711
      vispa-green energy -a -S 2026-11-01 -o jobid,user,energy%12,co2
      vispa-green energy -a --by user,week -S 2026-11-02 -E 2026-11-30
      vispa-green energy --by project --by month -S 2026-01-01
      vispa-green energy -a --by month -S 2026-01-01 --as-of 2026-07-01     # as a report of that day had it
      vispa-green energy --json | jq '[.jobs[].energy_uj] | add'
    """
    zone = local_zone(os.environ)
    session = open_session(config_file)
    tariff, years = site_tariff(session)
    known = {**FIELDS, **bill_fields(tariff, years)}
    if asked["helpformat"]:
        click.echo("\n".join(f"{field.name:<11} {field.about}" for field in known.values()))
        return
    choice = _choice(asked, session.now.utc, zone)
    if asked["by"]:
        with uncollected():
            sums = totals(session, choice, dimensions(",".join(asked["by"])), zone)
            warn(sums.warnings)
            print_totals(sums, as_json=asked["as_json"], parsable=asked["with_end"] or asked["without_end"])
        return
    fields = chosen_fields(asked["columns"] or (LONG_FORMAT if asked["is_long"] else SHORT_FORMAT), known)
    answer = jobs(session, choice)
    warn(answer.warnings)
    if asked["as_json"]:
        records = [{**record(row), "bill": bill_record(row, tariff, years)} for row in answer.rows]
        print_json({"jobs": records, "warnings": list(answer.warnings)})
        return
    _print(answer, fields, zone, asked)


def _choice(asked: dict[str, Any], now: datetime, zone: tzinfo) -> JobChoice:
    return choose(
        jobs=",".join([asked["jobs"], *asked["job_ids"]]),
        users=asked["user"],
        accounts=asked["accounts"],
        partitions=asked["partitions"],
        states=asked["states"],
        nodes=asked["nodes"],
        names=asked["names"],
        projects=asked["projects"],
        start=asked["starttime"],
        end=asked["endtime"],
        all_users=asked["allusers"],
        truncate=asked["truncate"],
        as_of=asked["as_of"],
        now=now,
        zone=zone,
    )


def _print(answer: JobAnswer, fields: Sequence[Field], zone: tzinfo, asked: dict[str, Any]) -> None:
    rows, header = answer.rows, not asked["noheader"]
    if asked["with_end"] or asked["without_end"]:
        trailing = not asked["without_end"]
        lines = parsable(rows, fields, zone, header=header, delimiter=asked["delimiter"], trailing=trailing)
        for line in lines:
            click.echo(line)
    else:
        click.echo("\n".join(table(rows, with_room_for_ids(fields, rows), zone, header=header)))
        if header:
            click.echo(_total(rows))


def record(row: JobEnergy) -> dict[str, Any]:
    """Return a row for JSON. Energies are integers of µJ, CO2 is in g, times are UTC; ``null`` is unknown.

    Of a requeued job, ``start`` and ``end`` are Slurm's, of its last run; ``charged`` has all of them.
    """
    parts = row.parts
    return {
        "job_id": row.display_id,
        "user": row.user,
        "account": row.account,
        "nodes": list(row.nodes),
        "start": stamp(row.start),
        "end": stamp(row.end),
        "cpu_energy_uj": parts and parts.cpu_uj,
        "dram_energy_uj": parts and parts.dram_uj,
        "gpu_energy_uj": parts and parts.gpu_uj,
        "idle_energy_uj": parts and parts.idle_uj,
        "energy_uj": row.energy_uj,
        "co2_g": row.co2_g,
        "quality": row.quality,
        "coverage": row.coverage,
        "co2_coverage": row.grid.co2_coverage,
        "renewable_share_pct": row.grid.renewable_share_pct,
        "node_energy_uj": parts and parts.node_uj,
        "cpu_efficiency": row.cpu_efficiency,
        "job_id_raw": row.job_id,
        "cluster": row.key.cluster,
        "partition": row.partition,
        "name": row.name,
        "state": row.state,
        "submit": stamp(row.submit),
        "elapsed_s": None if row.elapsed is None else row.elapsed.total_seconds(),
        "project": row.project,
        "charged": [asdict(span) | {"start": stamp(span.start), "end": stamp(span.end)} for span in row.charged],
    }


def _total(rows: Sequence[JobEnergy]) -> str:
    if not rows:
        return "No such jobs in this time; -S widens it, -a shows all users."
    known = [row for row in rows if row.parts is not None]
    energy_uj = sum(row.energy_uj or 0 for row in known)
    masses = [row.co2_g for row in rows if row.co2_g is not None]
    line = f"Total of {len(rows)} job{'' if len(rows) == 1 else 's'}: {energy_text(energy_uj if known else None)}"
    line += f", {mass_text(sum(masses)) if masses else 'CO2 unknown'}"
    covered = sum(row.grid.co2_coverage * (row.energy_uj or 0) for row in known)
    if masses and covered < energy_uj * (1 - 1e-9):
        line += f" CO2 of the {percent_text(covered / energy_uj)} whose grid is known"
    elif masses:
        line += " CO2"
    line += _counted(sum(not row.has_run and row.end is None for row in rows), "waiting")
    line += _counted(sum(not row.has_run and row.end is not None for row in rows), "never started")
    line += _counted(sum(row.has_run and row.parts is None for row in rows), "not seen by any agent")
    return f"\n{line}\n(1 kWh = 1000 Wh = 3 600 000 J; CO2 with the grid's mean intensity while each job ran)"


def _counted(number: int, what: str) -> str:
    return f"; {number} {what}" if number else ""
