"""``vispa-green run``: what one command costs, without Slurm."""

from __future__ import annotations

import getpass
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import click

from vispa_green import host
from vispa_green.cli._options import config_option
from vispa_green.config import SlurmSection
from vispa_green.energy.jobs import JobEnergy
from vispa_green.session import Session, open_session


@click.command("run", context_settings={"ignore_unknown_options": True})
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, on stderr like all of ours.")
@click.argument("argv", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND...")
def command(config_file: Path | None, argv: tuple[str, ...], *, as_json: bool) -> None:
    """Run COMMAND and print afterwards what it cost in energy and CO2, as `time` does for time.

    The command's own output and exit code are left alone; ours goes to stderr. Its process tree gets its
    share of this machine's energy, by CPU time; where no counter is readable the figure is an estimate
    and says so.

    \b
    Examples:
      vispa-green run -- python train.py --epochs 3
      vispa-green run --json -- make -j2
    """
    from vispa_green.agent import assembly
    from vispa_green.run import account

    session = open_session(config_file)
    outcome = account(session, argv, assembly.pace(session.config, 1.0), host.now, os.getuid(), getpass.getuser())
    _report(replace(session, now=outcome.end), outcome.job_id, as_json=as_json)
    # A command that a signal ended is reported as a shell does it.
    sys.exit(outcome.exit_code if outcome.exit_code >= 0 else 128 - outcome.exit_code)


def _report(session: Session, job_id: str, *, as_json: bool) -> None:
    from vispa_green.answers.jobs import JobChoice, collect
    from vispa_green.cli.energy import record

    without_slurm = session.config.model_copy(update={"slurm": SlurmSection(enabled=False)})
    material = collect(replace(session, config=without_slurm), JobChoice(job_ids=(job_id,)))
    for row in material.rows():
        if as_json:
            click.echo(json.dumps({"meta": {"version": 1}, "jobs": [record(row)]}, indent=2), err=True)
        else:
            click.echo(_summary(row), err=True)


def _summary(row: JobEnergy) -> str:
    from vispa_green.units import energy_text, mass_text

    elapsed_s = (row.end - row.start).total_seconds() if row.start and row.end else 0.0
    share = "" if row.renewable_share_pct is None else f", {row.renewable_share_pct:.0f} % renewable"
    carbon = "CO2 unknown: no grid data" if row.co2_g is None else f"{mass_text(row.co2_g)} CO2{share}"
    energy = energy_text(row.energy_uj) + (f" ({row.quality})" if row.quality else "")
    return f"energy {energy}  {carbon}  cpu {row.cpu_time_ns / 1e9:.2f}s  real {elapsed_s:.2f}s"
