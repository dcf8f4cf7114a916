"""What the grid did, for the accounts of a run: a step function that may repeat, and its running integral.

Accounts see what came. What a policy may see is in `vispa_green_sim.forecasts`; nothing leads from here
to a policy by accident.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vispa_green.model import Quantity
from vispa_green_sim.cells import real_number
from vispa_green_sim.errors import SeriesError, place

WEEK_S = 7 * 86_400
Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class GridSeries:
    """A quantity of the grid over ``[edges[i], edges[i + 1])`` in Unix seconds, without gaps."""

    quantity: Quantity
    edges_epoch_s: Times = field(repr=False)
    values: Floats = field(repr=False)
    filled: int = 0
    """So many steps were missing and interpolated."""
    area: Floats = field(init=False, repr=False)
    """∫ value dt from the first edge to each edge."""

    def __post_init__(self) -> None:
        if not len(self.values):
            raise SeriesError(f"a series of {self.quantity} without values; is it the right file, column and span?")
        lengths = np.diff(self.edges_epoch_s)
        object.__setattr__(self, "area", np.concatenate(([0.0], np.cumsum(self.values * lengths))))

    @property
    def start(self) -> datetime:
        """When it begins, UTC."""
        return datetime.fromtimestamp(int(self.edges_epoch_s[0]), UTC)

    @property
    def end(self) -> datetime:
        """When it ends, UTC."""
        return datetime.fromtimestamp(int(self.edges_epoch_s[-1]), UTC)


@dataclass(frozen=True, slots=True)
class GridClock:
    """A series laid along a workload: its second 0 is at ``start``.

    Past its end the series repeats after as many whole weeks as it holds, so that days of the week and
    hours of the day stay together.
    """

    series: GridSeries
    start: datetime
    period_s: int = field(init=False)
    _offset_s: int = field(init=False)
    _area_of_period: float = field(init=False)

    def __post_init__(self) -> None:
        first, last = int(self.series.edges_epoch_s[0]), int(self.series.edges_epoch_s[-1])
        offset = int(self.start.timestamp()) - first
        if not 0 <= offset < last - first:
            raise SeriesError(
                f"the series knows {self.series.start:%Y-%m-%d %H:%M} .. {self.series.end:%Y-%m-%d %H:%M} UTC, "
                f"not {self.start:%Y-%m-%d %H:%M}; choose a start within"
            )
        period = (last - first) // WEEK_S * WEEK_S
        object.__setattr__(self, "period_s", period)
        object.__setattr__(self, "_offset_s", offset)
        object.__setattr__(
            self, "_area_of_period", self.series.area[-1] - self._area_at(np.array([last - first - period]))[0]
        )

    def cumulative(self, times_s: npt.ArrayLike) -> Floats:
        """Return ∫ value dt from the series' first edge to each of the workload's seconds (value × s)."""
        since = np.asarray(times_s, dtype=np.int64) + self._offset_s
        if not len(since):
            return np.zeros(0)
        edges = self.series.edges_epoch_s
        known = int(edges[-1] - edges[0])
        if int(since.min()) < 0 or (int(since.max()) > known and not self.period_s):
            raise SeriesError("the run leaves the series, which is shorter than a week and cannot repeat")
        first = known - self.period_s  # the span that repeats begins here
        rounds, rest = np.divmod(np.maximum(0, since - first), self.period_s or 1)
        beyond = since > known
        within = np.where(beyond, first + rest, since)
        return np.where(beyond, rounds * self._area_of_period, 0.0) + self._area_at(within)

    def mean(self, start_s: int, end_s: int) -> float:
        """Return the mean over a span of the workload's time; the value at ``start_s`` if it is empty."""
        last = max(end_s, start_s + 1)
        begin, end = self.cumulative([start_s, last])
        return float((end - begin) / (last - start_s))

    def values_between(self, start_s: int, end_s: int, step_s: int) -> Floats:
        """Return the means of the steps of ``step_s`` from ``start_s``; the last one may reach past ``end_s``."""
        area = self.cumulative(np.arange(start_s, end_s + step_s, step_s))
        return np.diff(area) / step_s

    def moment(self, time_s: int) -> datetime:
        """Return the date, UTC, that a second of the workload has on this clock."""
        return self.start + timedelta(seconds=time_s)

    def _area_at(self, since_s: Times) -> Floats:
        edges = self.series.edges_epoch_s - self.series.edges_epoch_s[0]
        return np.interp(since_s, edges, self.series.area)


