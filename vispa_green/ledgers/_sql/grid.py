"""The book of the grid: every issue of every value, the quarter-hours' means, and who was asked when."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from vispa_green.energy.carbon import GridSignal
from vispa_green.ledgers._sql.codec import QUARTER_US, us, utc
from vispa_green.ledgers._sql.connection import remember
from vispa_green.ledgers._sql.week_parts import mark_all, mark_grid
from vispa_green.model import QUARTER, GridKind, GridValue, Quantity

if TYPE_CHECKING:
    from vispa_green.ledgers._sql.connection import Connection
    from vispa_green.ledgers._sql.database import Database

Series = tuple[Quantity, GridKind, str]


class SqlGrid:
    """A `GridBook` in a database."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def append(self, values: Sequence[GridValue]) -> int:
        """Add the values that differ from the latest stored issue of the same time, kind and source."""
        with self._db.transaction() as database:
            database.hold("grid")
            fresh = [value for value in values if _add(database, value)]
            if fresh:
                from vispa_green.ledgers._sql.weeks import settle  # who only asks need not wait for it

                touch_quarters(self._db, fresh)
                settle(self._db, max(us(value.fetched_at) for value in fresh))
        return len(fresh)

    def values(self, quantity: Quantity, start: datetime, end: datetime) -> list[GridValue]:
        """Return, of each kind and source, the latest issue of every value that overlaps the span."""
        return stored_values(self._db, quantity, start, end)

    def unmeasured(self, quantity: Quantity, start: datetime, end: datetime) -> tuple[datetime, datetime] | None:
        """Return from when to when quarter-hours of a span have no measured value, ``None`` if all have one."""
        first, after = us(start) // QUARTER_US, -(-us(end) // QUARTER_US)
        where = "quantity = ? AND quarter >= ? AND quarter < ? AND kind = 'measured' AND known_us = ?"
        values = (quantity, first, after, QUARTER_US)
        ((known,),) = self._db.read(f"SELECT count(DISTINCT quarter) FROM grid_quarter WHERE {where}", values)
        if known >= after - first:
            return None
        rows = self._db.read(f"SELECT DISTINCT quarter FROM grid_quarter WHERE {where}", values)
        measured = {quarter for (quarter,) in rows}
        missing = [quarter for quarter in range(first, after) if quarter not in measured]
        return max(start, utc(missing[0] * QUARTER_US)), min(end, utc((missing[-1] + 1) * QUARTER_US))

    def prefer(self, sources: Sequence[str]) -> None:
        """Keep which source counts where several tell of a time, the best first; all sums follow."""
        order = ",".join(sources)
        if self._db.meta("grid_order") == order:
            return
        with self._db.transaction() as database:
            database.hold("grid")
            remember(database, "grid_order", order)
            for quantity in Quantity:
                _choose_best(self._db, quantity, -(1 << 40), 1 << 40)
            mark_all(database)

    def asked(self, source: str, start: datetime, end: datetime, at: datetime) -> None:
        """Keep that a source was asked for a span."""
        with self._db.transaction() as database:
            database.execute(
                "INSERT INTO grid_asked (source, start_us, end_us, asked_us) VALUES (?,?,?,?)"
                " ON CONFLICT (source, start_us, end_us) DO UPDATE SET asked_us = excluded.asked_us",
                (source, us(start), us(end), us(at)),
            )
            a_day_before = us(at) - 96 * QUARTER_US
            database.execute("DELETE FROM grid_asked WHERE asked_us < ?", (a_day_before,))

    def last_asked(self, source: str, start: datetime, end: datetime) -> datetime | None:
        """Return when a source was last asked for all of a span."""
        rows = self._db.read(
            "SELECT max(asked_us) FROM grid_asked WHERE source = ? AND start_us <= ? AND end_us >= ?",
            (source, us(start), us(end)),
        )
        return None if rows[0][0] is None else utc(rows[0][0])


def stored_values(
    connection: Connection, quantity: Quantity, start: datetime, end: datetime, as_of: datetime | None = None
) -> list[GridValue]:
    """Return, of each kind and source, the latest issue of every value that overlaps the span.

    With ``as_of``, of those that had been fetched until then.
    """
    until = "" if as_of is None else "AND fetched_us <= ?"
    rows = connection.read(
        f"""
        SELECT kind, start_us, end_us, value, source, issued_us, fetched_us FROM grid_value
        WHERE id IN (SELECT max(id) FROM grid_value
                     WHERE quantity = ? AND end_us > ? AND start_us < ? AND start_us > ? -
                           (SELECT coalesce(max(longest_us), 0) FROM grid_steps WHERE quantity = ?) {until}
                     GROUP BY kind, source, start_us, end_us)
        ORDER BY start_us, id
        """,
        (quantity, us(start), us(end), us(start), quantity, *([] if as_of is None else [us(as_of)])),
    )
    return [
        GridValue(quantity, GridKind(kind), utc(a), utc(b), value, source, utc(issued), utc(fetched))
        for kind, a, b, value, source, issued, fetched in rows
    ]


