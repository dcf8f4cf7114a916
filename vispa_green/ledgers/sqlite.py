"""The ledger in one SQLite file: write-ahead log, full synchronisation, append-only by trigger.

For one machine. The file's mode decides who may read it (files of ours are 0640), so whoever may read it may
read everything; the commands narrow their questions all the same (`vispa_green.access`).
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from vispa_green.errors import LedgerError, LedgerMissing
from vispa_green.host import filesystem_of, now
from vispa_green.ledgers._sql.connection import Connection
from vispa_green.ledgers._sql.dialect import SQLITE, listed
from vispa_green.ledgers._sql.ledger import SqlLedger
from vispa_green.ledgers._sql.migrating import bring_up_to_date, steps, version_fault

if TYPE_CHECKING:
    from vispa_green.host import Host
    from vispa_green.ledgers import LedgerPlace
    from vispa_green.model import Ledger
    from vispa_green.registry import NoOptions

FILE_MODE, DIRECTORY_MODE = 0o640, 0o750
"""Energies by interval tell what a node computes, so the world may not read them; a group may."""
PATIENCE_S = 30
"""So long a writer waits for another."""
NETWORK_FILESYSTEMS = frozenset({
    "9p", "afs", "beegfs", "ceph", "cifs", "coda", "fhgfs", "fuse.beegfs", "fuse.ceph", "fuse.ceph-fuse",
    "fuse.glusterfs", "fuse.juicefs", "fuse.moosefs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs", "gfs2", "glusterfs",
    "gpfs", "lustre", "nfs", "nfs4", "ocfs2", "orangefs", "panfs", "pvfs2", "quobyte", "smb3", "smbfs", "wekafs",
})  # fmt: skip
"""Write-ahead logs share memory between their processes, which those of two machines do not have."""
_MAKING = threading.Lock()


class SqliteDatabase:
    """A connection to a local file. Who begins to write waits until nobody else does, so nothing else is held."""

    dialect = SQLITE
    refusals: tuple[type[Exception], ...] = (sqlite3.IntegrityError, sqlite3.DataError, OverflowError)
    failures: type[Exception] = sqlite3.Error

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.execute, self.executemany, self.close = connection.execute, connection.executemany, connection.close

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Add many rows."""
        if rows:
            self.executemany(_inserting(table, tuple(columns)), rows)

    def merge(
        self,
        table: str,
        key: Sequence[str],
        columns: Sequence[str],
        rows: Sequence[Sequence[object]],
        *,
        adding: bool,
    ) -> None:
        """Add rows, or add to them, or set them, in the order of their key, which SQLite likes best."""
        if rows:
            self.executemany(_merging(table, tuple(key), tuple(columns), adding=adding), rows)

    def numbers(self, table: str, count: int) -> Sequence[int]:
        """Return numbers for new rows: nobody else writes."""
        (last,) = self.execute(f"SELECT coalesce(max(id), 0) FROM {table}").fetchone()
        return range(last + 1, last + 1 + count)

    def fresh(self, spool_id: int, sequences: Sequence[int]) -> set[int]:
        """Return which numbers of a spool were never delivered; their rows tell, and how far others were pruned."""
        (pruned_to,) = self.execute("SELECT pruned_to FROM spool WHERE id = ?", (spool_id,)).fetchone()
        asked = {sequence for sequence in sequences if sequence > pruned_to}
        rows = self.execute(
            f"SELECT sequence FROM node_interval WHERE spool_id = ? AND sequence {SQLITE.numbers}",
            (spool_id, listed(sorted(asked))),
        )
        return asked - {sequence for (sequence,) in rows}

    def have_days(self, ends_us: Collection[int]) -> None:
        """Do nothing: all days are in one table."""

    def retire(self, before_us: int) -> int:
        """Keep of each spool up to which number it is known; no rows go with that."""
        self.execute(
            "UPDATE spool SET pruned_to = max(pruned_to, coalesce((SELECT max(sequence) FROM node_interval i"
            " WHERE i.spool_id = spool.id AND i.end_us <= ?), -1))",
            (before_us,),
        )
        return 0

    def begin(self) -> None:
        """Begin a transaction that writes: from here on nobody else does."""
        self.execute("BEGIN IMMEDIATE")

    def begin_reading(self) -> None:
        """Begin a transaction whose questions are all answered from one state."""
        self.execute("BEGIN")

    @property
    def in_transaction(self) -> bool:
        """Whether one has begun."""
        return self._connection.in_transaction

    def hold_jobs(self, cluster_id: int, numbers: Collection[str]) -> None:
        """Do nothing, see `begin`."""

    def hold_cluster(self, cluster_id: int) -> None:
        """Do nothing, see `begin`."""

    def hold(self, what: str) -> None:
        """Do nothing, see `begin`."""

    def share(self, what: str) -> None:
        """Do nothing, see `begin`."""

    def held(self, what: str) -> bool:
        """Say that nobody else writes, see `begin`."""
        return True

    def hold_all(self) -> None:
        """Do nothing, see `begin`."""

    def version(self) -> int:
        """Return how many steps of migration were taken."""
        (version,) = self.execute("PRAGMA user_version").fetchone()
        return int(version)

    def took_step(self, number: int) -> None:
        """Keep that a step was taken."""
        self.execute(f"PRAGMA user_version = {number}")

    def run_script(self, script: str) -> None:
        """Execute statements one by one; ``executescript`` would commit our transaction first."""
        statement = ""
        for line in script.splitlines(keepends=True):
            statement += line
            if sqlite3.complete_statement(statement):
                self.execute(statement)
                statement = ""

    @contextmanager
    def migrating(self) -> Iterator[None]:
        """Let nobody else write meanwhile; all or nothing. Rows may refer to rows that are not there yet."""
        self.execute("PRAGMA foreign_keys = OFF")
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            if self.in_transaction:
                self.execute("ROLLBACK")
            raise
        finally:
            self.execute("PRAGMA foreign_keys = ON")


