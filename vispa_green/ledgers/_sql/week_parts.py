"""The parts of weeks that sums by owner are kept for, and the marks of those in which something changed.

A part is the days of one week that lie in one month, so weeks and months both consist of whole parts. Whoever
changes a quarter-hour of jobs or of the grid marks its part, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from zoneinfo import ZoneInfo

from vispa_green.ledgers._sql.codec import QUARTER_US, us, utc
from vispa_green.ledgers._sql.connection import Connection
from vispa_green.ledgers._sql.database import Database
from vispa_green.ledgers._sql.dialect import listed
from vispa_green.ledgers._sql.local_days import EPOCH_DAY

FRESH_US = 600_000_000
"""So old a mark is moved at the earliest."""
LOCK = "weeks"
"""What those share who mark, and hold who takes marks away."""


@dataclass(frozen=True, slots=True)
class Part:
    """The days of one week that lie in one month (``date.toordinal``), and their quarter-hours."""

    day: int
    after: int
    first: int
    end: int

    @property
    def week(self) -> int:
        """The number of its week; that of 1970-01-01 is 0."""
        return (self.day - EPOCH_DAY + 3) // 7

    @property
    def month(self) -> tuple[int, int]:
        """Its year and month."""
        here = date.fromordinal(self.day)
        return here.year, here.month


@cache
def first_day(day: int) -> int:
    """Return the first day of the part of a week that a day lies in."""
    here = date.fromordinal(day)
    return max(day - here.weekday(), day - here.day + 1)


@cache
def part_of(day: int, zone: ZoneInfo) -> Part:
    """Return the part of a week that a day lies in."""
    first = here = first_day(day)
    while first_day(here + 1) == first:
        here += 1
    return Part(first, here + 1, _midnight(first, zone), _midnight(here + 1, zone))


def _midnight(day: int, zone: ZoneInfo) -> int:
    there = date.fromordinal(day)
    return us(datetime(there.year, there.month, there.day, tzinfo=zone).astimezone(UTC)) // QUARTER_US


def mark(database: Database, days: Iterable[int], at_us: int) -> None:
    """Note that something was charged in some days, or is charged no more.

    A mark that is fresh enough is left as it is: of many writers at once each would wait for all others to move it.
    They share `LOCK` instead, which nobody can hold then to take the mark away.
    """
    parts = sorted(set(map(first_day, days)))
    if not parts:
        return
    database.share(LOCK)
    marked = dict(
        database.execute(
            f"SELECT day, changed_us FROM week_part WHERE changed_us IS NOT NULL AND day {database.dialect.numbers}",
            (listed(parts),),
        ).fetchall()
    )
    rows = [(day, at_us) for day in parts if day not in marked or marked[day] <= at_us - FRESH_US]
    database.merge("week_part", ("day",), ("changed_us",), rows, adding=False)


def mark_grid(connection: Connection, first: int, last: int, at_us: int) -> None:
    """Note that what is known of the grid changed in some quarter-hours."""
    zone = connection.zone()
    days = (first_day(utc(quarter * QUARTER_US).astimezone(zone).toordinal()) for quarter in (first, last))
    rows = connection.read("SELECT day FROM week_part WHERE day BETWEEN ? AND ?", tuple(days))
    mark(connection.database, (day for (day,) in rows), at_us)


def mark_all(database: Database) -> None:
    """Note that everything is to be made anew, as soon as anybody can."""
    database.hold(LOCK)
    database.execute("UPDATE week_part SET changed_us = 0 WHERE changed_us IS NULL")