def source_order(connection: Connection) -> list[str]:
    """Return the sources, the best first, as the site has them."""
    return [name for name in (connection.meta("grid_order") or "").split(",") if name]


def touch_quarters(connection: Connection, values: Iterable[GridValue]) -> None:
    """Make the means of the quarter-hours anew that some values touch, inside their transaction."""
    by_series: defaultdict[Series, set[int]] = defaultdict(set)
    fetched_us = 0
    for value in values:
        first, after = us(value.start) // QUARTER_US, -(-us(value.end) // QUARTER_US)
        by_series[value.quantity, value.kind, value.source].update(range(first, after))
        fetched_us = max(fetched_us, us(value.fetched_at))
    for (quantity, kind, source), quarters in by_series.items():
        start, end = utc(min(quarters) * QUARTER_US), utc((max(quarters) + 1) * QUARTER_US)
        known = [v for v in stored_values(connection, quantity, start, end) if (v.kind, v.source) == (kind, source)]
        signal = GridSignal.from_values(known, quantity)
        rows = []
        for quarter in sorted(quarters):
            begin = utc(quarter * QUARTER_US)
            mean, fraction = signal.known_part(begin, begin + QUARTER)
            if mean is not None:
                rows.append((quantity, quarter, kind, source, mean, round(fraction * QUARTER_US)))
        key = ("quantity", "quarter", "kind", "source")
        connection.database.merge("grid_quarter", key, ("mean", "known_us"), rows, adding=False)
        _choose_best(connection, quantity, min(quarters), max(quarters))
        mark_grid(connection, min(quarters), max(quarters), fetched_us)


def _choose_best(connection: Connection, quantity: Quantity, first: int, last: int) -> None:
    """Mark of each quarter-hour the value that counts: measured before forecast, then the site's order."""
    order = source_order(connection)
    places = "".join(f" WHEN ? THEN {place}" for place in range(len(order)))
    place = f"CASE b.source{places} ELSE {len(order)} END," if order else ""
    connection.database.execute(
        f"""
        UPDATE grid_quarter SET is_best = CASE WHEN (kind, source) = (
            SELECT b.kind, b.source FROM grid_quarter b
            WHERE b.quantity = grid_quarter.quantity AND b.quarter = grid_quarter.quarter
            ORDER BY CASE b.kind WHEN 'measured' THEN 0 ELSE 1 END, {place} b.source LIMIT 1) THEN 1 ELSE 0 END
        WHERE quantity = ? AND quarter BETWEEN ? AND ?
        """,
        (*order, quantity, first, last),
    )


def _add(database: Database, value: GridValue) -> bool:
    """Add a value, if it says something new."""
    start_us, end_us = us(value.start), us(value.end)
    key = (value.quantity, value.kind, value.source, start_us, end_us)
    latest = database.execute(
        "SELECT value FROM grid_value WHERE quantity=? AND kind=? AND source=? AND start_us=?"
        " AND end_us=? ORDER BY id DESC LIMIT 1",
        key,
    ).fetchone()
    if latest == (value.value,):
        return False
    database.execute(
        "INSERT INTO grid_value (quantity, kind, source, start_us, end_us, value, issued_us, fetched_us)"
        " VALUES (?,?,?,?,?,?,?,?)",
        (*key, value.value, us(value.issued_at), us(value.fetched_at)),
    )
    database.execute(
        "INSERT INTO grid_steps (quantity, source, shortest_us, longest_us) VALUES (?,?,?,?)"
        " ON CONFLICT (quantity, source) DO UPDATE SET"
        " shortest_us = CASE WHEN excluded.shortest_us < grid_steps.shortest_us THEN excluded.shortest_us"
        " ELSE grid_steps.shortest_us END,"
        " longest_us = CASE WHEN excluded.longest_us > grid_steps.longest_us THEN excluded.longest_us"
        " ELSE grid_steps.longest_us END",
        (value.quantity, value.source, end_us - start_us, end_us - start_us),
    )
    return True
