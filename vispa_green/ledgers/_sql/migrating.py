"""Brings a ledger to today's schema by numbered steps: ``migrations/0001_….sql``, with a module of the same name
where rows have to be read to be carried over.

A step is written once, in SQLite's words. Where PostgreSQL needs more than other names of types, the step of that
name in ``migrations/postgresql`` takes its place; it was never at a version before its first step there. A module
writes rows with today's code, which knows today's tables; so all tables are changed before any is called.
"""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from vispa_green.errors import LedgerError
from vispa_green.ledgers._sql.connection import Connection, remember

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from vispa_green.ledgers._sql.database import Database

PACKAGE = "vispa_green.ledgers._sql.migrations"
FOLDER = Path(__file__).with_name("migrations")


@cache
def steps() -> tuple[str, ...]:
    """Return the names of the steps in their order; the n-th brings a ledger from version n - 1 to n."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.sql")))


@cache
def first_step(engine: str) -> int:
    """Return the number of the step that makes a new ledger in an engine."""
    own = sorted(path.stem for path in (FOLDER / engine).glob("*.sql"))
    return steps().index(own[0]) + 1 if own else 1


def bring_up_to_date(database: Database, cluster: str, zone: ZoneInfo) -> None:
    """Take all steps that are missing, all or none; two agents may come here at once: the second finds it done."""
    with database.migrating():
        taken = database.version()
        missing = steps()[max(taken, first_step(database.dialect.name) - 1) :]
        for name in missing:
            own = FOLDER / database.dialect.name / f"{name}.sql"
            database.run_script((own if own.is_file() else FOLDER / f"{name}.sql").read_text(encoding="utf-8"))
        if Connection(database, "the ledger").meta("zone") is None:
            remember(database, "zone", str(zone))
        for name in missing:  # today's code carries the rows over, so today's tables are there before
            _carry_over(database, name, cluster, zone)
        if missing:
            if taken:
                _make_sums(database)
            database.took_step(len(steps()))


def version_fault(version: int) -> str:
    """Return what is wrong with a version of the schema, and what to do about it; empty for today's."""
    known = len(steps())
    if version == known:
        return ""
    if version > known or version < 0:
        return f"it has schema {version}, this program knows {known}: install a newer vispa-green"
    return f"it has schema {version} of {known}: run `vispa-green ledger migrate` once as its owner"


def _carry_over(database: Database, name: str, cluster: str, zone: ZoneInfo) -> None:
    if (FOLDER / f"{name}.py").is_file():
        try:
            importlib.import_module(f"{PACKAGE}.{name}").migrate(database, cluster, zone)
        except (LookupError, TypeError, ValueError) as error:
            raise LedgerError(
                f"the ledger holds a row that step {name} cannot read ({error!r}); nothing of it was changed:"
                " set it aside, or open it with the version that wrote it"
            ) from error


def _make_sums(database: Database) -> None:
    """Make the quarter-hours' means of all grid values that an older version kept, and the sums by owner and week."""
    from vispa_green.ledgers._sql.codec import utc
    from vispa_green.ledgers._sql.grid import SqlGrid, touch_quarters
    from vispa_green.ledgers._sql.weeks import settle_all
    from vispa_green.model import Quantity

    connection = Connection(database, "the ledger")
    ((first, last),) = connection.read("SELECT min(start_us), max(end_us) FROM grid_value")
    if first is not None:
        book = SqlGrid(connection)
        for quantity in Quantity:
            touch_quarters(connection, book.values(quantity, utc(first), utc(last)))
    settle_all(connection)
