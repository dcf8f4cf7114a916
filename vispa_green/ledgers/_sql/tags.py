"""Which tag a job has now, and of which projects a split is; within the transaction of whoever asks."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from vispa_green.energy.projects import is_split, parts_of
from vispa_green.ledgers._sql.database import Database
from vispa_green.ledgers._sql.dialect import Dialect


def of_job(words: Dialect) -> str:
    """Return the condition that a row of ``project_tag`` (alias ``t``) is about a job (alias ``j``).

    A tag of an array or a het job is one of each of its parts. It names its job by the first submission; gsbatch and
    Slurm after a requeue know the last one.
    """
    return (
        "t.cluster_id = j.cluster_id AND t.job_id IN (j.job_id, j.whole_id, j.shown_id)"
        f" AND ({words.same.format('t.submitted_us', 'j.submitted_us')} OR t.submitted_us = j.latest_us)"
    )


def last_tag(
    database: Database, cluster_id: int, numbers: Collection[str], submitted_us: int | None, latest_us: int | None
) -> str | None:
    """Return the project that a job was last tagged with, by any of its own and its whole's numbers, if any."""
    same = database.dialect.same.format("submitted_us", "?")
    row = database.execute(
        f"SELECT project FROM project_tag WHERE job_id IN ({','.join('?' * len(numbers))}) AND cluster_id = ?"
        f" AND ({same} OR submitted_us = ?) ORDER BY tagged_us DESC, id DESC LIMIT 1",
        (*numbers, cluster_id, submitted_us, latest_us),
    ).fetchone()
    return row[0] or None if row else None


def know_parts(database: Database, projects: Iterable[str]) -> None:
    """Note of which projects the splits among some texts are; the last thing that a transaction does."""
    parts = {(part, text) for text in projects if is_split(text) for part, _ in parts_of(text)}
    database.executemany(
        "INSERT INTO project_part (part, project) VALUES (?, ?) ON CONFLICT (part, project) DO NOTHING", sorted(parts)
    )
