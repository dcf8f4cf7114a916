"""``vispa-green ledger``: look at the account itself."""

from __future__ import annotations

import json
from pathlib import Path

import click

from vispa_green.cli._options import config_option, json_option
from vispa_green.model import BalanceRow
from vispa_green.session import open_session


@click.group("ledger")
def command() -> None:
    """Look at the account itself."""


@command.command()
@config_option
@json_option
def balance(config_file: Path | None, *, as_json: bool) -> None:
    """Show, by node and component, that jobs + idle + system = measured.

    The last column is the difference in microjoules; anything but 0 is a bug, and the exit code is then 1.

    \b
    Examples:
      vispa-green ledger balance
      vispa-green ledger balance --json | jq '.nodes[].difference_uj'
    """
    rows = open_session(config_file).ledger(read_only=True).balance()
    if as_json:
        click.echo(json.dumps({"meta": {"version": 1}, "nodes": [_record(row) for row in rows]}, indent=2))
    else:
        _print_table(rows)
    if any(row.difference_uj for row in rows):
        raise SystemExit(1)


def _record(row: BalanceRow) -> dict[str, object]:
    return {
        "node": row.node,
        "component": row.component.value,
        "measured_uj": row.measured_uj,
        "jobs_uj": row.jobs_uj,
        "idle_uj": row.idle_uj,
        "system_uj": row.system_uj,
        "difference_uj": row.difference_uj,
    }


def _print_table(rows: list[BalanceRow]) -> None:
    if not rows:
        click.echo("The ledger is empty: no agent has delivered an interval yet.")
        return
    click.echo(
        f"{'node':<12} {'component':<9}"
        f" {'measured J':>14} {'jobs J':>14} {'idle J':>14} {'system J':>14} {'diff µJ':>8}"
    )
    for row in rows:
        joules = " ".join(f"{uj / 1e6:>14.3f}" for uj in (row.measured_uj, row.jobs_uj, row.idle_uj, row.system_uj))
        click.echo(f"{row.node:<12} {row.component:<9} {joules} {row.difference_uj:>8}")
