"""Which row of the table ``job`` a number means. Slurm's numbers come again; a requeue changes the submission time.

A number and a submission name one job. A later submission of the same number is the same job if it comes
while that still ran or soon after: a requeue (slurm.conf(5), ``MinJobAge``: nothing is remembered longer).
Where the submission is not known, the agent saw the last job of that number that can have been there; if
there is none, it gets a row of its own, which becomes the right one when Slurm tells.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from vispa_green.ledgers._sql.database import Database
from vispa_green.ledgers._sql.tags import last_tag

Owner = tuple[str, str, str, str]
"""A user (or ``uid:N``), an account, a partition and a project: what sums by owner are kept for."""

REQUEUE_US = 3_600_000_000
"""How long after a job was last seen a new submission of its number is that of a requeue; long enough for Slurm
to notice that a node has died (slurm.conf(5), ``SlurmdTimeout``)."""
SLACK_US = 2_000_000
"""Slurm keeps whole seconds, agents keep µs."""
UNNAMED_US = 7 * 86_400_000_000
"""How long a job whose submission or end nobody knows may go unseen before its number means another."""


NEW_COLUMNS = (
    "id", "cluster_id", "job_id", "submitted_us", "latest_us", "whole_id", "shown_id", "owner", "uid", "first_us",
    "last_us", "tasks", "cpus_per_task", "project", "tag",
)  # fmt: skip


class Told(NamedTuple):
    """What Slurm has told of a job: anything at all, that it started, that it ended."""

    anything: bool = False
    start: bool = False
    end: bool = False


@dataclass(slots=True)
class JobRow:
    """A row of ``job``, as far as it decides who a job is and whose."""

    id: int
    submitted_us: int | None
    latest_us: int | None
    uid: int | None
    first_us: int
    last_us: int
    tasks: int | None
    cpus_per_task: int | None
    owner: Owner
    told: Told = Told()
    owner_before: Owner = field(init=False)
    """The owner under whom the sums of days have it."""

    def __post_init__(self) -> None:
        self.owner_before = self.owner


class Identities:
    """Finds or makes the rows of jobs within one transaction; what energy tells of them waits for `write`."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._known: dict[tuple[int, str], list[JobRow]] = {}
        self._tags: dict[tuple[int, str], dict[int | None, str]] = {}
        self._changed: dict[int, JobRow] = {}
        self._new: dict[int, tuple[int, str, JobRow]] = {}
        self._numbers: list[int] = []

    def learn(self, cluster_id: int, numbers: Collection[str]) -> None:
        """Read the rows of some numbers at once."""
        unknown = sorted(number for number in set(numbers) if (cluster_id, number) not in self._known)
        if not unknown:
            return
        self._known |= {(cluster_id, number): [] for number in unknown}
        found = self._db.execute(
            "SELECT job_id, state IS NOT NULL, start_us IS NOT NULL, end_us IS NOT NULL, id, submitted_us, latest_us,"
            " uid, first_us, last_us, tasks, cpus_per_task, owner, account, partition, project FROM job"
            f" WHERE job_id {self._db.dialect.texts} AND cluster_id = ? AND same_as IS NULL ORDER BY first_us, id",
            (json.dumps(unknown), cluster_id),
        )
        for number, *values in found:
            self._known[cluster_id, number].append(_row_of(values))

    def _learn_tags(self, cluster_id: int) -> None:
        """Read by which submissions the numbers that are known by now were tagged; only new rows ask for that."""
        unknown = sorted(number for cluster, number in self._known.keys() - self._tags if cluster == cluster_id)
        self._tags |= {(cluster_id, number): {} for number in unknown}
        tags = self._db.execute(
            f"SELECT job_id, submitted_us, project FROM project_tag WHERE job_id {self._db.dialect.texts}"
            " AND cluster_id = ? ORDER BY tagged_us, id",
            (json.dumps(unknown), cluster_id),
        )
        for number, submitted_us, project in tags:
            self._tags[cluster_id, number][submitted_us] = project

    def of_energy(self, cluster_id: int, job_id: str, submitted_us: int | None, uid: int | None,
                  start_us: int, end_us: int) -> JobRow:  # fmt: skip
        """Return the job of that number that was on a node in ``[start, end)``."""
        rows = self._rows(cluster_id, job_id)
        if submitted_us is None:
            row = present(rows, uid, start_us, end_us)
        else:
            row = self._named(rows, submitted_us, uid, end_us)
            if row is None and (seen := unnamed(rows, submitted_us, uid, end_us)):
                row = self._name(seen[0], submitted_us)
                self._tag(cluster_id, job_id, row)
        if row is None:
            owner = "" if uid is None else f"uid:{uid}"
            return self._make(cluster_id, job_id, submitted_us, owner, uid, start_us, end_us)
        if not _agrees(row, uid) and uid is not None:
            self._distrust(row, uid)
            self._tag(cluster_id, job_id, row)
        elif submitted_us is not None and submitted_us > (row.latest_us or submitted_us):
            row.latest_us = submitted_us  # a requeue: what is told of it has to be of this job's user, too
            self._change(row)
            self._tag(cluster_id, job_id, row)
        if start_us < row.first_us or end_us > row.last_us or (row.uid is None and uid is not None):
            self._widen(row, start_us, end_us, uid)
        return row

    def is_new(self, job: int) -> bool:
        """Say whether a row is one that `write_new` has not written yet."""
        return job in self._new

    def write_new(self) -> None:
        """Write the rows that were made, all at once."""
        rows = [
            (row.id, cluster_id, job_id, row.submitted_us, row.latest_us, job_id, job_id, row.owner[0], row.uid,
             row.first_us, row.last_us, row.tasks, row.cpus_per_task, row.owner[3], row.owner[3] or None)
            for cluster_id, job_id, row in self._new.values()
        ]  # fmt: skip
        for _, _, row in self._new.values():
            row.owner_before = row.owner
        self._new.clear()
        self._db.insert("job", NEW_COLUMNS, rows)

    def write(self) -> list[JobRow]:
        """Write what energy told of known jobs; return those rows."""
        changed = list(self._changed.values())
        columns = "first_us = ?, last_us = ?, latest_us = ?, uid = ?, owner = ?, tasks = ?, cpus_per_task = ?"
        self._db.executemany(
            f"UPDATE job SET {columns} WHERE id = ?",
            [
                (
                    one.first_us,
                    one.last_us,
                    one.latest_us,
                    one.uid,
                    one.owner[0],
                    one.tasks,
                    one.cpus_per_task,
                    one.id,
                )
                for one in sorted(changed, key=lambda one: one.id)
            ],
        )
        self._changed.clear()
        return changed

    def asked_as(self, row: JobRow, tasks: int, cpus_per_task: int | None) -> None:
        """Note how a job was asked for, if nothing tells it yet."""
        if row.tasks is None:
            row.tasks, row.cpus_per_task = tasks, cpus_per_task
            self._change(row)

    def of_fact(self, cluster_id: int, job_id: str, submitted_us: int | None, user: str, uid: int | None,
                first_us: int, last_us: int) -> tuple[JobRow, list[JobRow]]:  # fmt: skip
        """Return the job that a fact is about, and rows that turn out to be the same job."""
        rows = self._rows(cluster_id, job_id)
        row = None if submitted_us is None else self._named(rows, submitted_us, uid, last_us)
        same = [
            r for r in unnamed(rows, first_us if submitted_us is None else submitted_us, uid, last_us) if r is not row
        ]
        if row is None and same:
            row = self._name(same.pop(0), submitted_us)
        if row is None:
            row = self._make(cluster_id, job_id, submitted_us, user, uid, first_us, last_us)
            self.write_new()
        return row, same

    def merged(self, cluster_id: int, job_id: str, row: JobRow, others: list[JobRow]) -> None:
        """Note that some rows of a number turned out to be another; they are not found by it any more."""
        gone = {other.id for other in others}
        self._known[cluster_id, job_id] = [r for r in self._rows(cluster_id, job_id) if r.id not in gone]
        self._db.executemany(
            "UPDATE job SET same_as = ? WHERE id = ? OR same_as = ?", [(row.id, other, other) for other in gone]
        )

    def _rows(self, cluster_id: int, job_id: str) -> list[JobRow]:
        key = cluster_id, job_id
        if key not in self._known:
            self.learn(cluster_id, [job_id])
        return self._known[key]

    def _make(self, cluster_id: int, job_id: str, submitted_us: int | None, owner: str, uid: int | None,
              first_us: int, last_us: int) -> JobRow:  # fmt: skip
        rows = self._rows(cluster_id, job_id)
        if not self._numbers:
            self.write_new()
            self._numbers = [*self._db.numbers("job", max(1, sum(not known for known in self._known.values())))]
        if (cluster_id, job_id) not in self._tags:
            self._learn_tags(cluster_id)
        owners = owner, "", "", self._tags[cluster_id, job_id].get(submitted_us, "")
        number = self._numbers.pop(0)
        row = JobRow(number, submitted_us, submitted_us, uid, first_us, last_us, None, None, owners)
        self._new[number] = cluster_id, job_id, row
        rows.append(row)
        return row

    def _named(self, rows: list[JobRow], submitted_us: int, uid: int | None, until_us: int) -> JobRow | None:
        row = named(rows, submitted_us, uid, until_us)
        if row is not None and row.submitted_us is not None and submitted_us < row.submitted_us:
            row.submitted_us = submitted_us  # told only now: what was known was a requeue
            self.write_new()
            self._db.execute("UPDATE job SET submitted_us = ? WHERE id = ?", (submitted_us, row.id))
        return row

    def _name(self, row: JobRow, submitted_us: int | None) -> JobRow:
        row.submitted_us = row.latest_us = submitted_us
        self.write_new()
        self._db.execute(
            "UPDATE job SET submitted_us = ?, latest_us = ? WHERE id = ?", (submitted_us, submitted_us, row.id)
        )
        return row

    def _tag(self, cluster_id: int, job_id: str, row: JobRow) -> None:
        """Let a tag count that came before the job itself was known by its submission."""
        self.write_new()
        whole, shown = self._db.execute("SELECT whole_id, shown_id FROM job WHERE id = ?", (row.id,)).fetchone()
        tag = last_tag(self._db, cluster_id, (job_id, whole, shown), row.submitted_us, row.latest_us)
        if tag is not None:
            row.owner = (*row.owner[:3], tag)
            self._db.execute("UPDATE job SET tag = ?, project = ? WHERE id = ?", (tag, tag, row.id))
            self._changed[row.id] = row

    def _distrust(self, row: JobRow, uid: int) -> None:
        """Forget what Slurm told of a job before any agent saw it: its processes are another user's."""
        if self._db.execute("SELECT 1 FROM job_stay WHERE job = ?", (row.id,)).fetchone():
            return
        row.uid, row.owner, row.told = uid, (f"uid:{uid}", "", "", ""), Told()
        self.write_new()
        self._db.execute(
            "UPDATE job SET state = NULL, account = '', partition = '', project = '', told_project = '', tag = NULL,"
            " wckey = '', uid = ?, owner = ?, whole_id = job_id, shown_id = job_id WHERE id = ?",
            (uid, row.owner[0], row.id),
        )

    def _widen(self, row: JobRow, start_us: int, end_us: int, uid: int | None) -> None:
        row.first_us, row.last_us = min(row.first_us, start_us), max(row.last_us, end_us)
        row.uid = uid if row.uid is None else row.uid
        if not row.owner[0] and row.uid is not None:
            row.owner = (f"uid:{row.uid}", *row.owner[1:])
        self._change(row)

    def _change(self, row: JobRow) -> None:
        if row.id not in self._new:
            self._changed[row.id] = row


