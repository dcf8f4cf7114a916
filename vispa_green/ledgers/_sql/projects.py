"""The book of projects: which job was for which one, and what follows for the sums by project."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from vispa_green.ledgers._sql.codec import us, utc
from vispa_green.ledgers._sql.connection import Connection, row_id
from vispa_green.ledgers._sql.database import Database
from vispa_green.ledgers._sql.rollups import OwnerDays
from vispa_green.ledgers._sql.selecting import chosen
from vispa_green.ledgers._sql.tags import know_parts, last_tag, of_job
from vispa_green.model import ProjectTag, Selection


class SqlProjects:
    """A `ProjectBook` in a database."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def append(self, tags: Sequence[ProjectTag]) -> None:
        """Add tags, all or none; the sums by project follow."""
        by_cluster: defaultdict[str, list[ProjectTag]] = defaultdict(list)
        for tag in sorted(tags, key=lambda tag: tag.tagged_at):
            by_cluster[tag.cluster].append(tag)
        with self._db.transaction() as database:
            ids = sorted((row_id(database, "cluster", name), name) for name in sorted(by_cluster))
            for cluster_id, _ in ids:
                database.hold_cluster(cluster_id)  # of an array a task may start now that nobody knows of
            zone = self._db.zone()
            for cluster_id, name in ids:
                _Tagging(database, cluster_id, zone).add(by_cluster[name])
            know_parts(database, (tag.project for tag in tags))

    def tags(self, selection: Selection) -> list[ProjectTag]:
        """Return all tags of the selected jobs, the oldest first."""
        words = self._db.dialect
        where, values = chosen(words, selection)
        rows = self._db.read(
            "SELECT DISTINCT t.id, c.name, t.job_id, t.submitted_us, t.project, t.tagged_by, t.tagged_us"
            f" FROM job j JOIN project_tag t ON {of_job(words)} JOIN cluster c ON c.id = t.cluster_id"
            f" WHERE {where} ORDER BY t.tagged_us, t.id",
            values,
        )
        return [
            ProjectTag(cluster, job_id, None if at is None else utc(at), project, by, utc(tagged))
            for _, cluster, job_id, at, project, by, tagged in rows
        ]


class _Tagging:
    """Adds tags of one cluster within one transaction."""

    def __init__(self, database: Database, cluster_id: int, zone: ZoneInfo) -> None:
        self._db, self._cluster_id = database, cluster_id
        self._days = OwnerDays(database, cluster_id, zone)

    def add(self, tags: Sequence[ProjectTag]) -> None:
        """Add tags in the order of their times."""
        for tag in tags:
            if self._insert(tag):
                self._count(tag)
        self._days.write(us(tags[-1].tagged_at))

    def _insert(self, tag: ProjectTag) -> bool:
        """Add a row, unless it is there; return whether it was not."""
        submitted_us = None if tag.submitted is None else us(tag.submitted)
        values = (self._cluster_id, tag.job_id, submitted_us, tag.project, tag.tagged_by, us(tag.tagged_at))
        names = ("cluster_id", "job_id", "submitted_us", "project", "tagged_by", "tagged_us")
        same = " AND ".join(self._db.dialect.same.format(name, "?") for name in names)
        query = f"SELECT 1 FROM project_tag WHERE job_id = ? AND {same}"
        if self._db.execute(query, (tag.job_id, *values)).fetchone():
            return False
        self._db.execute(f"INSERT INTO project_tag ({', '.join(names)}) VALUES (?,?,?,?,?,?)", values)
        return True

    def _count(self, tag: ProjectTag) -> None:
        """Let the last tag count for each job that a new one is about."""
        whole = tag.job_id.partition("_")[0].partition("+")[0]
        submitted_us = None if tag.submitted is None else us(tag.submitted)
        rows = self._db.execute(
            "SELECT id, job_id, whole_id, shown_id, submitted_us, latest_us, owner, account, partition, project,"
            " told_project FROM job WHERE cluster_id = ? AND ? IN (job_id, whole_id, shown_id)"
            " AND (job_id = ? OR (whole_id <> job_id AND whole_id = ?) OR job_id = ?)"
            f" AND ({self._db.dialect.same.format('submitted_us', '?')} OR latest_us = ?) AND same_as IS NULL",
            (self._cluster_id, tag.job_id, whole, whole, tag.job_id, submitted_us, submitted_us),
        ).fetchall()
        for job, number, whole_id, shown_id, submitted, latest, *owner, project, told in rows:
            own = last_tag(self._db, self._cluster_id, (number, whole_id, shown_id), submitted, latest)
            now = own or told
            user, account, partition = owner
            self._days.move(job, (user, account, partition, project), (user, account, partition, now))
            self._db.execute("UPDATE job SET tag = ?, project = ? WHERE id = ?", (own, now, job))
