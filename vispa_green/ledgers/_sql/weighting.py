"""The grid's quantities weighted by the energy that jobs used, in the database where the grid's steps allow it.

A quarter-hour is as fine as public series are, so the roll-ups carry all that is needed. Where a series has
finer steps (a recording, the laboratory's sped-up day), the raw rows are weighted one by one instead.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from vispa_green.energy.carbon import GridSignal
from vispa_green.ledgers._sql.codec import QUARTER_US, us, utc
from vispa_green.ledgers._sql.connection import Connection
from vispa_green.ledgers._sql.dialect import LIMB, limbs_of
from vispa_green.ledgers._sql.grid import source_order, stored_values
from vispa_green.ledgers._sql.selecting import charged
from vispa_green.ledgers._sql.windows import Window, clipped, edge_postings, postings_of
from vispa_green.model import JobPosting, Quantity, Selection, Weighted

Group = TypeVar("Group", bound=Hashable)
Grids = dict[Group, dict[Quantity, Weighted]]


@dataclass(frozen=True, slots=True)
class GridColumns:
    """What joins the grid's quarter-hours to those of jobs (alias ``q``), and sums energies weighted with them.

    Each quantity has three columns: the energy (µJ) for which it is known in two limbs, and the sum of µJ × value.
    """

    quantities: tuple[Quantity, ...]
    table: str = "grid_quarter"
    before: str = ""
    """What has to stand before the whole question, with ``values`` for it."""
    values: tuple[str, ...] = ()

    @property
    def joins(self) -> str:
        """The tables to join after ``q``."""
        return "".join(
            f" LEFT JOIN {self.table} g{i} ON g{i}.quantity = '{quantity}' AND g{i}.quarter = q.quarter"
            f" AND g{i}.is_best = 1"
            for i, quantity in enumerate(self.quantities)
        )

    @property
    def sums(self) -> tuple[str, ...]:
        """The columns."""
        return tuple(column for i in range(len(self.quantities)) for column in _sums(f"g{i}"))

    def read(self, row: Sequence[Any]) -> dict[Quantity, Weighted]:
        """Return what the columns tell, of the quantities that are known for anything."""
        return {
            quantity: Weighted(high * LIMB + low, sum_uj)
            for quantity, high, low, sum_uj in zip(self.quantities, row[::3], row[1::3], row[2::3], strict=True)
            if high is not None
        }


def _sums(grid: str) -> tuple[str, str, str]:
    energy_uj = "(q.busy_uj + q.idle_uj)"
    known_uj = (
        f"(CASE {grid}.known_us WHEN {QUARTER_US} THEN {energy_uj}"
        f" ELSE {energy_uj} / {QUARTER_US} * {grid}.known_us"
        f" + {energy_uj} % {QUARTER_US} * {grid}.known_us / {QUARTER_US} END)"
    )
    weight = f"CAST({energy_uj} AS DOUBLE PRECISION) * {grid}.known_us / {QUARTER_US}"
    return *limbs_of(known_uj), f"sum({weight} * {grid}.mean)"


def coarse(connection: Connection, selection: Selection, window: Window) -> GridColumns:
    """Return the columns of the quantities whose series have no finer steps than quarter-hours."""
    quantities = tuple(quantity for quantity in Quantity if not _is_fine(connection, quantity))
    if selection.as_of is None or not quantities:
        return GridColumns(quantities)
    from vispa_green.ledgers._sql import as_of  # few ask

    then = as_of.quarters_then(connection, quantities, selection.as_of, window)
    return GridColumns(quantities, as_of.TABLE, as_of.table_of(connection.dialect), (then,))


def weighted_by_job(connection: Connection, selection: Selection, window: Window) -> Grids[int]:
    """Return each job's grid, of what it was charged in a window."""
    grid = coarse(connection, selection, window)
    found: Grids[int] = defaultdict(dict)
    if grid.quantities:
        words = connection.dialect
        where, values = charged(words, selection)
        rows = connection.read(
            f"{grid.before}SELECT j.id, {', '.join(grid.sums)} FROM job j"
            f" {words.joined_after} job_quarter q ON q.job = j.id{grid.joins}"
            f" WHERE {where} AND q.quarter >= ? AND q.quarter < ? GROUP BY {words.unindexed.format('j.id')}",
            [*grid.values, *values, *window.quarters],
        )
        for job, *row in rows:
            found[job] = grid.read(row)
    edges = list(edge_postings(connection, selection, window))
    add_postings(connection, selection, window, edges, found, lambda job, _: job)
    return found


def add_postings(
    connection: Connection,
    selection: Selection,
    window: Window,
    edges: Sequence[tuple[int, JobPosting]],
    found: Grids[Group],
    group_of: Callable[[int, JobPosting], Group],
) -> None:
    """Add what the quarter-hours' columns cannot tell: the edges of a window, and quantities with finer steps."""
    fine = {quantity for quantity in Quantity if _is_fine(connection, quantity)}
    every = list(_within(connection, selection, window)) if fine else []
    for quantity in Quantity:
        _add(connection, found, quantity, every if quantity in fine else edges, group_of, selection.as_of)


def _within(connection: Connection, selection: Selection, window: Window) -> Iterable[tuple[int, JobPosting]]:
    low = -(1 << 62) if window.start_us is None else window.start_us
    high = 1 << 62 if window.end_us is None else window.end_us
    for job, posting in postings_of(connection, selection, window):
        if part := clipped(posting, low, high):
            yield job, part


def _add(
    connection: Connection,
    found: Grids[Group],
    quantity: Quantity,
    pairs: Sequence[tuple[int, JobPosting]],
    group_of: Callable[[int, JobPosting], Group],
    as_of: datetime | None,
) -> None:
    if not pairs:
        return
    first, last = min(us(p.start) for _, p in pairs), max(us(p.end) for _, p in pairs)
    values = stored_values(connection, quantity, utc(first), utc(last + 1), as_of)
    signal = GridSignal.from_values(values, quantity, source_order(connection))
    for job, posting in pairs:
        mean, fraction = signal.known_part(posting.start, posting.end)
        if mean is not None:
            energy_uj = posting.busy_uj + posting.idle_uj
            known_uj = energy_uj if fraction >= 1 else int(energy_uj * fraction)
            own = found.setdefault(group_of(job, posting), {})
            own[quantity] = own.get(quantity, Weighted()) + Weighted(known_uj, known_uj * mean)


def _is_fine(connection: Connection, quantity: Quantity) -> bool:
    rows = connection.read("SELECT min(shortest_us) FROM grid_steps WHERE quantity = ?", (quantity,))
    return rows[0][0] is not None and rows[0][0] < QUARTER_US
