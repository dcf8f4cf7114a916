"""The queue from what slurmrestd tells of the controller (``/slurm/…/jobs``). Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from vispa_green.clusters._rest.display import number_of, shown_id, waiting_tasks
from vispa_green.clusters._rest.facts import minutes, read_each
from vispa_green.clusters._rest.shapes import Json, inside, moment, refused, rows, state, text, whole
from vispa_green.model import Answer, QueueEntry
from vispa_green.slurm.hostlist import expand
from vispa_green.slurm.records import MOST
from vispa_green.times.slurm_time import LONGEST

LATEST_END_S = 2 * MOST
"""A time limit without an end is added to a start, too."""
AHEAD_S = 60
"""So far the controller's clock may be before ours."""
_NOTHING = timedelta(0)


def entries(
    answer: Json, states: frozenset[str], at: datetime, source: str = "slurmrestd"
) -> Answer[list[QueueEntry]]:
    """Return the entries in some states, in the order of ``squeue -S -p``; records of another shape are told of."""

    def read(record: Json) -> tuple[int, QueueEntry] | None:
        shown = state(record, "job_state")
        return (whole(record, "priority") or 0, _entry_of(record, shown, at)) if shown in states else None

    found, faults = read_each(rows(answer, "jobs"), read, source)
    ranked = sorted((one for one in found if one is not None), key=lambda one: -one[0])
    return Answer([entry for _, entry in ranked], faults)


def _entry_of(record: Json, shown: str, at: datetime) -> QueueEntry:
    job_id, cpus = number_of(record), whole(record, "cpus")
    if cpus is None:
        raise refused(("cpus",), inside(record, "cpus"))
    task, waiting = whole(record, "array_task_id"), waiting_tasks(record, "array_task_string")
    het = (whole(record, "het_job_id"), whole(record, "het_job_offset"))
    array_id, at_once = whole(record, "array_job_id"), whole(record, "array_max_tasks")
    return QueueEntry(
        job_id=str(job_id),
        display_id=shown_id(job_id, array_id, task, waiting, at_once, het),
        user=text(record, "user_name"),
        state=shown,
        reason=text(record, "state_reason"),
        begin=moment(record, "eligible_time"),
        cpus=cpus,
        time_limit=minutes(record, "time_limit"),
        used=_used(record, shown, at),
        uid=whole(record, "user_id"),
        account=text(record, "account"),
        partition=text(record, "partition"),
        qos=text(record, "qos"),
        wckey=text(record, "wckey").removeprefix("*"),
        name=text(record, "name"),
        comment=text(record, "comment"),
        submit=moment(record, "submit_time"),
        nodes=expand(text(record, "nodes")),
        tasks=whole(record, "tasks") or None,
        cpus_per_task=whole(record, "cpus_per_task"),
    )


def _used(record: Json, shown: str, at: datetime) -> timedelta:
    """Return how long a job has run, as ``squeue`` counts it: without the time it was suspended."""
    start, suspended = moment(record, "start_time"), moment(record, "suspend_time")
    before = timedelta(seconds=whole(record, "pre_sus_time") or 0)
    if shown == "PENDING" or start is None or start > at:
        return _NOTHING
    if shown == "SUSPENDED":
        return before
    end_s = whole(record, "end_time", most=LATEST_END_S)
    if shown == "RUNNING" or not end_s:
        end = at
    elif end_s > at.timestamp() + AHEAD_S:  # it is cleaned up to run again: this end is the next run's
        return _NOTHING
    else:
        end = datetime.fromtimestamp(end_s, UTC)
    return min(max(end - (suspended or start), _NOTHING) + (before if suspended else _NOTHING), LONGEST)
