"""The ledger in one SQLite file: write-ahead log, full synchronisation, append-only by trigger.

For one machine. The file's mode decides who may read it (files of ours are 0640), so whoever may read it may
read everything; the commands narrow their questions all the same (`vispa_green.access`).
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from vispa_green.errors import LedgerError, LedgerMissing
from vispa_green.host import now
from vispa_green.ledgers._sqlite.connection import Connection
from vispa_green.ledgers._sqlite.migrating import bring_up_to_date, steps, version_of

if TYPE_CHECKING:
    from vispa_green.host import Host
    from vispa_green.ledgers import LedgerPlace
    from vispa_green.model import EnergyBook, FactBook, GridBook, Ledger, ProjectBook, PromiseBook
    from vispa_green.registry import NoOptions

FILE_MODE, DIRECTORY_MODE = 0o640, 0o750
"""Energies by interval tell what a node computes, so the world may not read them; a group may."""
PATIENCE_S = 30
"""So long a writer waits for another."""
_MAKING = threading.Lock()


class SqliteLedger:
    """A `Ledger` in a local file. Several processes may write; each write waits its turn."""

    def __init__(self, database: sqlite3.Connection, place: str) -> None:
        self._database, self._connection = database, Connection(database, place)

    # A submission reads the grid only and waits for nothing else: a book is imported when it is opened.

    @cached_property
    def energy(self) -> EnergyBook:
        """What was measured, and whom it was charged to."""
        from vispa_green.ledgers._sqlite.energy import SqliteEnergy

        return SqliteEnergy(self._connection)

    @cached_property
    def grid(self) -> GridBook:
        """What the grid was and will be."""
        from vispa_green.ledgers._sqlite.grid import SqliteGrid

        return SqliteGrid(self._connection)

    @cached_property
    def promises(self) -> PromiseBook:
        """What green submissions promised."""
        from vispa_green.ledgers._sqlite.promises import SqlitePromises

        return SqlitePromises(self._connection)

    @cached_property
    def facts(self) -> FactBook:
        """What the batch system said of jobs."""
        from vispa_green.ledgers._sqlite.facts import SqliteFacts

        return SqliteFacts(self._connection)

    @cached_property
    def projects(self) -> ProjectBook:
        """What work was for."""
        from vispa_green.ledgers._sqlite.projects import SqliteProjects

        return SqliteProjects(self._connection)

    def close(self) -> None:
        """Release the file."""
        self._database.close()


class SqliteFiles:
    """The files that a ledger can be kept in; a `vispa_green.ledgers.LedgerPlace`."""

    def open_ledger(self, url: str, *, create: bool, read_only: bool, cluster: str, zone: str) -> Ledger:
        """Open ``sqlite:////absolute/path``; make file, directory and tables where ``create`` allows it.

        ``cluster`` names the rows of a ledger that is older than clusters; days are summed in ``zone``.
        """
        path = Path(url.removeprefix("sqlite://"))
        if not path.is_absolute():
            raise LedgerError(f"[ledger] url: {url!r} needs an absolute path, as in sqlite:////var/lib/x.sqlite")
        try:
            if not create and not path.exists():
                raise LedgerMissing(
                    f"there is no ledger at {path}: has an agent run yet,"
                    " and does [ledger] url name the same place for both?"
                )
            if create:
                _make_file(path)
            database = _to_read(path) if read_only else _opened(path, "mode=rw")
            try:
                if not read_only and 0 <= version_of(database) < len(steps()):
                    from zoneinfo import ZoneInfo

                    bring_up_to_date(database, cluster, ZoneInfo(zone))
                _check_version(database)
            except BaseException:
                database.close()
                raise
        except (OSError, sqlite3.Error) as error:
            raise LedgerError(f"the ledger at {path} cannot be opened: {error}") from error
        return SqliteLedger(database, str(path))


def make(host: Host | None, options: NoOptions) -> LedgerPlace:
    """Return the kind of place; a file has no options."""
    return SqliteFiles()


def _make_file(path: Path) -> None:
    if not path.parent.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True, mode=DIRECTORY_MODE)
    # Only where there is none: a close of a file takes this process's locks from it (fcntl(2)), SQLite's among them.
    with _MAKING, suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE))


def _write_ahead(database: sqlite3.Connection) -> None:
    """Let writers append to a log. Of two that open a new ledger at once, SQLite lets one fail, not wait."""
    until_ns = now().monotonic_ns + PATIENCE_S * 1_000_000_000
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or now().monotonic_ns >= until_ns:
                raise
            time.sleep(0.01)
        else:
            return


def _opened(path: Path, options: str) -> sqlite3.Connection:
    database = sqlite3.connect(f"{path.as_uri()}?{options}", uri=True, timeout=PATIENCE_S, isolation_level=None)
    try:
        if "mode=ro" not in options:
            _write_ahead(database)
            database.execute("PRAGMA synchronous = FULL")
        database.execute("PRAGMA foreign_keys = ON")
        version_of(database)  # reads the file, so that one that cannot be read says so here
    except BaseException:
        database.close()
        raise
    return database


def _check_version(database: sqlite3.Connection) -> None:
    version, known = version_of(database), len(steps())
    if version == known:
        return
    if version > known or version < 0:
        message = f"it has schema {version}, this program knows {known}: install a newer vispa-green"
    else:
        message = f"it has schema {version} of {known}: run `vispa-green ledger migrate` once as its owner"
    raise sqlite3.DatabaseError(message)


def _to_read(path: Path) -> sqlite3.Connection:
    """Open to read, also where this user may not write the directory and no agent has the ledger open.

    SQLite reads a write-ahead log through a file beside it, which it would have to make then. An empty
    log needs none: all is in the ledger itself, and nobody is there to change it.
    """
    try:
        return _opened(path, "mode=ro")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}:
            raise
    path.open("rb").close()  # says so if it is the ledger itself that may not be read
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size:
        raise LedgerError(
            f"the ledger at {path} cannot be read now: its newest part is still in {log.name}, and this user may not"
            f" write to {path.parent}; start an agent there, or ask the owner of the ledger to run this command once"
        )
    return _opened(path, "mode=ro&immutable=1")
