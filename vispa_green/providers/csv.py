"""A recorded series from a file: columns ``start_utc,renewable_share_pct,gco2_per_kwh,kind``.

``kind`` is ``measured`` or ``forecast``; an empty cell is a missing value. A value holds until the next
row of its kind, the last one as long as the one before it; any spacing will do, seconds included. The
only row of a kind holds as long as the shortest step of the file. A time without an offset is UTC.
Of a value that holds for longer than a day, only the UTC days that are asked for are told.
"""

from __future__ import annotations

import csv  # the standard library's: imports are absolute
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from vispa_green.errors import GridDataError, GridUnavailable
from vispa_green.host import Host
from vispa_green.model import GridKind, GridProvider, GridValue, Quantity
from vispa_green.providers._plausible import checked
from vispa_green.settings import place

NAME = "csv"
DAY = timedelta(days=1)
COLUMNS = ("start_utc", Quantity.RENEWABLE_SHARE.value, Quantity.CARBON_INTENSITY.value, "kind")


@dataclass(frozen=True, slots=True)
class Options:
    """The table ``[grid.csv]``."""

    path: Path | None = place(None)


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    start: datetime
    kind: GridKind
    cells: dict[Quantity, str]


@dataclass(frozen=True, slots=True)
class CsvProvider:
    """A `GridProvider` that reads its file anew at each call, so a file that grows is followed."""

    path: Path | None
    name: str = NAME

    def fetch(self, start: datetime, end: datetime, now: datetime) -> Sequence[GridValue]:
        """Return the file's values that overlap ``[start, end)``; a file states no issue time, so it is ``now``.

        Raise `GridUnavailable` if the file cannot be read, `GridDataError` with the line of the first fault.
        """
        if self.path is None:
            raise GridUnavailable("no file is configured: set [grid.csv] path")
        try:
            text = self.path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise GridUnavailable(f"{self.path}: cannot be read ({error})") from error
        rows = list(self._rows(text))
        values = [value for kind in GridKind for value in self._values(rows, kind, now)]
        if not values:
            raise GridDataError(f"{self.path}: no data")
        return [day for value in values for day in _days(value, start, end)]

    def _rows(self, text: str) -> Iterator[_Row]:
        reader = csv.DictReader(text.splitlines())
        missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
        if missing:
            raise GridDataError(f"{self.path}:1: no column {', '.join(missing)}; needed are {','.join(COLUMNS)}")
        for row in reader:
            where = f"{self.path}:{reader.line_num}"
            try:
                start = datetime.fromisoformat(row["start_utc"].strip())
                kind = GridKind(row["kind"].strip())
                cells = {quantity: row[quantity.value].strip() for quantity in Quantity}
            except (AttributeError, ValueError) as error:  # a short row has None in its last cells
                raise GridDataError(
                    f"{where}: {error if isinstance(error, ValueError) else 'too few cells'}"
                ) from None
            yield _Row(reader.line_num, start.replace(tzinfo=start.tzinfo or UTC).astimezone(UTC), kind, cells)

    def _values(self, file_rows: Sequence[_Row], kind: GridKind, now: datetime) -> Iterator[GridValue]:
        rows = [row for row in file_rows if row.kind is kind]
        for before, after in itertools.pairwise(rows):
            if after.start <= before.start:
                raise GridDataError(f"{self.path}:{after.line}: {after.start} is not later than the row before")
        ends = [row.start for row in rows[1:]]
        if len(rows) > 1:
            ends.append(rows[-1].start + (rows[-1].start - rows[-2].start))
        elif rows:
            ends.append(rows[0].start + self._shortest_step(file_rows))
        for row, end in zip(rows, ends, strict=True):
            for quantity, cell in row.cells.items():
                if cell:
                    value = self._number(cell, quantity, row.line)
                    yield GridValue(quantity, row.kind, row.start, end, value, self.name, now, now)

    def _shortest_step(self, rows: Sequence[_Row]) -> timedelta:
        starts = sorted({row.start for row in rows})
        if len(starts) < 2:
            raise GridDataError(f"{self.path}:{rows[0].line}: a single row has no length")
        return min(after - before for before, after in itertools.pairwise(starts))

    def _number(self, cell: str, quantity: Quantity, line: int) -> float:
        try:
            number = float(cell)
        except ValueError:
            raise GridDataError(f"{self.path}:{line}: {cell!r} is no number") from None
        return checked(number, quantity, f"{self.path}:{line}")


def _days(value: GridValue, start: datetime, end: datetime) -> Iterator[GridValue]:
    """Yield a value if it overlaps ``[start, end)``; a constant for years is not kept for all of them at once."""
    if value.start >= end or value.end <= start:
        return
    if value.end - value.start <= DAY:
        yield value
        return
    day = datetime.combine(max(value.start, start).astimezone(UTC).date(), time(), UTC)
    while day < min(value.end, end):
        yield replace(value, start=max(value.start, day), end=min(value.end, day + DAY))
        day += DAY


def make(host: Host | None, options: Options) -> GridProvider:
    """Return the provider of ``[grid.csv]``."""
    return CsvProvider(options.path)
