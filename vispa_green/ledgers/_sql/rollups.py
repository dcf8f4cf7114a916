"""Roll-ups: what raw rows sum to by quarter-hour, job, owner and node, written in the rows' own transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from vispa_green.energy.quarters import cut
from vispa_green.ledgers._sql.codec import COMPONENT_CODE, QUALITY_CODE, QUARTER_US, us, utc
from vispa_green.ledgers._sql.database import Database
from vispa_green.ledgers._sql.identity import JobRow, Owner
from vispa_green.ledgers._sql.week_parts import mark
from vispa_green.model import Component, NodeInterval

Cell = tuple[int, int, int, int, int]
"""Job, quarter, node, component and quality."""
NodeCell = tuple[int, int, int, int, int]
"""Node, quarter, component, quality, contained."""
CELL_KEY = ("job", "quarter", "node_id", "component", "quality")
NODE_CELL_KEY = ("node_id", "quarter", "component", "quality", "contained")
NODE_SUMS = ("measured_uj", "jobs_uj", "idle_uj", "system_uj")
OWNER_DAY_KEY = ("cluster_id", "day", "owner", "account", "partition", "project", "component", "quality")


@cache
def day_of(quarter: int, zone: ZoneInfo) -> int:
    """Return the day of a quarter-hour, as people in ``zone`` live it (``date.toordinal``)."""
    return utc(quarter * QUARTER_US).astimezone(zone).toordinal()


def contained_devices(interval: NodeInterval) -> frozenset[str]:
    """Return the whole-node counters that repeat what other counters told of the same interval."""
    whole = {entry.device for entry in interval.entries if entry.component is Component.NODE}
    if not whole or all(e.component is Component.NODE or e.measured_uj is None for e in interval.entries):
        return frozenset()
    return frozenset(whole)


@dataclass(slots=True)
class Sums:
    """What a batch of intervals adds to the roll-ups; nothing is written before `write`."""

    zone: ZoneInfo
    cells: defaultdict[Cell, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    nodes: defaultdict[NodeCell, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0, 0, 0]))

    def add(self, interval: NodeInterval, node_id: int, jobs: dict[str, int], contained: frozenset[str]) -> None:
        """Add an interval; ``jobs`` are the rows of the numbers in it, ``contained`` the counters that repeat."""
        for part in cut(interval):
            quarter = us(part.start) // QUARTER_US
            for entry in part.entries:
                if entry.measured_uj is None:
                    continue
                codes = COMPONENT_CODE[entry.component], QUALITY_CODE[entry.quality]
                is_twice = entry.device in contained
                sums = self.nodes[node_id, quarter, *codes, int(is_twice)]
                for i, energy_uj in enumerate((entry.measured_uj, entry.jobs_uj, entry.idle_uj, entry.system_uj)):
                    sums[i] += energy_uj
                for share in () if is_twice else entry.jobs:
                    cell = self.cells[jobs[share.job_id], quarter, node_id, *codes]
                    cell[0] += share.busy_uj
                    cell[1] += share.idle_uj

    def write(self, database: Database, days: OwnerDays, jobs: Mapping[int, JobRow]) -> None:
        """Add everything to the tables, except for what is added to ``days``; ``jobs`` has the rows of the jobs."""
        totals: defaultdict[tuple[int, int, int], list[int]] = defaultdict(lambda: [0, 0])
        for (job, quarter, _, component, quality), (busy_uj, idle_uj) in self.cells.items():
            own = totals[job, component, quality]
            own[0] += busy_uj
            own[1] += idle_uj
            days.add((day_of(quarter, self.zone), jobs[job].owner, component, quality), busy_uj, idle_uj)
            days.later(quarter, jobs[job].last_us)
        _add_to(database, "job_quarter", CELL_KEY, self.cells)
        _add_to(database, "job_total", ("job", "component", "quality"), totals)
        _add_to(database, "node_quarter", NODE_CELL_KEY, self.nodes, NODE_SUMS)


def _add_to(
    database: Database,
    table: str,
    key: Sequence[str],
    cells: Mapping[Any, list[int]],
    columns: Sequence[str] = ("busy_uj", "idle_uj"),
) -> None:
    """Add energies to the rows of a table. In the order of the key no two writers wait for each other."""
    rows = [(*at, *sums) for at, sums in sorted(cells.items())]
    database.merge(table, key, columns, rows, adding=True)


OwnerDay = tuple[int, Owner, int, int]
"""Day, owner, component and quality."""


class OwnerDays:
    """What a transaction adds to the sums by owner and day of one cluster; nothing is written before `write`."""

    def __init__(self, database: Database, cluster_id: int, zone: ZoneInfo) -> None:
        self._db, self._cluster_id, self._zone = database, cluster_id, zone
        self._sums: defaultdict[OwnerDay, list[int]] = defaultdict(lambda: [0, 0])
        self._lessened: set[OwnerDay] = set()
        self._again: set[int] = set()

    def add(self, key: OwnerDay, busy_uj: int, idle_uj: int) -> None:
        """Add to one sum."""
        sums = self._sums[key]
        sums[0] += busy_uj
        sums[1] += idle_uj

    def move(self, job: int, before: Owner, after: Owner) -> None:
        """Move all that a job was charged to another owner: Slurm has told who that is."""
        if before == after:
            return
        rows = self._db.execute(
            "SELECT quarter, component, quality, busy_uj, idle_uj FROM job_quarter WHERE job = ?", (job,)
        )
        for quarter, component, quality, busy_uj, idle_uj in rows:
            day = day_of(quarter, self._zone)
            self.add((day, after, component, quality), busy_uj, idle_uj)
            self.add((day, before, component, quality), -busy_uj, -idle_uj)
            self._lessened.add((day, before, component, quality))

    def later(self, quarter: int, last_us: int) -> None:
        """Note that a job was charged in a quarter-hour before it was seen last: where it is counted changes."""
        first, last = day_of(quarter, self._zone), day_of((last_us - 1) // QUARTER_US, self._zone)
        if last > first:
            self._again.update(range(first, last + 1))

    def merged(self, *jobs: int) -> None:
        """Note that two rows of ``job`` are counted as one."""
        for first, last in self._db.execute(
            "SELECT min(quarter), max(quarter) FROM job_quarter WHERE job IN (?, ?) HAVING min(quarter) IS NOT NULL",
            jobs,
        ):
            self._again.update(range(day_of(first, self._zone), day_of(last, self._zone) + 1))

    def write(self, at_us: int) -> None:
        """Add everything to the table; sums that became empty go, and sums by week are marked."""
        mark(self._db, self._again.union(day for day, *_ in self._sums), at_us)
        self._again.clear()
        flat = {(self._cluster_id, day, *owner, *rest): sums for (day, owner, *rest), sums in self._sums.items()}
        _add_to(self._db, "owner_day", OWNER_DAY_KEY, flat)
        found = " AND ".join(f"{key} = ?" for key in OWNER_DAY_KEY)
        self._db.executemany(
            f"DELETE FROM owner_day WHERE {found} AND busy_uj = 0 AND idle_uj = 0",
            [(self._cluster_id, day, *owner, *rest) for day, owner, *rest in self._lessened],
        )
        self._sums.clear()
        self._lessened.clear()


def merge_jobs(database: Database, into: int, job: int) -> None:
    """Move the roll-ups of a row that turned out to be another job's; its owner's days are settled before."""
    for table, keys in (("job_quarter", "quarter, node_id, component, quality"), ("job_total", "component, quality")):
        database.execute(
            f"INSERT INTO {table} (job, {keys}, busy_uj, idle_uj) SELECT CAST(? AS BIGINT), {keys}, busy_uj, idle_uj"
            f" FROM {table} WHERE job = ? ON CONFLICT (job, {keys}) DO UPDATE SET"
            f" busy_uj = {table}.busy_uj + excluded.busy_uj, idle_uj = {table}.idle_uj + excluded.idle_uj",
            (into, job),
        )
        database.execute(f"DELETE FROM {table} WHERE job = ?", (job,))
    database.execute(
        "UPDATE job_stay SET job = ? WHERE job = ? AND NOT EXISTS (SELECT 1 FROM job_stay o WHERE o.job = ?"
        " AND o.node_id = job_stay.node_id AND o.start_us = job_stay.start_us)",
        (into, job, into),
    )
