"""``vispa-green run``: what one command costs, without Slurm."""

from __future__ import annotations

import getpass
import os
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vispa_green import host
from vispa_green.cli._options import config_option
from vispa_green.session import Session, open_session

if TYPE_CHECKING:
    from vispa_green.run import Outcome


@click.command("run", context_settings={"ignore_unknown_options": True})
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, on stderr.")
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
    pace = assembly.pace(session.config, 1.0)
    outcome = account(session, argv, pace, host.now, os.getuid(), getpass.getuser())
    _report(session, outcome, as_json=as_json)
    # A command that a signal ended is reported as a shell does it.
    sys.exit(outcome.exit_code if outcome.exit_code >= 0 else 128 - outcome.exit_code)


def _report(session: Session, outcome: Outcome, *, as_json: bool) -> None:
    from vispa_green.reports.jobs import account_jobs, render_one

    with closing(session.ledger()) as ledger:
        rows = account_jobs(session, ledger, outcome)
    click.echo(render_one(rows, as_json=as_json), err=True)
