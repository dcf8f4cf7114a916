"""Sums by owner and week with the grid weighted in, made from the quarter-hours, and again where those changed.

They are no part of the account: who asks reads those of unmarked parts of weeks, and makes the others for himself.
"""

from __future__ import annotations

from dataclasses import replace

from vispa_green.ledgers._sql.codec import QUARTER_US, utc
from vispa_green.ledgers._sql.connection import Connection
from vispa_green.ledgers._sql.dialect import Dialect, limbs_of
from vispa_green.ledgers._sql.selecting import charged
from vispa_green.ledgers._sql.week_parts import LOCK, Part, mark, part_of
from vispa_green.ledgers._sql.weighting import GridColumns
from vispa_green.model import Quantity, Selection

QUIET_US = 3_600_000_000
"""So long nothing may have changed in a part before its sums are made: agents deliver minute by minute."""
NEVER = -(1 << 40)
"""The quarter-hour in which a job was charged before it was charged at all."""
TABLES = ("owner_week", "owner_week_grid")
ENERGY_NAMES = ("busy_high", "busy_low", "idle_high", "idle_low")


def grid_names(*quantities: Quantity) -> tuple[str, ...]:
    """Return the names of the columns of `GridColumns` for some quantities."""
    return tuple(f"{quantity}_{kind}" for quantity in quantities for kind in ("high", "low", "sum"))


def settle(connection: Connection, at_us: int) -> bool:
    """Make the sums of the oldest part in which nothing changed of late, inside a transaction; say if there was one.

    It is one part at a time, so that nobody waits long for his turn, and none while others are changing some: they
    would not be seen yet, and their marks would be taken away.
    """
    database = connection.database
    if not _due(connection, at_us) or not database.held(LOCK):
        return False
    days = _due(connection, at_us)  # another may have made them before it was held
    for day in days:
        part = part_of(day, connection.zone())
        for table in TABLES:
            database.execute(f"DELETE FROM {table} WHERE week = ? AND day = ?", (part.week, day))
            query, values = made(connection.dialect, table, part, Selection())
            database.execute(f"INSERT INTO {table} {query}", values)
        database.execute("UPDATE week_part SET changed_us = NULL WHERE day = ?", (day,))
    return bool(days)


def _due(connection: Connection, at_us: int) -> list[int]:
    rows = connection.read(
        "SELECT day FROM week_part WHERE changed_us <= ? ORDER BY day LIMIT 1", (at_us - QUIET_US,)
    )
    return [day for (day,) in rows]


def settle_all(connection: Connection) -> None:
    """Make the sums of every part, of a ledger that is older than they are; inside a transaction."""
    rows = connection.read("SELECT DISTINCT day FROM owner_day")
    mark(connection.database, (day for (day,) in rows), 0)
    while settle(connection, 1 << 62):
        pass


def made(words: Dialect, table: str, part: Part, selection: Selection) -> tuple[str, list[object]]:
    """Return the query for the rows that a table should have of a part, for the owners selected, and its values."""
    span = replace(selection, start=utc(part.first * QUARTER_US), end=utc(part.end * QUARTER_US))
    where, values = charged(words, span)
    where += f" AND q.quarter >= {part.first} AND q.quarter < {part.end}"
    return (_energies if table == "owner_week" else _grid)(words, part, where), values


def _energies(words: Dialect, part: Part, where: str) -> str:
    limbs = (*limbs_of("q.busy_uj"), *limbs_of("q.idle_uj"))
    energies = ", ".join(f"{limb} AS {name}" for limb, name in zip(limbs, ENERGY_NAMES, strict=True))
    owner, cluster, account, partition, project = (
        f"{words.unindexed.format(f'j.{name}')} AS {name}"
        for name in ("owner", "cluster_id", "account", "partition", "project")
    )
    return (
        f"SELECT {part.week} AS week, {owner}, q.component AS component, q.quality AS quality, {part.day} AS day,"
        f" {cluster}, {account}, {partition}, {project}, {energies}"
        f" FROM job j {words.joined_after} job_quarter q ON q.job = j.id WHERE {where} GROUP BY 2, 3, 4, 6, 7, 8, 9"
    )


def _grid(words: Dialect, part: Part, where: str) -> str:
    """Jobs come first by themselves, since each has its own time in which it was charged before."""
    columns, names = GridColumns(tuple(Quantity)), grid_names(*Quantity)
    own = ", ".join(f"{column} AS {name}" for column, name in zip(columns.sums, names, strict=True))
    sums = ", ".join(f"sum({name}) AS {name}" for name in names)
    before = f"SELECT max(p.quarter) FROM job_quarter p WHERE p.job = j.id AND p.quarter < {part.first}"
    return (
        f"SELECT {part.week} AS week, owner, {part.day} AS day, since, cluster_id, account, partition, project,"
        f" count(*) AS jobs, {sums} FROM (SELECT j.owner, j.cluster_id, j.account, j.partition, j.project,"
        f" coalesce(({before}), {NEVER}) AS since, {own}"
        f" FROM job j {words.joined_after} job_quarter q ON q.job = j.id{columns.joins} WHERE {where}"
        f" GROUP BY {words.unindexed.format('j.id')}) x GROUP BY 2, 4, 5, 6, 7, 8"
    )
