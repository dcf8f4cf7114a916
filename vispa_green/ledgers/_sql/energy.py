"""The book of energy: intervals in, accounts of jobs, nodes and groups out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, tzinfo

from vispa_green.ledgers._sql.codec import COMPONENTS, FACT_COLUMNS, QUALITIES, fact_of, us, utc
from vispa_green.ledgers._sql.connection import Connection
from vispa_green.ledgers._sql.selecting import charged, chosen
from vispa_green.ledgers._sql.totals import made_totals
from vispa_green.ledgers._sql.weighting import weighted_by_job
from vispa_green.ledgers._sql.windows import Window, postings_of, sums_in
from vispa_green.model import (
    BalanceRow,
    Batch,
    ChainHead,
    Component,
    Dimension,
    EnergySum,
    JobAccount,
    JobKey,
    JobPosting,
    JobStay,
    NodeEnergy,
    Origin,
    Pruned,
    Quality,
    Selection,
    SpooledInterval,
    Total,
)


class SqlEnergy:
    """An `EnergyBook` in a database."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def append(self, origin: Origin, intervals: Sequence[SpooledInterval], received: datetime) -> int:
        """Add what is not there yet, with its roll-ups, all or nothing; return how many were new."""
        return self.append_all([Batch(origin, intervals)], received)[0]

    def append_all(self, batches: Sequence[Batch], received: datetime) -> list[int]:
        """Add what is not there yet of several batches, all or nothing; return how many of each were new."""
        from vispa_green.ledgers._sql.weeks import settle  # who only asks need not wait for these
        from vispa_green.ledgers._sql.writing import IntervalWriter

        added = [0] * len(batches)
        with self._db.transaction() as database:
            database.have_days({us(item.interval.end) for batch in batches for item in batch.intervals})
            for cluster in dict.fromkeys(batch.origin.cluster for batch in batches):
                writer = IntervalWriter(database, cluster, self._db.zone())
                for place, batch in enumerate(batches):
                    if batch.origin.cluster == cluster:
                        writer.of(batch.origin.spool_id)
                        fresh = writer.fresh(batch.intervals)
                        for item in fresh:
                            writer.add(item, us(received))
                        added[place] = len(fresh)
                writer.finish()
            settle(self._db, us(received))
        return added

    def balance(self) -> list[BalanceRow]:
        """Return the sums by node and component; what jobs carry is summed from their own roll-up."""
        words = self._db.dialect
        with self._db.snapshot():
            # The jobs' part is summed by itself, so that a lost or doubled share would show here.
            shares = self._db.read(
                f"SELECT node_id, component, {words.sums('busy_uj', 'idle_uj')} FROM job_quarter"
                " GROUP BY node_id, component"
            )
            rows = self._db.read(
                "SELECT n.name, q.node_id, q.component, q.contained,"
                f" {words.sums('q.measured_uj', 'q.jobs_uj', 'q.idle_uj', 'q.system_uj')}"
                " FROM node_quarter q JOIN node n ON n.id = q.node_id"
                " GROUP BY n.name, q.node_id, q.component, q.contained"
            )
        charged = {(node, component): sum(words.joined(values)) for node, component, *values in shares}
        found: dict[tuple[str, int], list[int]] = {}
        for name, node, component, contained, *values in sorted(rows):
            measured, jobs, idle, system = words.joined(values)
            carried = jobs if contained else charged.get((node, component), 0)
            sums = found.setdefault((name, component), [0, 0, 0, 0])
            for i, energy_uj in enumerate((measured, carried, idle, system)):
                sums[i] += energy_uj
        return [BalanceRow(name, COMPONENTS[component], *sums) for (name, component), sums in found.items()]

    def verify(self, heads: Sequence[ChainHead] = ()) -> list[str]:
        """Return every disagreement between rows, roll-ups and chains as a sentence."""
        from vispa_green.ledgers._sql import verifying

        return verifying.disagreements(self._db, heads)

    def heads(self) -> list[ChainHead]:
        """Return the last link of the chain of each spool."""
        from vispa_green.ledgers._sql import chain

        return chain.heads(self._db)

    def prune(self, before: datetime) -> Pruned:
        """Take out the raw rows of whole quarter-hours that ended before."""
        from vispa_green.ledgers._sql import pruning

        return pruning.prune(self._db, before)

    def node_energy(self, start: datetime, end: datetime) -> Iterable[NodeEnergy]:
        """Yield what nodes measured in the intervals that overlap ``[start, end)``, in order of time."""
        from vispa_green.ledgers._sql import pruning

        yield from pruning.kept_quarters(self._db, start, end)
        rows = self._db.read(
            f"""
            SELECT n.name, e.component, e.quality, i.start_us, i.end_us,
                   sum(e.measured_uj), sum(e.jobs_uj), sum(e.idle_uj), sum(e.system_uj)
            FROM node_interval i JOIN energy_entry e ON {self._db.dialect.of_interval("e", us(start))}
            JOIN node n ON n.id = i.node_id
            WHERE i.end_us > ? AND i.start_us < ? AND e.measured_uj IS NOT NULL AND e.contained = 0
            GROUP BY i.id, i.start_us, i.end_us, n.name, e.component, e.quality ORDER BY i.start_us, n.name
            """,
            (us(start), us(end)),
        )
        for node, component, quality, begin, until, *sums in rows:
            yield NodeEnergy(node, Component(component), Quality(quality), utc(begin), utc(until), *sums)

    def postings(self, selection: Selection) -> Iterable[JobPosting]:
        """Yield what jobs were charged, in order of time, as finely as it is still kept."""
        for _, posting in postings_of(self._db, selection, Window.of(selection)):
            yield posting

    def jobs(self, selection: Selection, *, whole: bool = True) -> list[JobAccount]:
        """Return the selected jobs; with their whole runs, or only with what they were charged in the span."""
        choose = chosen if whole else charged
        where, values = choose(self._db.dialect, selection)
        fact_columns = ", ".join(f"j.{column}" for column in FACT_COLUMNS)
        rows = self._db.read(
            "SELECT j.id, j.first_us, j.last_us, c.name, j.job_id, j.submitted_us, j.uid, j.tasks, j.cpus_per_task,"
            f" j.tag, {fact_columns}"
            f" FROM job j JOIN cluster c ON c.id = j.cluster_id WHERE {where} ORDER BY j.first_us",
            values,
        )
        window = Window.whole() if whole else Window.of(selection)
        sums, stays = self._sums(selection, window), self._stays(where, values)
        grid = weighted_by_job(self._db, selection, window)
        return [
            JobAccount(
                JobKey(cluster, job_id, None if submitted is None else utc(submitted)),
                fact_of(fact),
                uid,
                tuple(stays[job]),
                tuple(sums[job]),
                grid.get(job, {}),
                tasks,
                cpus_per_task,
                tag,
            )
            for job, first_us, last_us, cluster, job_id, submitted, uid, tasks, cpus_per_task, tag, *fact in rows
            if window.touches(first_us, last_us) or sums[job]
        ]

    def totals(
        self, selection: Selection, by: Sequence[Dimension], zone: tzinfo, *, with_grid: bool = True
    ) -> list[Total]:
        """Return sums of what the selected jobs were charged in the span."""
        return made_totals(self._db, selection, tuple(by), zone, with_grid=with_grid)

    def _sums(self, selection: Selection, window: Window) -> defaultdict[int, list[EnergySum]]:
        found: defaultdict[int, list[EnergySum]] = defaultdict(list)
        if not window.is_whole:
            for (job, component, quality), (busy, idle) in sums_in(self._db, selection, window).items():
                found[job].append(EnergySum(component, quality, busy, idle))
            return found
        where, values = chosen(self._db.dialect, selection)
        rows = self._db.read(
            "SELECT t.job, t.component, t.quality, t.busy_uj, t.idle_uj FROM job j JOIN job_total t ON t.job = j.id"
            f" WHERE {where}",
            values,
        )
        for job, component, quality, busy, idle in rows:
            found[job].append(EnergySum(COMPONENTS[component], QUALITIES[quality], busy, idle))
        return found

    def _stays(self, where: str, values: Sequence[object]) -> defaultdict[int, list[JobStay]]:
        rows = self._db.read(
            "SELECT s.job, n.name, s.start_us, s.end_us, s.present_us, s.metered_us, s.unwatched_us, s.cpu_ns,"
            " s.reserved_us"
            " FROM job j JOIN job_stay s ON s.job = j.id JOIN node n ON n.id = s.node_id"
            f" WHERE {where} ORDER BY s.start_us",
            values,
        )
        found: defaultdict[int, list[JobStay]] = defaultdict(list)
        for job, node, start, end, *figures in rows:
            found[job].append(JobStay(node, utc(start), utc(end), *figures))
        return found