def _row_of(values: Sequence[Any]) -> JobRow:
    is_told, has_started, has_ended, number, submitted, latest, uid, first, last, tasks, each, *owner = values
    told = Told(bool(is_told), bool(has_started), bool(has_ended))
    user, account, partition, project = owner
    return JobRow(number, submitted, latest, uid, first, last, tasks, each, (user, account, partition, project), told)


def named(rows: list[JobRow], submitted_us: int, uid: int | None, until_us: int) -> JobRow | None:
    """Return the row of a submission: its own, or that of the job whose requeue it is, or that was requeued later.

    ``until_us`` is when what is told of it ended.
    """
    for row in rows:
        if submitted_us in {row.submitted_us, row.latest_us}:
            return row
    before = [r for r in rows if r.submitted_us is not None and r.submitted_us < submitted_us and _agrees(r, uid)]
    last = max(before, key=lambda r: r.submitted_us or 0, default=None)
    if last is not None and submitted_us <= last.last_us + _silence_us(last):
        return last
    return requeued(rows, submitted_us, uid, until_us)


def requeued(rows: list[JobRow], since_us: int, uid: int | None, until_us: int) -> JobRow | None:
    """Return the row whose submission is the requeue of what was there until a time."""
    after = [
        row
        for row in rows
        if row.submitted_us is not None and since_us < row.submitted_us <= until_us + REQUEUE_US and _agrees(row, uid)
    ]
    return min(after, key=lambda row: row.submitted_us or 0, default=None)


