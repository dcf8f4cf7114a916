"""One open SQLite file: transactions that wait their turn, and reads that say where they failed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from vispa_green.errors import IntervalRefused, LedgerError

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo


class Connection:
    """A SQLite connection whose failures are `LedgerError`. Several processes may write, one after the other."""

    def __init__(self, database: sqlite3.Connection, place: str) -> None:
        self.database, self.place = database, place

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Do all of it or nothing."""
        try:
            self.database.execute("BEGIN IMMEDIATE")
            yield self.database
            self.database.execute("COMMIT")
        except IntervalRefused:
            self._roll_back()
            raise
        except sqlite3.Error as error:
            self._roll_back()
            raise LedgerError(f"{self.place}: {error}") from error
        except BaseException:
            self._roll_back()
            raise

    def read(self, query: str, values: Sequence[object] | dict[str, object] = ()) -> list[tuple[Any, ...]]:
        """Return all rows."""
        try:
            return self.database.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise LedgerError(f"{self.place}: {error}") from error

    def each(self, query: str, values: Sequence[object] = ()) -> Iterator[tuple[Any, ...]]:
        """Yield all rows, of which there may be many."""
        try:
            yield from self.database.execute(query, values)
        except sqlite3.Error as error:
            raise LedgerError(f"{self.place}: {error}") from error

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Let all that is read be of one moment, whoever writes meanwhile."""
        if self.database.in_transaction:
            yield
            return
        self.read("BEGIN")
        try:
            yield
        finally:
            self._roll_back()

    def meta(self, key: str) -> str | None:
        """Return what is kept under a name."""
        rows = self.read("SELECT value FROM meta WHERE key = ?", (key,))
        return str(rows[0][0]) if rows else None

    def zone(self) -> ZoneInfo:
        """Return the zone whose days the roll-ups by day have."""
        from zoneinfo import ZoneInfo  # a submission asks for no days

        return ZoneInfo(self.meta("zone") or "UTC")

    def _roll_back(self) -> None:
        if self.database.in_transaction:
            self.database.execute("ROLLBACK")


def remember(database: sqlite3.Connection, key: str, value: str) -> None:
    """Keep a value under a name, inside a transaction."""
    database.execute(
        "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (key, value),
    )


def row_id(database: sqlite3.Connection, table: str, name: str) -> int:
    """Return the number of a name in one of the tables of names, giving it one where it is new."""
    query = f"INSERT INTO {table} (name) VALUES (?) ON CONFLICT (name) DO UPDATE SET name = name RETURNING id"
    return int(database.execute(query, (name,)).fetchone()[0])
