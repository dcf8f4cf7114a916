"""The one reader of ``squeue``: jobs that wait and run, and those that ended a moment ago."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta

from vispa_green.errors import SlurmError
from vispa_green.model import Answer, JobFact, QueueEntry
from vispa_green.slurm.commands import run
from vispa_green.slurm.hostlist import expand
from vispa_green.slurm.records import (
    Fault,
    Record,
    count,
    damaged,
    duration,
    matching,
    moment,
    new_token,
    number,
    read_each,
    text_of,
    told,
)

FIELDS = (
    "JobID", "JobArrayID", "UserName", "UserID", "Account", "Partition", "QOS", "State", "Reason", "SubmitTime",
    "EligibleTime", "TimeLimit", "TimeUsed", "NumCPUs", "NumTasks", "cpus-per-task", "NodeList", "WCKey", "Name",
    "Comment", "JobID",
)  # fmt: skip
ALL_STATES = ("all",)
"""Also of jobs that ended a moment ago: a task that has ended says that its array was begun."""

DISPLAY_ID = re.compile(r"[0-9]{1,10}(?:[_+][0-9\[\]%,.:-]+)?")
STATE = re.compile(r"[A-Z_]{1,40}")

_NOTHING = timedelta(0)


def entries(
    states: Sequence[str] = ALL_STATES,
    *,
    users: Sequence[str] = (),
    accounts: Sequence[str] = (),
    each_task: bool = False,
    timeout_s: float,
) -> Answer[list[QueueEntry]]:
    """Return what the queue holds, those first that Slurm would start first.

    Waiting tasks of an array are one entry, with the begin time of one of them; ``each_task`` makes it one a
    task. Raises `SlurmError` where Slurm does not answer.
    """
    token = new_token()
    command = squeue_command(states, users=users, accounts=accounts, each_task=each_task)
    return parse_squeue(run(command, timeout_s=timeout_s, variables=squeue_variables(token)), token)


def squeue_command(
    states: Sequence[str], *, users: Sequence[str] = (), accounts: Sequence[str] = (), each_task: bool = False
) -> list[str]:
    """Return the ``squeue`` call; job ids are not passed, since one unknown id fails it."""
    command = ["squeue", "-h", "-a", "-S", "-p", "-t", ",".join(states), *(["-r"] if each_task else [])]
    command += [f"--user={','.join(users)}"] if users else []
    return [*command, f"--account={','.join(accounts)}"] if accounts else command


def squeue_variables(token: str) -> dict[str, str]:
    """Return what tells squeue its fields: in a variable, since a command line shows the separator to all."""
    return {"SQUEUE_FORMAT2": ",".join(f"{field}:{token}" for field in FIELDS)}


def parse_squeue(text: str, token: str) -> Answer[list[QueueEntry]]:
    """Read what `squeue_command` prints."""
    found = list(read_each(text, "squeue", FIELDS, token, _entry))
    faults = [one.sentence for one in found if isinstance(one, Fault)]
    return Answer([one for one in found if isinstance(one, QueueEntry)], told(faults, "squeue"))


def waiting_fact(entry: QueueEntry) -> JobFact:
    """Return what is known of a job that waits; the start that Slurm expects for it is no fact and left out."""
    return JobFact(
        job_id=entry.job_id,
        display_id=entry.display_id,
        user=entry.user,
        account=entry.account,
        partition=entry.partition,
        name=entry.name,
        state=entry.state,
        nodes=(),
        submit=entry.submit,
        eligible=entry.begin,
        start=None,
        end=None,
        time_limit=entry.time_limit,
        cpus=entry.cpus,
        comment=entry.comment,
        uid=entry.uid,
        qos=entry.qos,
        wckey=entry.wckey,
    )


def _entry(record: Record) -> QueueEntry:
    cpus = count(record, "NumCPUs")
    if cpus is None:
        raise damaged(record, "NumCPUs")
    if "." in record["JobID"]:
        raise SlurmError("it is a step, not a job")
    return QueueEntry(
        job_id=record["JobID"],
        display_id=matching(record, "JobArrayID", DISPLAY_ID),
        user=record["UserName"],
        state=matching(record, "State", STATE),
        reason=record["Reason"],
        begin=moment(record, "EligibleTime"),
        cpus=cpus,
        time_limit=duration(record, "TimeLimit"),
        used=duration(record, "TimeUsed") or _NOTHING,
        uid=number(record, "UserID"),
        account=text_of(record, "Account"),
        partition=record["Partition"],
        qos=text_of(record, "QOS"),
        wckey=text_of(record, "WCKey").removeprefix("*"),
        name=record["Name"],
        comment=text_of(record, "Comment"),
        submit=moment(record, "SubmitTime"),
        nodes=expand(record["NodeList"]),
        tasks=count(record, "NumTasks"),
        cpus_per_task=count(record, "cpus-per-task"),
    )