@cache
def _inserting(table: str, columns: tuple[str, ...]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({','.join('?' * len(columns))})"


@cache
def _merging(table: str, key: tuple[str, ...], columns: tuple[str, ...], *, adding: bool) -> str:
    changes = ", ".join(f"{c} = {f'{table}.{c} + ' * adding}excluded.{c}" for c in columns)
    return f"{_inserting(table, key + columns)} ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}"


def network_filesystem_of(path: Path, procfs: Path) -> str:
    """Return the type of the network file system that holds a path, empty where it is on a local one."""
    kind = filesystem_of(path, procfs)
    return kind if kind in NETWORK_FILESYSTEMS else ""


class SqliteFiles:
    """The files that a ledger can be kept in; a `vispa_green.ledgers.LedgerPlace`."""

    def __init__(self, procfs: Path = Path("/proc")) -> None:
        self._procfs = procfs

    def open_ledger(self, url: str, *, create: bool, read_only: bool, cluster: str, zone: str) -> Ledger:
        """Open ``sqlite:////absolute/path``; make file, directory and tables where ``create`` allows it.

        ``cluster`` names the rows of a ledger that is older than clusters; days are summed in ``zone``.
        """
        path = Path(url.removeprefix("sqlite://"))
        if not path.is_absolute():
            raise LedgerError(f"[ledger] url: {url!r} needs an absolute path, as in sqlite:////var/lib/x.sqlite")
        if not read_only and (kind := network_filesystem_of(path, self._procfs)):
            raise LedgerError(
                f"the ledger at {path} would be on a network file system ({kind}), where SQLite loses what several"
                " machines write: use a disk of one machine (for a user's own ledger set VISPA_GREEN_STATE to a"
                ' directory there), or [ledger] url = "postgresql://user@host/database"'
            )
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
                if not read_only and 0 <= database.version() < len(steps()):
                    from zoneinfo import ZoneInfo

                    bring_up_to_date(database, cluster, ZoneInfo(zone))
                _check_version(database)
            except BaseException:
                database.close()
                raise
        except (OSError, sqlite3.Error) as error:
            raise LedgerError(f"the ledger at {path} cannot be opened: {error}") from error
        return SqlLedger(Connection(database, str(path)))


def make(host: Host | None, options: NoOptions) -> LedgerPlace:
    """Return the kind of place; a file has no options."""
    return SqliteFiles() if host is None else SqliteFiles(host.procfs)


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


def _opened(path: Path, options: str) -> SqliteDatabase:
    database = sqlite3.connect(f"{path.as_uri()}?{options}", uri=True, timeout=PATIENCE_S, isolation_level=None)
    try:
        if "mode=ro" not in options:
            _write_ahead(database)
            database.execute("PRAGMA synchronous = FULL")
        database.execute("PRAGMA foreign_keys = ON")
        opened = SqliteDatabase(database)
        opened.version()  # reads the file, so that one that cannot be read says so here
    except BaseException:
        database.close()
        raise
    return opened


def _check_version(database: SqliteDatabase) -> None:
    if fault := version_fault(database.version()):
        raise sqlite3.DatabaseError(fault)


def _to_read(path: Path) -> SqliteDatabase:
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
