"""Whether the account can be kept and asked: ledger and spool, and who may read them."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from vispa_green.doctor.findings import Finding, Level
from vispa_green.errors import LedgerMissing, VispaGreenError
from vispa_green.importing import is_fresh
from vispa_green.ledgers.sqlite import network_filesystem_of
from vispa_green.session import Session

BACKLOG_OF_AN_HOUR = 360


def ledger(session: Session) -> Iterator[Finding]:
    """Say whether the ledger is there, writable, and on a local disk."""
    url = session.ledger_url
    path = _place(session)
    if path is not None:
        remedy = "put [ledger] url on a local disk of one machine, or use postgresql://user@host/database"
        yield from _on_local_disk(session, "ledger", path, remedy)
    try:
        session.ledger(read_only=True).close()
    except LedgerMissing as error:
        yield Finding(Level.WARN, str(error), "start an agent (`vispa-green agent run`): it makes the ledger")
    except VispaGreenError as error:
        yield Finding(Level.FAIL, f"ledger: {error}", "check [ledger] url, and who may read and write there")
    else:
        yield Finding(Level.OK, f"ledger: {url} is {'reachable' if path is None else _access(path)}")
        if path is not None:
            yield from _who_may_read(path)


def facts(session: Session) -> Iterator[Finding]:
    """Say until when an importer has taken Slurm's facts into the ledger."""
    try:
        opened = session.ledger(read_only=True)
    except VispaGreenError:
        return  # said above
    try:
        mark = opened.facts.imported_until(session.config.cluster.name)
    finally:
        opened.close()
    if mark is None:
        yield Finding(Level.OK, "Slurm's facts: nobody imports them, so they are asked for with each question")
    elif is_fresh(mark, session.now.utc, session.config.slurm.sync_s):
        yield Finding(Level.OK, f"Slurm's facts: imported until {mark:%Y-%m-%d %H:%M} UTC")
    else:
        yield Finding(
            Level.WARN,
            f"Slurm's facts: imported until {mark:%Y-%m-%d %H:%M} UTC and not since; they are asked for again",
            "start `vispa-green slurm sync --follow`, and look at what it says",
        )


def spool(session: Session) -> Iterator[Finding]:
    """Say how much waits on this node to be delivered."""
    path = session.spool_dir / f"{session.host().name}.sqlite"
    yield from _on_local_disk(session, "spool", path, "put [agent] spool_dir on a local disk of each node")
    if not path.exists():
        yield Finding(Level.OK, f"spool: none at {path}, no agent has run on this node")
        return
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            (waiting,) = connection.execute("SELECT count(*) FROM outbox").fetchone()
            dropped = connection.execute("SELECT value FROM memory WHERE key = 'dropped'").fetchone()
            (set_aside,) = connection.execute("SELECT count(*) FROM quarantine").fetchone()
    except sqlite3.Error as error:
        yield Finding(Level.WARN, f"spool: {path} cannot be read ({error})", "ask as the agent's user")
        return
    level = Level.WARN if waiting > BACKLOG_OF_AN_HOUR else Level.OK
    remedy = "the agent does not reach its ledger: look at its log" if level is Level.WARN else ""
    yield Finding(level, f"spool: {waiting} intervals wait in {path}", remedy)
    if dropped is not None and dropped[0] != "0":
        yield Finding(
            Level.WARN,
            f"spool: {dropped[0]} intervals waited too long for the ledger, their times are gaps",
            "the ledger was away for longer than [agent] keep_days",
        )
    if set_aside:
        yield Finding(
            Level.WARN,
            f"spool: {set_aside} records of {path} could not be read or were refused, their times are gaps",
            f"look at its table quarantine: sqlite3 -box {path} '.dump quarantine'",
        )


def _place(session: Session) -> Path | None:
    """Return the file of a ledger that is one."""
    scheme, _, path = session.ledger_url.partition("://")
    return Path(path) if scheme == "sqlite" else None


def _on_local_disk(session: Session, what: str, path: Path, remedy: str) -> Iterator[Finding]:
    if kind := network_filesystem_of(path, session.host().procfs):
        yield Finding(Level.FAIL, f"{what}: {path} is on {kind}, where SQLite's locks do not hold", remedy)


def _who_may_read(path: Path) -> Iterator[Finding]:
    """Warn of a ledger that everybody may read or write: rows of seconds tell what a node computes."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    if mode & stat.S_IWOTH:
        yield Finding(
            Level.FAIL,
            f"ledger: everybody may write to {path}, so anybody may change the account",
            f"chmod o-rwx {path}; gsbatch keeps users' promises in their own spools",
        )
    elif mode & stat.S_IROTH:
        yield Finding(
            Level.WARN,
            f"ledger: everybody may read {path}, jobs of others and the power of nodes by the second included",
            f"chmod o-rwx {path}, and chgrp it to those who may see everything",
        )


def _access(path: Path) -> str:
    return "writable" if os.access(path, os.W_OK) else "readable (that is enough: only agents write)"
