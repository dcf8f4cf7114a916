"""Which tag a job has now, and of which projects a split is; within the transaction of whoever asks."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from vispa_green.energy.projects import is_split, parts_of

SUBMITTED = "(t.submitted_us IS j.submitted_us OR t.submitted_us = j.latest_us)"
"""A tag names its job by the first submission; gsbatch and Slurm after a requeue know the last one."""


def last_tag(database: sqlite3.Connection, job: int, whole_id: str, shown_id: str) -> str | None:
    """Return the project that a job was last tagged with, itself or with the whole that it is a part of, if any."""
    row = database.execute(
        "SELECT t.project FROM job j JOIN project_tag t ON t.cluster_id = j.cluster_id"
        f" AND t.job_id IN (j.job_id, ?, ?) AND {SUBMITTED}"
        " WHERE j.id = ? ORDER BY t.tagged_us DESC, t.id DESC LIMIT 1",
        (whole_id, shown_id, job),
    ).fetchone()
    return row[0] or None if row else None


def know_parts(database: sqlite3.Connection, projects: Iterable[str]) -> None:
    """Note of which projects the splits among some texts are, within a transaction."""
    database.executemany(
        "INSERT INTO project_part (part, project) VALUES (?,?) ON CONFLICT DO NOTHING",
        [(part, text) for text in projects if is_split(text) for part, _ in parts_of(text)],
    )
