"""The book of projects: which job was for which one, and what follows for the sums by project."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from vispa_green.ledgers._sqlite.codec import us, utc
from vispa_green.ledgers._sqlite.connection import Connection, row_id
from vispa_green.ledgers._sqlite.rollups import OwnerDays
from vispa_green.ledgers._sqlite.selecting import chosen
from vispa_green.ledgers._sqlite.tags import SUBMITTED, know_parts, last_tag
from vispa_green.model import ProjectTag, Selection

_OF_JOB = f"t.cluster_id = j.cluster_id AND t.job_id IN (j.job_id, j.whole_id, j.shown_id) AND {SUBMITTED}"
"""A tag of an array or a het job is one of each of its parts."""


class SqliteProjects:
    """A `ProjectBook` in a SQLite file."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def append(self, tags: Sequence[ProjectTag]) -> None:
        """Add tags, all or none; the sums by project follow."""
        with self._db.transaction() as database:
            for tag in sorted(tags, key=lambda tag: tag.tagged_at):
                _add(database, tag, self._db.zone())

    def tags(self, selection: Selection) -> list[ProjectTag]:
        """Return all tags of the selected jobs, the oldest first."""
        where, values = chosen(selection)
        rows = self._db.read(
            "SELECT DISTINCT t.id, c.name, t.job_id, t.submitted_us, t.project, t.tagged_by, t.tagged_us"
            f" FROM job j JOIN project_tag t ON {_OF_JOB} JOIN cluster c ON c.id = t.cluster_id"
            f" WHERE {where} ORDER BY t.tagged_us, t.id",
            values,
        )
        return [
            ProjectTag(cluster, job_id, None if at is None else utc(at), project, by, utc(tagged))
            for _, cluster, job_id, at, project, by, tagged in rows
        ]


def _add(database: sqlite3.Connection, tag: ProjectTag, zone: ZoneInfo) -> None:
    submitted_us = None if tag.submitted is None else us(tag.submitted)
    cluster_id = row_id(database, "cluster", tag.cluster)
    values = (cluster_id, tag.job_id, submitted_us, tag.project, tag.tagged_by, us(tag.tagged_at))
    names = ("cluster_id", "job_id", "submitted_us", "project", "tagged_by", "tagged_us")
    same = " AND ".join(f"{name} IS ?" for name in names)
    if database.execute(f"SELECT 1 FROM project_tag WHERE {same}", values).fetchone():
        return
    database.execute(f"INSERT INTO project_tag ({', '.join(names)}) VALUES (?,?,?,?,?,?)", values)
    know_parts(database, (tag.project,))
    days = OwnerDays(database, cluster_id, zone)
    jobs = database.execute(
        "SELECT j.id, j.whole_id, j.shown_id, j.owner, j.account, j.partition, j.project, j.told_project FROM job j"
        " WHERE j.cluster_id = ?1 AND ?2 IN (j.job_id, j.whole_id, j.shown_id)"
        " AND (j.job_id = ?3 OR (j.whole_id <> j.job_id AND j.whole_id = ?3) OR j.job_id = ?2)"
        " AND (j.submitted_us IS ?4 OR j.latest_us = ?4) AND j.same_as IS NULL",
        (cluster_id, tag.job_id, tag.job_id.partition("_")[0].partition("+")[0], submitted_us),
    ).fetchall()
    for job, whole_id, shown_id, owner, account, partition, project, told in jobs:
        own = last_tag(database, job, whole_id, shown_id)
        now = own or told
        days.move(job, (owner, account, partition, project), (owner, account, partition, now))
        database.execute("UPDATE job SET tag = ?, project = ? WHERE id = ?", (own, now, job))
    days.write(us(tag.tagged_at))
