"""How rows are put into groups: SQL expressions, and what their values mean."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

from vispa_green.ledgers._sql.codec import COMPONENTS, utc
from vispa_green.ledgers._sql.dialect import Dialect
from vispa_green.ledgers._sql.local_days import EPOCH_DAY
from vispa_green.model import Dimension, JobKey

TIMES = (Dimension.DAY, Dimension.WEEK, Dimension.MONTH)

Group = tuple[Any, ...]
ALL = "CAST('all' AS TEXT)"
"""What all rows are grouped by where they are not put into groups."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The SQL expressions of some dimensions."""

    by: tuple[Dimension, ...]
    sql: tuple[str, ...]

    @property
    def text(self) -> str:
        """The expressions, one after the other."""
        return ", ".join(self.sql) or ALL

    @property
    def width(self) -> int:
        """How many they are."""
        return max(1, len(self.sql))

    def group(self, row: Sequence[Any]) -> Group:
        """Return the group that SQL values stand for."""
        return tuple([_meaning(dimension, value) for dimension, value in zip(self.by, row, strict=False)])


def sorting(by: tuple[Dimension, ...]) -> Callable[[Group], Group] | None:
    """Return the key to sort groups by, ``None`` where it is they themselves."""
    return (lambda group: tuple(map(str, group))) if Dimension.JOB in by else None


def time_sql(words: Dialect, dimension: Dimension, day: str) -> str:
    """Return the expression of a time for a day since 1970, of a week since the one with it."""
    if dimension is Dimension.DAY:
        return day
    if dimension is Dimension.WEEK:  # 1970-01-01 was a Thursday
        return f"(({day} + 3) / 7)"
    return words.month.format(day)


_date = cache(date.fromordinal)  # of many rows few are different


def _meaning(dimension: Dimension, value: Any) -> Any:  # noqa: ANN401 - what SQL gives
    if dimension is Dimension.DAY:
        return _date(EPOCH_DAY + value)
    if dimension is Dimension.WEEK:
        return _date(EPOCH_DAY + 7 * value - 3)
    if dimension is Dimension.MONTH:
        return date.fromisoformat(f"{value}-01")
    if dimension is Dimension.COMPONENT:
        return COMPONENTS[value].value
    if dimension is Dimension.JOB:
        cluster, job_id, submitted = json.loads(value)
        return JobKey(cluster, job_id, None if submitted is None else utc(submitted))
    return value
