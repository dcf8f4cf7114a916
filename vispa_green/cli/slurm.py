"""``vispa-green slurm``: what Slurm records, taken into the ledger."""

from __future__ import annotations

import signal
import threading
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from vispa_green import host
from vispa_green.answers.projects import with_projects
from vispa_green.cli._options import config_option, json_option
from vispa_green.cli._output import print_json, stamp, warn
from vispa_green.clusters import CLUSTERS
from vispa_green.errors import UsageError
from vispa_green.importing import Progress, Synced, follow, sync_once
from vispa_green.session import Session, open_session
from vispa_green.times.past import past_time


@click.group("slurm")
def command() -> None:
    """Take what Slurm records into the ledger."""


@command.command()
@config_option
@json_option
@click.option("--since", help="Go back to this time, as sacct -S reads it (first time: 30 days back).")
@click.option("--follow", "is_following", is_flag=True, help="Again each [slurm] sync_s, until stopped.")
def sync(config_file: Path | None, since: str | None, *, is_following: bool, as_json: bool) -> None:
    """Take what Slurm records of all jobs into the ledger, from where the last time ended. For administrators.

    Slurm is asked as [slurm] source says: by text, through slurmrestd or pyslurm. While this runs, commands
    answer from the ledger and no longer ask Slurm for each question. It can be repeated: nothing counts twice.

    \b
    Examples:
      vispa-green slurm sync --since 2026-01-01
      vispa-green slurm sync --follow
    """
    from vispa_green.answers.asking import who_asks

    session = open_session(config_file)
    if not who_asks(session).roles:
        raise UsageError("this takes everybody's jobs into the ledger: run it as root, or as one of [access] admins")
    begin = None if since is None else past_time(since, session.now.utc, ZoneInfo(session.config.cluster.timezone))
    if begin is not None and begin >= session.now.utc:
        raise UsageError(f"--since {since} is not in the past")
    importer = _Importer(session, begin)
    if not is_following:
        _tell(session, importer.sync(session.now.utc), as_json=as_json)
        return
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    follow(importer.sync, host.now, stop.wait, session.config.slurm.sync_s, lambda line: warn([line]))


class _Importer:
    """One import after the other from the same cluster; only the first goes further back."""

    def __init__(self, session: Session, since: datetime | None) -> None:
        self._session, self._since = session, since
        config = session.config
        self._cluster = CLUSTERS.make(config.slurm.source, None, config.options("slurm"))

    def sync(self, at: datetime) -> Synced:
        ledger = self._session.ledger(create=True)
        try:
            name = self._session.config.cluster.name
            done = sync_once(
                self._cluster, ledger, name, at, since=self._since, progress=_progress(),
                with_projects=lambda facts: with_projects(self._session, facts),
            )  # fmt: skip
        finally:
            ledger.close()
        self._since = None
        return done


def _progress() -> Progress:
    """Return what tells on stderr how far it is, where there is more than one thing to tell."""

    def told(until: datetime, number: int, of: int) -> None:
        if of > 2:
            click.echo(f"slurm: {number} of {of}, until {stamp(until)}", err=True)

    return told


def _tell(session: Session, done: Synced, *, as_json: bool) -> None:
    if as_json:
        body = {"cluster": session.config.cluster.name, "facts": done.told, "until": stamp(done.until)}
        print_json({**body, "warnings": list(done.warnings)})
        return
    warn(done.warnings)
    click.echo(f"{done.told} facts of Slurm until {stamp(done.until)} are in the ledger.")
