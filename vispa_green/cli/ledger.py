"""``vispa-green ledger``: look at the account itself."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import click

from vispa_green.cli._options import config_option, json_option
from vispa_green.cli._output import print_json
from vispa_green.errors import UsageError
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
    rows = open_session(config_file).ledger(read_only=True).energy.balance()
    if as_json:
        print_json({"nodes": [_record(row) for row in rows]})
    else:
        _print_table(rows)
    if any(row.difference_uj for row in rows):
        raise SystemExit(1)


@command.command()
@config_option
@json_option
def verify(config_file: Path | None, *, as_json: bool) -> None:
    """Prove that every roll-up is what its rows sum to, to the microjoule. The exit code is 1 if one is not.

    \b
    Examples:
      vispa-green ledger verify
      vispa-green ledger verify --json | jq '.disagreements | length'
    """
    found = open_session(config_file).ledger(read_only=True).energy.verify()
    if as_json:
        print_json({"disagreements": found})
    else:
        click.echo("\n".join(found) if found else "All roll-ups are what their rows sum to.")
    if found:
        raise SystemExit(1)


@command.command()
@config_option
@json_option
@click.option(
    "--keep-days", type=click.IntRange(min=1), help="Keep raw rows this long (default: [ledger] keep_raw_days)."
)
def prune(config_file: Path | None, keep_days: int | None, *, as_json: bool) -> None:
    """Take out raw rows of UTC days that are old enough. Sums by job, node, user and quarter-hour stay for ever.

    \b
    Examples:
      vispa-green ledger prune --keep-days 90
      17 3 * * * root vispa-green ledger prune        # in /etc/cron.d
    """
    session = open_session(config_file)
    days = keep_days or session.config.ledger.keep_raw_days
    if not days:
        raise UsageError("raw rows are kept for ever here; say --keep-days, or set [ledger] keep_raw_days")
    before = session.now.utc.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days)
    pruned = session.ledger().energy.prune(before)
    if as_json:
        print_json({"intervals": pruned.intervals, "facts": pruned.facts})
    else:
        click.echo(f"took out {pruned.intervals} intervals and {pruned.facts} older facts; their sums are kept")


@command.command()
@config_option
def migrate(config_file: Path | None) -> None:
    """Bring a ledger of an older version up to date. Agents do so by themselves; until then it cannot be read.

    \b
    Examples:
      vispa-green ledger migrate --config /etc/vispa-green/config.toml
    """
    session = open_session(config_file)
    session.ledger().close()
    click.echo(f"{session.ledger_url} is up to date")


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