def unnamed(rows: list[JobRow], submitted_us: int, uid: int | None, until_us: int) -> list[JobRow]:
    """Return the rows without a submission that are of a job submitted then and seen until a time.

    Before a requeue it had another submission, so one that was there just before counts, too.
    """
    return [
        row
        for row in rows
        if row.submitted_us is None
        and _agrees(row, uid)
        and submitted_us <= row.last_us + REQUEUE_US
        and row.first_us <= until_us + SLACK_US
    ]


def present(rows: list[JobRow], uid: int | None, start_us: int, end_us: int) -> JobRow | None:
    """Return the last job of a number that can have been on a node in a span, also before a requeue."""
    able = [row for row in rows if _agrees(row, uid) and _was_about(row, start_us, end_us)]
    last = max(able, key=lambda r: r.submitted_us or r.first_us, default=None)
    return last if last is not None else requeued(rows, start_us, uid, end_us)


def _was_about(row: JobRow, start_us: int, end_us: int) -> bool:
    silence = _silence_us(row)
    is_submitted = row.submitted_us is None or row.submitted_us <= end_us + SLACK_US
    return is_submitted and row.first_us - silence <= end_us and start_us <= row.last_us + silence


def _silence_us(row: JobRow) -> int:
    is_open = row.told.anything and not row.told.end
    return UNNAMED_US if is_open or row.submitted_us is None else REQUEUE_US


def _agrees(row: JobRow, uid: int | None) -> bool:
    return uid is None or row.uid is None or row.uid == uid
