"""The agent's durable memory on its node: intervals not yet delivered, and where the counters stood.

An interval and the baseline that follows it become durable in one transaction, so that a killed agent
repeats nothing and skips nothing: either both are there or neither.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import uuid
from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter

from vispa_green.energy.accounting import Baseline
from vispa_green.errors import SpoolError
from vispa_green.model import NodeInterval, SpooledInterval

TABLES = (
    "CREATE TABLE IF NOT EXISTS memory (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS outbox (sequence INTEGER PRIMARY KEY AUTOINCREMENT, interval TEXT NOT NULL) STRICT",
)


class Spool:
    """One node's spool; one agent at a time may hold it."""

    def __init__(self, directory: Path, node: str) -> None:
        self._path = directory / f"{node}.sqlite"
        self._baseline = TypeAdapter(Baseline)
        self._interval = TypeAdapter(NodeInterval)
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(directory / f"{node}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise SpoolError(f"the spool {directory} cannot be used: {error}; set [agent] spool_dir") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise SpoolError(
                f"another agent holds {self._path}: stop it first, or give this one a spool_dir"
            ) from error
        self._db = self._open()
        self.spool_id = self._identity()

    def keep(self, interval: NodeInterval | None, baseline: Baseline) -> None:
        """Make an interval durable together with the baseline that it ends at; raise `SpoolError` if not."""
        try:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                if interval is not None:
                    text = self._interval.dump_json(interval).decode()
                    self._db.execute("INSERT INTO outbox (interval) VALUES (?)", (text,))
                self._remember("baseline", self._baseline.dump_json(baseline).decode())
        except sqlite3.Error as error:
            raise SpoolError(f"{self._path}: {error}") from error

    def baseline(self) -> Baseline | None:
        """Return where the last interval ended, ``None`` on a new node."""
        text = self._recall("baseline")
        return None if text is None else self._baseline.validate_json(text)

    def waiting(self, most: int) -> Sequence[SpooledInterval]:
        """Return the oldest intervals not yet delivered; raise `SpoolError` if they cannot be read."""
        query = "SELECT sequence, interval FROM outbox ORDER BY sequence LIMIT ?"
        try:
            rows = self._db.execute(query, (most,)).fetchall()
        except sqlite3.Error as error:
            raise SpoolError(f"{self._path}: {error}") from error
        return [SpooledInterval(sequence, self._interval.validate_json(text)) for sequence, text in rows]

    def backlog(self) -> int:
        """Return how many intervals wait."""
        (count,) = self._db.execute("SELECT count(*) FROM outbox").fetchone()
        return int(count)

    def delivered(self, up_to: int) -> None:
        """Forget what the ledger has committed."""
        try:
            self._db.execute("DELETE FROM outbox WHERE sequence <= ?", (up_to,))
        except sqlite3.Error as error:
            raise SpoolError(f"{self._path}: {error}") from error

    def remove_if_empty(self) -> None:
        """Remove the spool's files if all is delivered: for a spool that will never be used again."""
        if self.backlog() == 0:
            for path in self._path.parent.glob(f"{self._path.stem}.*"):
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Release the spool to another agent."""
        self._db.close()
        os.close(self._lock)

    def _open(self) -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(self._path, isolation_level=None)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            for statement in TABLES:
                connection.execute(statement)
        except sqlite3.Error as error:
            os.close(self._lock)
            raise SpoolError(
                f"{self._path}: {error}; if the file is damaged, move it aside and start again"
            ) from error
        return connection

    def _identity(self) -> str:
        self._db.execute(
            "INSERT INTO memory VALUES ('spool_id', ?) ON CONFLICT (key) DO NOTHING", (str(uuid.uuid4()),)
        )
        return self._recall("spool_id") or ""

    def _recall(self, key: str) -> str | None:
        row = self._db.execute("SELECT value FROM memory WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def _remember(self, key: str, value: str) -> None:
        self._db.execute(
            "INSERT INTO memory VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (key, value)
        )
