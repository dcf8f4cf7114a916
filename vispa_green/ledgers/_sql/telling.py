"""Adds what the batch system said of jobs, with what follows for who they are and whose, within one transaction."""

from __future__ import annotations

from collections.abc import Collection
from zoneinfo import ZoneInfo

from vispa_green.ledgers._sql.codec import OWN_FACT_COLUMNS, fact_text, own_fact_values, us
from vispa_green.ledgers._sql.connection import row_id
from vispa_green.ledgers._sql.database import Database
from vispa_green.ledgers._sql.identity import Identities, JobRow, Told
from vispa_green.ledgers._sql.rollups import OwnerDays, merge_jobs
from vispa_green.ledgers._sql.tags import know_parts, last_tag
from vispa_green.model import JobFact

_OWN_COLUMNS = ", ".join(f"{column} = ?" for column in OWN_FACT_COLUMNS)


class FactWriter:
    """Adds facts of one cluster within one transaction."""

    def __init__(self, database: Database, cluster: str, zone: ZoneInfo) -> None:
        self._db = database
        self._cluster_id = row_id(database, "cluster", cluster)
        self._identities, self._days = Identities(database), OwnerDays(database, self._cluster_id, zone)
        self._recorded_us, self._projects = 0, set[str]()

    def take(self, numbers: Collection[str]) -> None:
        """Let nobody else tell of the jobs of these numbers before the transaction ends."""
        self._db.hold_jobs(self._cluster_id, numbers)
        self._identities.learn(self._cluster_id, numbers)

    def add(self, fact: JobFact, recorded_us: int) -> str:
        """Add a fact; return why it is not believed, or an empty string."""
        self._recorded_us = recorded_us
        submitted_us = None if fact.submit is None else us(fact.submit)
        first_us, last_us = _span(fact, recorded_us)
        row, same = self._identities.of_fact(
            self._cluster_id, fact.job_id, submitted_us, fact.user, fact.uid, first_us, last_us
        )
        if row.uid is not None and fact.uid is not None and row.uid != fact.uid:
            return (
                f"job {fact.job_id}: Slurm says it is {fact.user}'s (uid {fact.uid}), its processes were those of"
                f" uid {row.uid}; that is not believed"
            )
        if row.told.anything and not same and (submitted_us or 0) < (row.latest_us or 0):
            return ""  # of a run before the last one that was told of: nothing new
        tag = self._tag_of(fact, row)
        owner = (fact.user or row.owner[0], fact.account, fact.partition, tag or fact.project)
        for taken in (row, *same):
            self._days.move(taken.id, taken.owner, owner)
        for other in same:
            self._days.merged(row.id, other.id)
            merge_jobs(self._db, row.id, other.id)
        if same:
            self._identities.merged(self._cluster_id, fact.job_id, row, same)
        row.uid = next((r.uid for r in (row, *same) if r.uid is not None), fact.uid)
        row.owner = row.owner_before = owner
        self._write(row, fact, first_us, last_us, recorded_us, tag)
        return ""

    def finish(self) -> None:
        """Write the sums by owner and day, and of which projects the splits are."""
        self._days.write(self._recorded_us)
        know_parts(self._db, self._projects)
        self._projects.clear()

    def _tag_of(self, fact: JobFact, row: JobRow) -> str | None:
        latest_us = row.latest_us if fact.submit is None else us(fact.submit)
        numbers = fact.job_id, _whole_of(fact), fact.display_id
        return last_tag(self._db, self._cluster_id, numbers, row.submitted_us, latest_us)

    def _write(
        self, row: JobRow, fact: JobFact, first_us: int, last_us: int, recorded_us: int, tag: str | None
    ) -> None:
        seen = self._db.execute("SELECT min(start_us), max(end_us) FROM job_stay WHERE job = ?", (row.id,)).fetchone()
        if row.told.start:  # Slurm tells of the last run only, if it was requeued
            first_us = min(first_us, row.first_us)
        row.first_us = first_us if seen[0] is None else min(first_us, seen[0])
        row.last_us = last_us if seen[1] is None else max(last_us, seen[1])
        row.latest_us = row.latest_us if fact.submit is None else us(fact.submit)
        row.told = Told(True, row.told.start or fact.start is not None, fact.end is not None)
        self._db.execute(
            "UPDATE job SET latest_us = ?, whole_id = ?, shown_id = ?, owner = ?, account = ?, partition = ?,"
            f" project = ?, told_project = ?, tag = ?, uid = ?, first_us = ?, last_us = ?, {_OWN_COLUMNS}"
            " WHERE id = ?",
            (row.latest_us, _whole_of(fact), fact.display_id, *row.owner, fact.project, tag, row.uid, row.first_us,
             row.last_us, *own_fact_values(fact), row.id),
        )  # fmt: skip
        self._projects.add(fact.project)
        self._db.execute(
            "INSERT INTO job_fact (job, recorded_us, fact) VALUES (?,?,?)", (row.id, recorded_us, fact_text(fact))
        )


def _span(fact: JobFact, recorded_us: int) -> tuple[int, int]:
    """Return the span in which a job ran; both ends are its submission while it waits."""
    waits_us = us(fact.submit) if fact.submit else recorded_us
    if fact.start is None:
        return waits_us, waits_us
    return us(fact.start), us(fact.end) if fact.end else max(us(fact.start), recorded_us)


def _whole_of(fact: JobFact) -> str:
    return fact.display_id.partition("_")[0].partition("+")[0] or fact.job_id