def from_csv(
    path: Path, quantity: Quantity, *, column: str | None = None, time_column: str | None = None, fill_s: int = 0
) -> GridSeries:
    """Read a series from a CSV with a header; a time without an offset is UTC.

    The time is in ``time_column`` (else the first), the values in ``column`` (else the one named after
    the quantity). A value holds until the next row, the last one as long as the one before. Gaps up to
    ``fill_s`` are interpolated and counted. Raise `SeriesError` with the line of the first fault.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header = next(reader, [])
            wanted = column or quantity.value
            clock = time_column or (header[0] if header else "")
            if wanted not in header or clock not in header:
                absent = wanted if wanted not in header else clock
                raise SeriesError(f"{place(path, 1)}: no column {absent!r}; there are {', '.join(header) or 'none'}")
            at, value_at = header.index(clock), header.index(wanted)
            rows = [(reader.line_num, cells) for cells in reader if cells]
    except (OSError, UnicodeDecodeError) as error:
        raise SeriesError(f"{path}: cannot be read ({error}); give a CSV file with a header") from error
    points = [point for line, cells in rows if (point := _point(cells, at, value_at, path, line)) is not None]
    return _series(points, quantity, path, fill_s)


Point = tuple[int, int, float]
"""line, Unix time, value"""


def _point(cells: Sequence[str], at: int, value_at: int, path: Path, line: int) -> Point | None:
    if len(cells) <= max(at, value_at):
        raise SeriesError(f"{place(path, line)}: too few cells; complete or remove the line")
    text = cells[value_at].strip()
    if not text:
        return None
    value = real_number(text)
    if value is None:
        raise SeriesError(f"{place(path, line)}: {text!r} is no number; correct it, or leave it empty")
    try:
        moment = datetime.fromisoformat(cells[at].strip())
        second = int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp())
    except (ValueError, OverflowError) as error:
        raise SeriesError(f"{place(path, line)}: {error}; times are ISO 8601") from None
    return line, second, value


def _series(points: Sequence[Point], quantity: Quantity, path: Path, fill_s: int) -> GridSeries:
    """Make a series of points; the usual step is the most frequent distance of two of them."""
    if len(points) < 2:
        raise SeriesError(f"{path}: {len(points)} values of {quantity}; a series needs two at least")
    times = np.array([time for _, time, _ in points], dtype=np.int64)
    values = np.array([value for _, _, value in points])
    steps = np.diff(times)
    if (steps <= 0).any():
        row = int(np.argmax(steps <= 0)) + 1
        raise SeriesError(
            f"{place(path, points[row][0])}: {_day(times[row])} is not later than the row before; "
            "write times in UTC (an hour comes twice when summer time ends) and in order"
        )
    lengths, times_seen = np.unique(steps, return_counts=True)
    step = int(lengths[np.argmax(times_seen)])
    wide = np.flatnonzero(steps > step)
    for gap in wide:
        if (missing := int(steps[gap]) - step) > fill_s:
            raise SeriesError(
                f"{place(path, points[int(gap) + 1][0])}: nothing is known from {_day(times[gap] + step)} to "
                f"{_day(times[gap + 1])} UTC; fill the gap, or allow it to be interpolated (fill_s={missing})"
            )
    if len(wide):
        grid = np.unique(np.concatenate([times, *(np.arange(times[g], times[g + 1], step) for g in wide)]))
        values = np.interp(grid, times, values)
        filled, times = len(grid) - len(times), grid
    else:
        filled = 0
    return GridSeries(quantity, np.append(times, times[-1] + (times[-1] - times[-2])), values, filled)


def _day(epoch_s: int) -> str:
    return f"{datetime.fromtimestamp(int(epoch_s), UTC):%Y-%m-%d %H:%M}"
