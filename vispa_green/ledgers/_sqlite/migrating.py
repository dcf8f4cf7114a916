"""Brings a ledger to today's schema by numbered steps: ``migrations/0001_….sql``, with a module of the same name
where rows have to be read to be carried over.

A module writes rows with today's code, which knows today's tables; so all tables are changed before any is called.
"""

from __future__ import annotations

import importlib
import sqlite3
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from vispa_green.errors import LedgerError
from vispa_green.ledgers._sqlite.connection import remember

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

PACKAGE = "vispa_green.ledgers._sqlite.migrations"
FOLDER = Path(__file__).with_name("migrations")


@cache
def steps() -> tuple[str, ...]:
    """Return the names of the steps in their order; the n-th brings a ledger from version n - 1 to n."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.sql")))


def version_of(database: sqlite3.Connection) -> int:
    """Return how many steps a ledger has taken."""
    (version,) = database.execute("PRAGMA user_version").fetchone()
    return int(version)


def bring_up_to_date(database: sqlite3.Connection, cluster: str, zone: ZoneInfo) -> None:
    """Take all steps that are missing, all or none; two agents may come here at once: the second finds it done."""
    database.execute("PRAGMA foreign_keys = OFF")
    database.execute("BEGIN IMMEDIATE")
    try:
        taken = version_of(database)
        missing = steps()[taken:]
        for name in missing:
            for statement in _statements((FOLDER / f"{name}.sql").read_text(encoding="utf-8")):
                database.execute(statement)
        for name in missing:  # today's code carries the rows over, so today's tables are there before
            _carry_over(database, name, cluster, zone)
        if taken and missing:
            _make_sums(database)
        database.execute(f"PRAGMA user_version = {len(steps())}")
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
    finally:
        database.execute("PRAGMA foreign_keys = ON")


def _carry_over(database: sqlite3.Connection, name: str, cluster: str, zone: ZoneInfo) -> None:
    if (FOLDER / f"{name}.py").is_file():
        if database.execute("SELECT 1 FROM meta WHERE key = 'zone'").fetchone() is None:
            remember(database, "zone", str(zone))
        try:
            importlib.import_module(f"{PACKAGE}.{name}").migrate(database, cluster, zone)
        except (LookupError, TypeError, ValueError) as error:
            raise LedgerError(
                f"the ledger holds a row that step {name} cannot read ({error!r}); nothing of it was changed:"
                " set it aside, or open it with the version that wrote it"
            ) from error


def _make_sums(database: sqlite3.Connection) -> None:
    """Make the quarter-hours' means of all grid values that an older version kept, and the sums by owner and week."""
    from vispa_green.ledgers._sqlite.codec import utc
    from vispa_green.ledgers._sqlite.connection import Connection
    from vispa_green.ledgers._sqlite.grid import SqliteGrid, touch_quarters
    from vispa_green.ledgers._sqlite.weeks import settle_all
    from vispa_green.model import Quantity

    connection = Connection(database, "the ledger")
    ((first, last),) = connection.read("SELECT min(start_us), max(end_us) FROM grid_value")
    if first is not None:
        book = SqliteGrid(connection)
        for quantity in Quantity:
            touch_quarters(connection, book.values(quantity, utc(first), utc(last)))
    settle_all(connection)


def _statements(script: str) -> Iterator[str]:
    """Cut a script into statements; ``executescript`` would commit our transaction first."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
