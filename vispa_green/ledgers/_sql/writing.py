"""Adds intervals with their jobs and roll-ups, within one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from vispa_green.errors import IntervalRefused
from vispa_green.ledgers._sql.chain import Written, add_link, written
from vispa_green.ledgers._sql.codec import us
from vispa_green.ledgers._sql.connection import row_id
from vispa_green.ledgers._sql.database import Database
from vispa_green.ledgers._sql.identity import Identities, JobRow
from vispa_green.ledgers._sql.rollups import OwnerDays, Sums, contained_devices
from vispa_green.ledgers._sql.stays import Stays
from vispa_green.model import Binding, NodeInterval, SpooledInterval

_UNSEEN = Binding()
INTERVAL_COLUMNS = (
    "id", "node_id", "spool_id", "sequence", "boot_id", "start_us", "end_us", "duration_us", "quality", "reason",
    "received_us",
)  # fmt: skip
ENTRY_COLUMNS = (
    "interval_id", "component", "device", "quality", "measured_uj", "jobs_uj", "idle_uj", "system_uj", "contained",
    "reason",
)  # fmt: skip
SHARE_COLUMNS = ("job", "interval_id", "device", "busy_uj", "idle_uj")
PRESENCE_COLUMNS = ("job", "interval_id", "uid", "cpu_ns", "present_us", "allocated_cpus")

Values = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class _Added:
    """An interval that waits to be written together with others."""

    spool_id: int
    sequence: int
    interval: NodeInterval
    node_id: int
    received_us: int
    jobs: dict[str, int]
    contained: frozenset[str]


class IntervalWriter:
    """Adds intervals of one cluster within one transaction; most of it is written by `finish`."""

    def __init__(self, database: Database, cluster: str, zone: ZoneInfo) -> None:
        self._db, self._zone = database, zone
        self._cluster_id = row_id(database, "cluster", cluster)
        self._spool_id = 0
        self._identities, self._stays = Identities(database), Stays(database)
        self._nodes: dict[str, int] = {}
        self._received_us = 0
        self._begin()

    def _begin(self) -> None:
        self._sums, self._added = Sums(self._zone), list[_Added]()
        self._touched: dict[int, JobRow] = {}

    def of(self, spool: str) -> None:
        """Let what is added from here on come from a spool."""
        self._spool_id = row_id(self._db, "spool", spool)

    def fresh(self, items: Sequence[SpooledInterval]) -> list[SpooledInterval]:
        """Return those that are not known, each once; nobody else can add to their jobs from here on."""
        once: dict[int, SpooledInterval] = {}
        for item in items:
            once.setdefault(item.sequence, item)
        numbers = self._db.fresh(self._spool_id, list(once))
        found = [item for item in once.values() if item.sequence in numbers]
        for name in sorted({item.interval.node for item in found}):
            self._node(name)
        jobs = {number for item in found for number in _numbers(item.interval)}
        self._db.hold_jobs(self._cluster_id, jobs)
        self._identities.learn(self._cluster_id, jobs)
        return found

    def add(self, item: SpooledInterval, received_us: int) -> None:
        """Add one interval that is not known yet."""
        interval, self._received_us = item.interval, received_us
        node_id = self._node(interval.node)
        jobs = self._jobs(interval, us(interval.start), us(interval.end))
        contained = contained_devices(interval)
        self._added.append(_Added(self._spool_id, item.sequence, interval, node_id, received_us, jobs, contained))
        self._sums.add(interval, node_id, jobs, contained)

    def finish(self) -> None:
        """Write the rows of what was added and its roll-ups; more may be added then.

        Raises `IntervalRefused` for an interval that breaks the account's rules.
        """
        self._add_stays()
        self._identities.write_new()
        self._write_rows()
        days = OwnerDays(self._db, self._cluster_id, self._zone)
        for row in self._identities.write():
            days.move(row.id, row.owner_before, row.owner)
            row.owner_before = row.owner
        try:
            self._stays.write()
            self._sums.write(self._db, days, self._touched)
            days.write(self._received_us)
        except self._db.refusals as error:  # a sum beyond 2⁶³ µJ in one cell
            raise IntervalRefused(None, str(error)) from error
        self._begin()

    def _add_stays(self) -> None:
        by_node: defaultdict[int, set[int]] = defaultdict(set)
        for added in self._added:
            by_node[added.node_id].update(job for job in added.jobs.values() if not self._identities.is_new(job))
        for node_id, jobs in by_node.items():
            self._stays.learn(jobs, node_id)
        for added in self._added:
            self._stays.add(added.interval, (added.node_id, added.spool_id, added.sequence), added.jobs)

    def _write_rows(self) -> None:
        """Write what waits; if one of it is refused, one after the other, to tell which."""
        if not self._added:
            return
        numbers = self._db.numbers("node_interval", len(self._added))
        pairs = list(zip(self._added, numbers, strict=True))
        if len(pairs) > 1:
            self._db.execute("SAVEPOINT rows")
            try:
                self._insert(pairs)
            except self._db.refusals:
                self._db.execute("ROLLBACK TO rows")
            else:
                self._db.execute("RELEASE rows")
                self._add_links(pairs)
                return
        for pair in pairs:
            try:
                self._insert([pair])
            except self._db.refusals as error:
                raise IntervalRefused(pair[0].sequence, str(error)) from error
        self._add_links(pairs)

    def _add_links(self, pairs: Sequence[tuple[_Added, int]]) -> None:
        rows: defaultdict[int, dict[int, Written]] = defaultdict(dict)
        for one, number in pairs:
            rows[one.spool_id][number] = written(one.sequence, one.interval, one.contained)
        for spool_id, own in rows.items():
            add_link(self._db, spool_id, own)

    def _insert(self, pairs: Sequence[tuple[_Added, int]]) -> None:
        days = self._db.dialect.day_columns
        self._db.insert("node_interval", INTERVAL_COLUMNS, [self._interval(*pair) for pair in pairs])
        for table, columns, rows_of in (
            ("energy_entry", ENTRY_COLUMNS, _entries),
            ("job_share", SHARE_COLUMNS, _shares),
            ("job_presence", PRESENCE_COLUMNS, _presence),
        ):
            rows = [
                (*row, us(added.interval.end)) if days else row
                for added, number in pairs
                for row in rows_of(added, number)
            ]
            self._db.insert(table, (*columns, *days), rows)

    def _interval(self, added: _Added, number: int) -> Values:
        one = added.interval
        return (number, added.node_id, added.spool_id, added.sequence, one.boot_id, us(one.start), us(one.end),
                one.duration_us, one.quality, one.reason, added.received_us)  # fmt: skip

    def _jobs(self, interval: NodeInterval, start_us: int, end_us: int) -> dict[str, int]:
        """Return the rows of the jobs in an interval, also of one that has a share but was not seen."""
        bindings = {seen.job_id: seen.binding for seen in interval.jobs}
        found: dict[str, int] = {}
        for number in sorted(_numbers(interval)):
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
            key = self._cluster_id, name
            query = "SELECT id FROM node WHERE cluster_id = ? AND name = ?"
            row = self._db.execute(query, key).fetchone()
            if row is None:
                self._db.execute(
                    "INSERT INTO node (cluster_id, name) VALUES (?, ?) ON CONFLICT (cluster_id, name) DO NOTHING", key
                )
                row = self._db.execute(query, key).fetchone()
            self._nodes[name] = int(row[0])
        return self._nodes[name]


def _numbers(interval: NodeInterval) -> set[str]:
    seen = {seen.job_id for seen in interval.jobs}
    return seen | {share.job_id for entry in interval.entries for share in entry.jobs}


def _entries(added: _Added, number: int) -> list[Values]:
    rows: list[Values] = []
    for entry in added.interval.entries:
        known = entry.measured_uj is not None
        sums = (entry.jobs_uj, entry.idle_uj, entry.system_uj) if known else (None, None, None)
        rows.append((number, entry.component, entry.device, entry.quality, entry.measured_uj, *sums,
                     int(entry.device in added.contained), entry.reason))  # fmt: skip
    return rows


def _shares(added: _Added, number: int) -> list[Values]:
    return [
        (added.jobs[share.job_id], number, entry.device, share.busy_uj, share.idle_uj)
        for entry in added.interval.entries
        for share in entry.jobs
    ]


def _presence(added: _Added, number: int) -> list[Values]:
    return [
        (
            added.jobs[seen.job_id],
            number,
            seen.binding.uid,
            seen.cpu_ns,
            seen.present_us,
            seen.binding.allocated_cpus,
        )
        for seen in added.interval.jobs
    ]
