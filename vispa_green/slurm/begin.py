"""When jobs in Slurm's queue may begin, and the one thing of theirs that is ever changed: that time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from vispa_green.errors import TimeFormatError
from vispa_green.model import JobId, QueueEntry
from vispa_green.slurm.commands import SEPARATOR, run
from vispa_green.times.slurm_time import parse_duration

FIELDS = ("JobID", "JobArrayID", "UserName", "State", "Reason", "EligibleTime", "NumCPUs", "TimeLimit")
SQUEUE = ("squeue", "-h", "-a", "-r", "-t", "all", "-O", ",".join(f"{field}:{SEPARATOR}" for field in FIELDS))
"""Of all states, since a task that has ended says that its array was begun; task by task (``-r``), since else
squeue shows waiting tasks of one array as one, with the begin time of one of them."""


def entries(*, timeout_s: float) -> list[QueueEntry]:
    """Return what the queue holds, and what has left it lately; raise `SlurmError` where Slurm does not answer."""
    return parse(run(SQUEUE, timeout_s=timeout_s))


def set_begin(job_id: JobId, delay_s: int, *, timeout_s: float) -> None:
    """Have a pending job begin so many seconds from now; raise `SlurmError` with Slurm's reason if it refuses.

    That holds for all pending tasks of an array and all components of a het job. A job that has started
    meanwhile is refused and stays as it is. The time is relative, because the controller may live in
    another time zone.
    """
    when = f"now+{delay_s}" if delay_s > 0 else "now"
    run(["scontrol", "update", f"JobId={job_id}", f"StartTime={when}"], timeout_s=timeout_s)


def parse(text: str) -> list[QueueEntry]:
    """Read squeue's lines."""
    rows = (line.split(SEPARATOR) for line in text.splitlines())
    return [_entry(row) for row in rows if len(row) >= len(FIELDS) and row[6].isdigit()]


def _entry(row: list[str]) -> QueueEntry:
    job_id, display_id, user, state, reason, begin, cpus, limit = row[: len(FIELDS)]
    moment = datetime.fromtimestamp(int(begin), UTC) if begin.isdigit() and int(begin) else None
    return QueueEntry(job_id, display_id, user, state, reason, moment, int(cpus), _limit(limit))


def _limit(text: str) -> timedelta | None:
    try:
        return parse_duration(text)
    except TimeFormatError:
        return None
