"""What SQLite and PostgreSQL spell differently, as text: everything else is one set of SQL.

Statements are written with ``?`` for values, every conflict names its key, and a column that is added to is named
with its table: both engines read that. What is left is below, a value or a short method each; no driver is imported.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

LIMB = 1_000_000_000
"""The base of wide sums: integers end at 2⁶³ µJ (2.56 GWh), which a site passes in days."""


def limbs_of(column: str) -> tuple[str, str]:
    """Return SQL for the two limbs of an exact sum: what SQLite makes, and what tables keep of both engines."""
    return f"sum({column} / {LIMB})", f"sum({column} % {LIMB})"


def listed(numbers: Sequence[int]) -> str:
    """Return whole numbers as the value of a list; of a few in a quarter of the time of ``json.dumps``."""
    return f"[{','.join(map(str, numbers))}]"


@dataclass(frozen=True, slots=True)
class Dialect:
    """One engine's words."""

    name: str
    texts: str
    """Behind a column: whether it is in a list of texts, whose value is JSON."""
    numbers: str
    """The same for a list of whole numbers."""
    elements: str
    """The elements of a JSON list as a table ``e``, one column ``value``."""
    element_text: str
    """The text at one place of a list that is such an element."""
    element_number: str
    """The whole number there."""
    element_real: str
    """The fraction there."""
    json_list: str
    """A JSON list of some columns, as text."""
    month: str
    """The month, as ``2026-11``, of a number of days since 1970."""
    joined_after: str
    """A join of which the first table is to be read first."""
    unindexed: str
    """A column by which rows are grouped, though an index has that order: few of its rows are meant."""
    limbs: tuple[str, ...]
    """A wide sum, in as many columns."""
    same: str
    """Whether two values are the same, or both unknown."""
    ended: str
    """Whether a raw row is of an interval that ended until a time."""
    day_columns: tuple[str, ...] = ()
    """What raw rows have besides, where days have partitions of their own."""

    def sums(self, *columns: str) -> str:
        """Return SQL for the exact sums of some columns, however wide."""
        return ", ".join(limb.format(column) for column in columns for limb in self.limbs)

    def width(self, columns: int) -> int:
        """Return how many columns so many sums have."""
        return columns * len(self.limbs)

    def joined(self, values: Sequence[int | None]) -> list[int]:
        """Return the sums that `sums` made; those of nothing are 0."""
        if len(self.limbs) == 1:
            return [value or 0 for value in values]
        return [(high or 0) * LIMB + (low or 0) for high, low in zip(values[::2], values[1::2], strict=True)]

    def of_interval(self, alias: str, low_us: int | None = None) -> str:
        """Return the condition that a raw row is of interval ``i``, which ends after a time.

        Where days have partitions, the time tells which of them need not be looked at.
        """
        same = f"{alias}.interval_id = i.id"
        if not self.day_columns:
            return same
        after = "" if low_us is None else f" AND {alias}.end_us > {low_us}"
        return f"{same} AND {alias}.end_us = i.end_us{after}"


SQLITE = Dialect(
    name="sqlite",
    texts="IN (SELECT value FROM json_each(?))",
    numbers="IN (SELECT value FROM json_each(?))",
    elements="json_each(?) e",
    element_text="json_extract(e.value, '$[{}]')",
    element_number="json_extract(e.value, '$[{}]')",
    element_real="json_extract(e.value, '$[{}]')",
    json_list="json_array({})",
    month="strftime('%Y-%m', {} * 86400, 'unixepoch')",
    joined_after="CROSS JOIN",
    unindexed="+{}",
    limbs=limbs_of("{}"),
    same="{} IS {}",
    ended="interval_id IN (SELECT id FROM node_interval WHERE end_us <= ?)",
)

POSTGRESQL = Dialect(
    name="postgresql",
    texts="= ANY (ARRAY(SELECT jsonb_array_elements_text(CAST(? AS jsonb))))",
    numbers="= ANY (ARRAY(SELECT CAST(jsonb_array_elements_text(CAST(? AS jsonb)) AS bigint)))",
    elements="jsonb_array_elements(CAST(? AS jsonb)) AS e (value)",
    element_text="e.value ->> {}",
    element_number="CAST(e.value ->> {} AS bigint)",
    element_real="CAST(e.value ->> {} AS double precision)",
    json_list="CAST(jsonb_build_array({}) AS text)",
    month="to_char(to_timestamp({} * 86400) AT TIME ZONE 'UTC', 'YYYY-MM')",
    joined_after="JOIN",
    unindexed="{}",
    limbs=("sum({})",),
    same="{} IS NOT DISTINCT FROM {}",
    ended="end_us <= ?",
    day_columns=("end_us",),
)
