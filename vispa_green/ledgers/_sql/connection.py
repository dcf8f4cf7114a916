"""One open database: transactions that wait their turn, and reads that say where they failed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from vispa_green.errors import IntervalRefused, LedgerError

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from vispa_green.ledgers._sql.database import Database
    from vispa_green.ledgers._sql.dialect import Dialect


class Connection:
    """A connection whose failures are `LedgerError`. Several processes may write."""

    def __init__(self, database: Database, place: str) -> None:
        self.database, self.place = database, place

    @property
    def dialect(self) -> Dialect:
        """The words of its database."""
        return self.database.dialect

    @contextmanager
    def transaction(self) -> Iterator[Database]:
        """Do all of it or nothing."""
        try:
            self.database.begin()
            yield self.database
            self.database.execute("COMMIT")
        except IntervalRefused:
            self._roll_back()
            raise
        except self.database.failures as error:
            self._roll_back()
            raise LedgerError(f"{self.place}: {_line(error)}") from error
        except BaseException:
            self._roll_back()
            raise

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Answer all questions within from one state, whoever writes meanwhile."""
        if self.database.in_transaction:
            yield
            return
        try:
            self.database.begin_reading()
        except self.database.failures as error:
            raise LedgerError(f"{self.place}: {_line(error)}") from error
        try:
            yield
        finally:
            self._roll_back()

    def read(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return all rows."""
        try:
            return self.database.execute(query, values).fetchall()
        except self.database.failures as error:
            raise LedgerError(f"{self.place}: {_line(error)}") from error

    def each(self, query: str, values: Sequence[object] = ()) -> Iterator[tuple[Any, ...]]:
        """Yield all rows, of which there may be many."""
        try:
            yield from self.database.execute(query, values)
        except self.database.failures as error:
            raise LedgerError(f"{self.place}: {_line(error)}") from error

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


def remember(database: Database, key: str, value: str) -> None:
    """Keep a value under a name, inside a transaction."""
    database.execute(
        "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (key, value),
    )


def row_id(database: Database, table: str, name: str) -> int:
    """Return the number of a name in one of the tables of names, giving it one where it is new."""
    query = f"SELECT id FROM {table} WHERE name = ?"
    row = database.execute(query, (name,)).fetchone()
    if row is None:
        database.execute(f"INSERT INTO {table} (name) VALUES (?) ON CONFLICT (name) DO NOTHING", (name,))
        row = database.execute(query, (name,)).fetchone()
    return int(row[0])


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
