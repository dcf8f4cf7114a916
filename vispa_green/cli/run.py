"""``vispa-green run``: what one command costs, without Slurm."""

from __future__ import annotations

import json
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vispa_green import terminal
from vispa_green.cli._options import config_option
from vispa_green.errors import CannotStart
from vispa_green.run import check, run

if TYPE_CHECKING:  # the rest is imported where its failure is only a sentence
    from vispa_green.agent.embedded import EmbeddedAccount
    from vispa_green.energy.jobs import JobEnergy


@click.command("run", context_settings={"ignore_unknown_options": True})
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, on stderr like all of ours.")
@click.argument("argv", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND...")
def command(config_file: Path | None, argv: tuple[str, ...], *, as_json: bool) -> None:
    """Run COMMAND and print afterwards what it cost in energy and CO2, as `time` does for time.

    The command's own output and exit code are left alone; ours goes to stderr. Its process tree gets its
    share of this machine's energy, by CPU time; where no counter is readable the figure is an estimate
    and says so. Whatever is wrong with the account, the command runs.

    \b
    Examples:
      vispa-green run -- python train.py --epochs 3
      vispa-green run --json -- make -j2
    """
    try:
        check(argv)
        account, trouble = _account(config_file, argv[0].rpartition("/")[2])
        entered: AbstractContextManager[object] = nullcontext() if account is None else account
        with entered:
            code = run(argv)
            if account is not None:
                account.exit_code = code
    except CannotStart as error:
        terminal.say(f"vispa-green: {error}")
        sys.exit(error.exit_code)
    try:
        _report(account, trouble, as_json=as_json)
    except Exception as error:  # noqa: BLE001 - the command has run, and its exit code is what counts
        terminal.say(f"energy unknown: {error}")
    sys.exit(code)


def _account(config_file: Path | None, name: str) -> tuple[EmbeddedAccount | None, str]:
    """Return an account to run in, or why there is none; a configuration that cannot be used is replaced."""
    try:
        import logging

        from vispa_green.agent.embedded import account_of

        logging.getLogger("vispa_green").addHandler(logging.NullHandler())  # one line of ours is enough
        return account_of(config_file, name, with_itself=False)
    except Exception as error:  # noqa: BLE001 - half an installation, no memory: the command runs all the same
        return None, str(error) or type(error).__name__


def _report(account: EmbeddedAccount | None, trouble: str, *, as_json: bool) -> None:
    row = None if account is None else account.cost
    unknown = trouble if account is None else account.failure
    if as_json:
        from vispa_green.cli.energy import record

        warnings = [text for text in (trouble, unknown) if text]
        body = {"meta": {"version": 1}, "jobs": [] if row is None else [record(row)], "warnings": warnings}
        terminal.say(json.dumps(body, indent=2))
    elif row is None:
        terminal.say(f"energy unknown: {unknown or 'nothing was measured'}")
    else:
        terminal.say(_summary(row) + (f"  (built-in defaults: {trouble})" if trouble else ""))


def _summary(row: JobEnergy) -> str:
    from vispa_green.units import energy_text, mass_text

    elapsed_s = row.elapsed.total_seconds() if row.elapsed else 0.0
    share = "" if row.grid.renewable_share_pct is None else f", {row.grid.renewable_share_pct:.0f} % renewable"
    carbon = "CO2 unknown: no grid data" if row.co2_g is None else f"{mass_text(row.co2_g)} CO2{share}"
    energy = energy_text(row.energy_uj) + (f" ({row.quality})" if row.quality else "")
    return f"energy {energy}  {carbon}  cpu {row.cpu_time_ns / 1e9:.2f}s  real {elapsed_s:.2f}s"
