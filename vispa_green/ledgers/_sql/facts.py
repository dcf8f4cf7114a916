"""The book of facts: what the batch system said of jobs, and what follows for who they are and whose."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from vispa_green.ledgers._sql.codec import (
    FACT_COLUMNS,
    fact_of,
    us,
    utc,
)
from vispa_green.ledgers._sql.connection import Connection, remember
from vispa_green.ledgers._sql.selecting import chosen
from vispa_green.model import JobFact, JobId, JobKey, Selection

_COLUMNS = ", ".join(f"j.{column}" for column in FACT_COLUMNS)


class SqlFacts:
    """A `FactBook` in a database."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def append(self, cluster: str, facts: Sequence[JobFact], recorded: datetime) -> tuple[str, ...]:
        """Add what is new about jobs; return, in a sentence each, the facts that are not believed."""
        if not facts or not (fresh := self._new(cluster, facts)):
            return ()
        from vispa_green.ledgers._sql.telling import FactWriter  # who only asks need not wait for it

        with self._db.transaction() as database:
            writer = FactWriter(database, cluster, self._db.zone())
            writer.take([fact.job_id for fact in fresh])
            doubts = [writer.add(fact, us(recorded)) for fact in sorted(fresh, key=_by_submission)]
            writer.finish()
        return tuple(doubt for doubt in doubts if doubt)

    def facts(self, selection: Selection) -> list[tuple[JobKey, JobFact]]:
        """Return the latest facts of the selected jobs."""
        where, values = chosen(self._db.dialect, selection)
        rows = self._db.read(
            f"SELECT c.name, j.submitted_us, {_COLUMNS} FROM job j JOIN cluster c ON c.id = j.cluster_id"
            f" WHERE {where} AND j.state IS NOT NULL ORDER BY j.first_us, j.id",
            values,
        )
        told = [(name, submitted, fact_of(row)) for name, submitted, *row in rows]
        return [
            (JobKey(name, fact.job_id, None if submitted is None else utc(submitted)), fact)
            for name, submitted, fact in told
            if fact is not None
        ]

    def unfinished(self, cluster: str, since: datetime) -> dict[JobId, bool]:
        """Return the jobs whose end was never told, those that were there last first."""
        rows = self._db.read(
            "SELECT j.job_id, max(CASE WHEN j.state IS NULL THEN 0 ELSE 1 END) FROM job j"
            " WHERE j.same_as IS NULL AND j.end_us IS NULL AND j.last_us >= ?"
            " AND j.cluster_id = (SELECT id FROM cluster WHERE name = ?)"
            " GROUP BY j.job_id ORDER BY max(j.last_us) DESC, j.job_id",
            (us(since), cluster),
        )
        return {job_id: bool(is_told) for job_id, is_told in rows}

    def imported(self, cluster: str, until: datetime) -> None:
        """Keep until when all that the batch system tells of a cluster's jobs is in this book."""
        with self._db.transaction() as database:
            remember(database, _mark(cluster), str(us(until)))

    def imported_until(self, cluster: str) -> datetime | None:
        """Return what was kept last so, ``None`` where nothing was."""
        kept = self._db.meta(_mark(cluster))
        return None if kept is None else utc(int(kept))

    def _new(self, cluster: str, facts: Sequence[JobFact]) -> list[JobFact]:
        """Return the facts that are not known yet, without waiting for a turn to write."""
        rows = self._db.read(
            f"SELECT {_COLUMNS} FROM job j WHERE j.job_id {self._db.dialect.texts}"
            " AND j.cluster_id = (SELECT id FROM cluster WHERE name = ?) AND j.same_as IS NULL",
            (json.dumps(sorted({fact.job_id for fact in facts})), cluster),
        )
        known = {fact for fact in map(fact_of, rows) if fact is not None}
        unnumbered = {replace(fact, uid=None) for fact in known}  # where the agent saw what Slurm does not tell
        return [fact for fact in facts if fact not in (known if fact.uid is not None else unnumbered)]


def _mark(cluster: str) -> str:
    return f"imported_us {cluster}"


def _by_submission(fact: JobFact) -> tuple[str, float]:
    return fact.job_id, fact.submit.timestamp() if fact.submit else 0.0
