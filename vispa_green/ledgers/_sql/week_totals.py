"""Totals of whole parts of weeks: read from the sums by owner and week, made anew where those are out of date."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from itertools import groupby
from operator import itemgetter
from typing import Any

from vispa_green.errors import LedgerError
from vispa_green.ledgers._sql.codec import COMPONENTS, QUALITIES, QUARTER_US, utc
from vispa_green.ledgers._sql.connection import Connection
from vispa_green.ledgers._sql.dialect import LIMB
from vispa_green.ledgers._sql.grouping import ALL, Columns, Group, time_sql
from vispa_green.ledgers._sql.local_days import EPOCH_DAY
from vispa_green.ledgers._sql.selecting import of_owners
from vispa_green.ledgers._sql.week_parts import Part, part_of
from vispa_green.ledgers._sql.weeks import ENERGY_NAMES, NEVER, TABLES, grid_names, made
from vispa_green.ledgers._sql.weighting import GridColumns
from vispa_green.ledgers._sql.windows import Window
from vispa_green.model import Dimension, EnergySum, Selection, Total

BY_PARTS = frozenset({
    Dimension.CLUSTER, Dimension.USER, Dimension.ACCOUNT, Dimension.PARTITION, Dimension.PROJECT, Dimension.WEEK,
    Dimension.MONTH,
})  # fmt: skip
_Source = tuple[str, Sequence[object]]
"""What rows are read from, as SQL, and its values."""


@dataclass(frozen=True, slots=True)
class WholeParts:
    """The parts of weeks that lie wholly in a window, without one left out between, and what else is in it."""

    parts: tuple[Part, ...]
    rest: tuple[Window, ...]

    @property
    def quarters(self) -> tuple[int, int]:
        """Their quarter-hours: the first, and the one after the last."""
        return (self.parts[0].first, self.parts[-1].end) if self.parts else (0, 0)


def whole_parts(
    connection: Connection, selection: Selection, by: Sequence[Dimension], zone: tzinfo, window: Window
) -> WholeParts:
    """Return the parts that a question can be answered from, none where it asks for what they do not tell."""
    nothing = WholeParts((), (window,))
    if selection.job_ids or selection.keys or not set(by) <= BY_PARTS:
        return nothing
    if {Dimension.WEEK, Dimension.MONTH} & set(by) and str(zone) != str(connection.zone()):
        return nothing
    ((first, last),) = connection.read(
        "SELECT min(x.early), max(x.late) FROM (SELECT (SELECT min(day) FROM owner_day WHERE cluster_id = c.id)"
        " AS early, (SELECT max(day) FROM owner_day WHERE cluster_id = c.id) AS late FROM cluster c) x"
    )
    if first is None:
        return nothing
    parts = tuple(_within(connection, first, last, window))
    if not parts:
        return nothing
    start_us, end_us = parts[0].first * QUARTER_US, parts[-1].end * QUARTER_US
    before = Window(window.start_us, start_us)
    after = Window(end_us, window.end_us)
    has_before = window.start_us is not None and window.start_us < start_us
    has_after = parts[-1].after <= last and (window.end_us is None or end_us < window.end_us)
    return WholeParts(parts, (*([before] if has_before else []), *([after] if has_after else [])))


def _within(connection: Connection, first: int, last: int, window: Window) -> Iterator[Part]:
    """Yield the parts of all days in which anything was charged that have nothing charged outside of a window."""
    zone = connection.zone()
    if window.start_us is not None:
        first = max(first, utc(window.start_us).astimezone(zone).toordinal())
    part = part_of(first, zone)
    if window.start_us is not None and _is_charged(connection, part.first, window.start_us):
        part = part_of(part.after, zone)
    while part.day <= last and (window.end_us is None or part.end * QUARTER_US <= window.end_us):
        yield part
        part = part_of(part.after, zone)
    if part.day <= last and window.end_us is not None and not _is_charged_later(connection, window.end_us):
        yield part


def _is_charged(connection: Connection, first: int, until_us: int) -> bool:
    """Say whether anything was charged in the days from a quarter-hour to a time."""
    if first * QUARTER_US >= until_us:
        return False
    zone = connection.zone()
    days = (utc(moment_us).astimezone(zone).toordinal() for moment_us in (first * QUARTER_US, until_us - 1))
    return bool(connection.read(
        "SELECT 1 FROM owner_day WHERE cluster_id IN (SELECT id FROM cluster) AND day BETWEEN ? AND ? LIMIT 1",
        tuple(days),
    ))  # fmt: skip


def _is_charged_later(connection: Connection, end_us: int) -> bool:
    """Say whether a job may have been charged after the quarter-hour before a time."""
    edge_us = end_us // QUARTER_US * QUARTER_US
    return bool(connection.read("SELECT 1 FROM job WHERE last_us > ? LIMIT 1", (edge_us,)))


@dataclass(frozen=True, slots=True)
class PartSums:
    """A question that whole parts of weeks answer."""

    connection: Connection
    selection: Selection
    by: tuple[Dimension, ...]
    parts: tuple[Part, ...]
    grid: GridColumns
    with_grid: bool

    def totals(self) -> Iterator[tuple[Group, Total]]:
        """Yield sums of the parts with their groups; of parts that are out of date they come by themselves."""
        outdated, words = self._outdated(), self.connection.dialect
        where, values = of_owners(words, self.selection, "w")
        where += f" AND {self._weeks()} AND w.day BETWEEN {self.parts[0].day} AND {self.parts[-1].day}"
        if outdated:
            where += f" AND w.day NOT IN ({', '.join(map(str, sorted(outdated)))})"
        yield from self._summed(*((f"{table} w WHERE {where}", values) for table in TABLES))
        for part in self.parts:
            if part.day in outdated:
                queries = (made(words, table, part, self.selection) for table in TABLES)
                yield from self._summed(*((f"({query}) w", given) for query, given in queries))

    def _summed(self, energies: _Source, grids: _Source) -> Iterator[tuple[Group, Total]]:
        columns, width = self._columns, self._columns.width
        known = self._grids(*grids)
        for key, own in groupby(self._energies(*energies), itemgetter(slice(width))):
            row = next(known, ())
            if row[:width] != key:
                raise LedgerError(f"{self.connection.place}: sums by week disagree, see vispa-green ledger verify")
            group = columns.group(key)
            sums = [
                EnergySum(COMPONENTS[component], QUALITIES[quality], high * LIMB + low, idle_high * LIMB + idle_low)
                for *_, component, quality, high, low, idle_high, idle_low in own
            ]
            grid = self.grid.read(row[width + 1 :]) if self.with_grid else None
            yield group, Total(dict(zip(self.by, group, strict=True)), tuple(sums), row[width], grid)

    @property
    def _columns(self) -> Columns:
        month = time_sql(self.connection.dialect, Dimension.MONTH, f"(w.day - {EPOCH_DAY})")
        names = {
            Dimension.CLUSTER: "(SELECT name FROM cluster WHERE id = w.cluster_id)", Dimension.USER: "w.owner",
            Dimension.WEEK: "w.week", Dimension.MONTH: month,
        }  # fmt: skip
        return Columns(self.by, tuple(names.get(one, f"w.{one}") for one in self.by))

    def _energies(self, source: str, values: Sequence[object]) -> Iterator[tuple[Any, ...]]:
        sums = ", ".join(f"sum(w.{name})" for name in ENERGY_NAMES)
        groups = f"{self._groups()}, w.component, w.quality"
        return self.connection.each(
            f"SELECT {self._columns.text}, w.component, w.quality, {sums} FROM {source}"
            f" GROUP BY {groups} ORDER BY {groups}",
            values,
        )

    def _grids(self, source: str, values: Sequence[object]) -> Iterator[tuple[Any, ...]]:
        names = "".join(f", sum(w.{name})" for quantity in self.grid.quantities for name in grid_names(quantity))
        jobs = f"sum(CASE WHEN w.since = {NEVER} OR w.since < {self._begin()} THEN w.jobs ELSE 0 END)"
        return self.connection.each(
            f"SELECT {self._columns.text}, {jobs}{names} FROM {source}"
            f" GROUP BY {self._groups()} ORDER BY {self._groups()}",
            values,
        )

    def _groups(self) -> str:
        """Return the columns to group by, first those that the tables begin with: then nothing has to be sorted."""
        columns = self._columns.sql
        order = [column for column in ("w.week", "w.owner") if column in columns]
        return ", ".join((*order, *(column for column in columns if column not in order))) or ALL

    def _begin(self) -> str:
        """Return as SQL since when a job counts in the group of a row: each counts where it is charged first."""
        begin: dict[object, int] = {}
        by_day = {}
        for part in self.parts:
            week = part.week if Dimension.WEEK in self.by else None
            month = part.month if Dimension.MONTH in self.by else None
            by_day[part.day] = begin.setdefault((week, month), part.first)
        if len(begin) == 1:
            return str(next(iter(begin.values())))
        return f"CASE w.day {' '.join(f'WHEN {day} THEN {first}' for day, first in by_day.items())} END"

    def _weeks(self) -> str:
        """Return the condition that finds the weeks; one after the other where few owners are meant."""
        first, last = self.parts[0].week, self.parts[-1].week
        if self.selection.users or self.selection.uids:
            return f"w.week IN ({', '.join(map(str, range(first, last + 1)))})"
        return f"w.week BETWEEN {first} AND {last}"

    def _outdated(self) -> set[int]:
        rows = self.connection.read(
            "SELECT day FROM week_part WHERE changed_us IS NOT NULL AND day BETWEEN ? AND ?",
            (self.parts[0].day, self.parts[-1].day),
        )
        return {day for (day,) in rows}
