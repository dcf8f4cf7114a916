"""Adds intervals with their jobs and roll-ups, within one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from vispa_green.errors import IntervalRefused
from vispa_green.ledgers._sqlite.codec import us
from vispa_green.ledgers._sqlite.connection import row_id
from vispa_green.ledgers._sqlite.identity import Identities, JobRow
from vispa_green.ledgers._sqlite.rollups import OwnerDays, Sums, contained_devices
from vispa_green.ledgers._sqlite.stays import Stays
from vispa_green.model import Binding, NodeInterval, Origin, SpooledInterval

_UNSEEN = Binding()
INSERT_ENTRIES = (
    "INSERT INTO energy_entry (interval_id, component, device, quality, measured_uj, jobs_uj, idle_uj, system_uj,"
    " contained, reason) VALUES (?,?,?,?,?,?,?,?,?,?)"
)
INSERT_SHARES = "INSERT INTO job_share (job, interval_id, device, busy_uj, idle_uj) VALUES (?,?,?,?,?)"
INSERT_PRESENCE = (
    "INSERT INTO job_presence (job, interval_id, uid, cpu_ns, present_us, allocated_cpus) VALUES (?,?,?,?,?,?)"
)


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of an interval that wait to be written together with those of others."""

    sequence: int
    entries: list[tuple[object, ...]]
    shares: list[tuple[object, ...]]
    presence: list[tuple[object, ...]]


class IntervalWriter:
    """Adds intervals of one spool within one transaction; most of it is written by `finish`."""

    def __init__(self, database: sqlite3.Connection, origin: Origin, zone: ZoneInfo) -> None:
        self._db, self._zone = database, zone
        self._cluster_id = row_id(database, "cluster", origin.cluster)
        self._spool_id = row_id(database, "spool", origin.spool_id)
        (self._pruned_to,) = database.execute(
            "SELECT pruned_to FROM spool WHERE id = ?", (self._spool_id,)
        ).fetchone()
        self._identities, self._stays = Identities(database), Stays(database)
        self._nodes: dict[str, int] = {}
        self._received_us = 0
        self._begin()

    def _begin(self) -> None:
        self._sums, self._rows = Sums(self._zone), list[_Rows]()
        self._touched: dict[int, JobRow] = {}

    def add(self, item: SpooledInterval, received_us: int) -> bool:
        """Add one interval, unless it is known; raise `IntervalRefused` if it breaks the account's rules."""
        self._received_us = received_us
        if item.sequence <= self._pruned_to:
            return False
        try:
            return self._add(item.sequence, item.interval, received_us)
        except (sqlite3.IntegrityError, sqlite3.DataError, OverflowError) as error:
            raise IntervalRefused(item.sequence, str(error)) from error

    def finish(self) -> None:
        """Write the rows of what was added and its roll-ups; more may be added then.

        Raises `IntervalRefused` for an interval that breaks the account's rules.
        """
        self._write_rows()
        days = OwnerDays(self._db, self._cluster_id, self._zone)
        for row in self._identities.write():
            days.move(row.id, row.owner_before, row.owner)
            row.owner_before = row.owner
        try:
            self._stays.write()
            self._sums.write(self._db, days, self._touched)
            days.write(self._received_us)
        except (sqlite3.IntegrityError, OverflowError) as error:  # a sum beyond 2⁶³ µJ in one cell
            raise IntervalRefused(None, str(error)) from error
        self._begin()

    def _add(self, sequence: int, interval: NodeInterval, received_us: int) -> bool:
        node_id = self._node(interval.node)
        start_us, end_us = us(interval.start), us(interval.end)
        row = self._db.execute(
            "INSERT INTO node_interval (node_id, spool_id, sequence, boot_id, start_us, end_us, duration_us, quality,"
            " reason, received_us) VALUES (?,?,?,?,?,?,?,?,?,?)"
            " ON CONFLICT (spool_id, sequence) DO NOTHING RETURNING id",
            (node_id, self._spool_id, sequence, interval.boot_id, start_us, end_us, interval.duration_us,
             interval.quality, interval.reason, received_us),
        ).fetchone()  # fmt: skip
        if row is None:
            return False
        jobs = self._jobs(interval, start_us, end_us)
        contained = contained_devices(interval)
        self._rows.append(_rows_of(row[0], sequence, interval, jobs, contained))
        self._sums.add(interval, node_id, jobs, contained)
        self._stays.add(interval, (node_id, self._spool_id, sequence), jobs)
        return True

    def _write_rows(self) -> None:
        """Write what waits; if one of it is refused, one after the other, to tell which."""
        self._db.execute("SAVEPOINT rows")
        try:
            self._insert(self._rows)
        except (sqlite3.IntegrityError, sqlite3.DataError, OverflowError):
            self._db.execute("ROLLBACK TO rows")
            for rows in self._rows:
                try:
                    self._insert([rows])
                except (sqlite3.IntegrityError, sqlite3.DataError, OverflowError) as error:
                    raise IntervalRefused(rows.sequence, str(error)) from error
        self._db.execute("RELEASE rows")

    def _insert(self, rows: Sequence[_Rows]) -> None:
        self._db.executemany(INSERT_ENTRIES, [entry for one in rows for entry in one.entries])
        self._db.executemany(INSERT_SHARES, [share for one in rows for share in one.shares])
        self._db.executemany(INSERT_PRESENCE, [seen for one in rows for seen in one.presence])

    def _jobs(self, interval: NodeInterval, start_us: int, end_us: int) -> dict[str, int]:
        """Return the rows of the jobs in an interval, also of one that has a share but was not seen."""
        bindings = {seen.job_id: seen.binding for seen in interval.jobs}
        numbers = {*bindings, *(share.job_id for entry in interval.entries for share in entry.jobs)}
        found: dict[str, int] = {}
        for number in sorted(numbers):
            held = bindings.get(number, _UNSEEN)
            submitted_us = None if held.submitted is None else us(held.submitted)
            row = self._identities.of_energy(self._cluster_id, number, submitted_us, held.uid, start_us, end_us)
            if held.tasks is not None:
                self._identities.asked_as(row, held.tasks, held.cpus_per_task)
            self._touched[row.id] = row
            found[number] = row.id
        return found

    def _node(self, name: str) -> int:
        if name not in self._nodes:
            row = self._db.execute(
                "INSERT INTO node (cluster_id, name) VALUES (?, ?)"
                " ON CONFLICT DO UPDATE SET name = name RETURNING id",
                (self._cluster_id, name),
            ).fetchone()
            self._nodes[name] = int(row[0])
        return self._nodes[name]


def _rows_of(
    interval_id: int, sequence: int, interval: NodeInterval, jobs: dict[str, int], contained: frozenset[str]
) -> _Rows:
    entries: list[tuple[object, ...]] = []
    for entry in interval.entries:
        known = entry.measured_uj is not None
        sums = (entry.jobs_uj, entry.idle_uj, entry.system_uj) if known else (None, None, None)
        entries.append((interval_id, entry.component, entry.device, entry.quality, entry.measured_uj, *sums,
                        entry.device in contained, entry.reason))  # fmt: skip
    return _Rows(
        sequence,
        entries,
        [
            (jobs[share.job_id], interval_id, entry.device, share.busy_uj, share.idle_uj)
            for entry in interval.entries
            for share in entry.jobs
        ],
        [
            (
                jobs[seen.job_id],
                interval_id,
                seen.binding.uid,
                seen.cpu_ns,
                seen.present_us,
                seen.binding.allocated_cpus,
            )
            for seen in interval.jobs
        ],
    )
