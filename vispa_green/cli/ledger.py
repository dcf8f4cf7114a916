"""``vispa-green ledger``: look at the account itself."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from vispa_green.answers.copies import back_up, exported, write_csv, write_parquet
from vispa_green.cli._options import config_option, json_option
from vispa_green.cli._output import print_json
from vispa_green.cli._reprice import command as reprice
from vispa_green.cli._selection import choose
from vispa_green.codec import codec_of
from vispa_green.errors import Malformed, UsageError
from vispa_green.model import BalanceRow, ChainHead
from vispa_green.printable import printable
from vispa_green.session import open_session
from vispa_green.times.local_zone import local_zone


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
@click.option(
    "--heads", "file", type=click.Path(path_type=Path, dir_okay=False), help="What `ledger heads --json` said before."
)
@config_option
@json_option
def verify(config_file: Path | None, file: Path | None, *, as_json: bool) -> None:
    """Prove that every roll-up is what its rows sum to, to the microjoule, and that no row was changed since.

    The rows of each spool are in a chain of digests. The exit code is 1 if anything disagrees.

    \b
    Examples:
      vispa-green ledger verify
      vispa-green ledger verify --heads /elsewhere/heads-2026-07-01.json
      vispa-green ledger verify --json | jq '.disagreements | length'
    """
    known = [] if file is None else _read_heads(file)
    found = open_session(config_file).ledger(read_only=True).energy.verify(known)
    if as_json:
        print_json({"disagreements": found})
    else:
        click.echo(
            "\n".join(found) if found else "All roll-ups are what their rows sum to, and all chains are whole."
        )
    if found:
        raise SystemExit(1)


@command.command()
@config_option
@json_option
def heads(config_file: Path | None, *, as_json: bool) -> None:
    """Show the last link of each spool's chain. Kept elsewhere, they prove later that nothing before was changed.

    \b
    Examples:
      vispa-green ledger heads --json > /elsewhere/heads-$(date +%F).json
    """
    found = open_session(config_file).ledger(read_only=True).energy.heads()
    if as_json:
        print_json({"heads": codec_of(list[ChainHead]).write(found)})
    else:
        click.echo(
            "\n".join(f"{one.digest}  {one.link:>9}  {printable(one.spool)}" for one in found) or "No links yet."
        )


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


@command.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@config_option
@json_option
def backup(file: Path, config_file: Path | None, *, as_json: bool) -> None:
    """Copy the ledger to FILE, as it is at one moment; agents go on meanwhile.

    A copy is a ledger: name it in [ledger] url to ask it, or to go back to it.

    \b
    Examples:
      vispa-green ledger backup /backup/ledger-$(date +%F).sqlite
      17 2 * * * root vispa-green ledger backup /backup/ledger-$(date +\\%F).sqlite   # in /etc/cron.d
    """
    size = back_up(open_session(config_file), file, _progress())
    if as_json:
        print_json({"file": str(file), "bytes": size})
    else:
        click.echo(f"{file}: {size / 1e6:.1f} MB")


@command.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--what",
    type=click.Choice(("jobs", "quarters")),
    default="jobs",
    show_default=True,
    help="A row for each job, or for each that it was charged.",
)
@click.option("-a", "--allusers", is_flag=True, help="Jobs of all users, as far as you may see them.")
@click.option("-S", "--starttime", default=None, metavar="TIME", help="Jobs that ran after TIME (default: today).")
@click.option("-E", "--endtime", default=None, metavar="TIME", help="Jobs that ran before TIME.")
@config_option
@json_option
def export(file: Path, config_file: Path | None, *, what: str, as_json: bool, **asked: Any) -> None:  # noqa: ANN401
    """Write my jobs to FILE as a table: CSV, or Parquet where its name ends in .parquet.

    Energies are whole µJ, times are UTC, an empty cell is unknown.

    \b
    Examples:
      vispa-green ledger export jobs.csv -S 2026-11-01
      vispa-green ledger export quarters.parquet --what quarters -a -S 2026-01-01 -E 2026-02-01
    """
    session = open_session(config_file)
    choice = choose(
        jobs="", users="", accounts="", start=asked["starttime"], end=asked["endtime"], all_users=asked["allusers"],
        now=session.now.utc, zone=local_zone(os.environ),
    )  # fmt: skip
    write = write_parquet if file.suffix == ".parquet" else write_csv
    count = write(exported(session, choice, what), file)
    if as_json:
        print_json({"file": str(file), "rows": count})
    else:
        click.echo(f"{file}: {count} rows")


command.add_command(reprice)


def _read_heads(file: Path) -> list[ChainHead]:
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        found: list[ChainHead] = codec_of(list[ChainHead]).read(told["heads"], "heads")
    except (OSError, ValueError, TypeError, KeyError, Malformed) as error:
        raise UsageError(f"{file} is not what `vispa-green ledger heads --json` says: {error}") from error
    return found


def _progress() -> Callable[[int, int], None] | None:
    """Return what tells on a terminal how far a copy is."""
    if not sys.stderr.isatty():
        return None

    def told(left: int, total: int) -> None:
        click.echo(f"\r{100 * (total - left) // max(1, total)} %", err=True, nl=not left)

    return told


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
