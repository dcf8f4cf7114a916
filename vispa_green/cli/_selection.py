"""Which jobs are meant: the options that ``sacct`` users know, to a `JobChoice`."""

from __future__ import annotations

import os
import re
from datetime import datetime, time, tzinfo

from vispa_green.answers.jobs import JobChoice
from vispa_green.errors import UsageError
from vispa_green.host import user_name
from vispa_green.slurm.hostlist import expand
from vispa_green.times.past import past_time

STATES = {
    "BF": "BOOT_FAIL", "CA": "CANCELLED", "CD": "COMPLETED", "CG": "COMPLETING", "DL": "DEADLINE", "F": "FAILED",
    "NF": "NODE_FAIL", "OOM": "OUT_OF_MEMORY", "PD": "PENDING", "PR": "PREEMPTED", "R": "RUNNING", "RQ": "REQUEUED",
    "S": "SUSPENDED", "TO": "TIMEOUT",
}  # fmt: skip
"""sacct(1), job state codes."""

_JOB_ID = re.compile(r"(?:\d+(?:[_+]\d+)?|run-[\w.-]+)$")


def choose(
    *,
    jobs: str,
    users: str,
    accounts: str,
    partitions: str = "",
    states: str = "",
    nodes: str = "",
    names: str = "",
    projects: str = "",
    start: str | None,
    end: str | None,
    all_users: bool,
    truncate: bool = False,
    as_of: str | None = None,
    since_today: bool = True,
    now: datetime,
    zone: tzinfo,
) -> JobChoice:
    """Return the choice, with ``sacct``'s defaults: my jobs of today; with ``jobs``, those, of any time."""
    job_ids = tuple(job_id(text) for text in _listed(jobs))
    owners = tuple(user_name(int(text)) if text.isdecimal() else text for text in _listed(users))
    if not owners and not all_users and not job_ids:
        owners = (user_name(os.getuid()),)
    is_open = bool(job_ids) or not since_today
    begin = None if start is None and is_open else _today(now, zone) if start is None else past_time(start, now, zone)
    until = None if end is None else past_time(end, now, zone)
    if begin is not None and until is not None and until <= begin:
        raise UsageError(f"--endtime {end} is not after --starttime {start or 'today'}")
    return JobChoice(
        job_ids,
        () if all_users else owners,
        tuple(_listed(accounts)),
        tuple(_listed(partitions)),
        tuple(item.strip() for item in projects.split(",") if item.strip()),
        start=begin,
        end=until,
        truncate=truncate,
        states=tuple(map(_state, _listed(states))),
        nodes=expand(nodes),
        names=tuple(_listed(names)),
        as_of=None if as_of is None else past_time(as_of, now, zone),
    )


def job_id(text: str) -> str:
    """Return the job that ``12``, ``12_3``, ``12+1`` or ``12.batch`` names; energy is accounted for whole jobs."""
    plain = text if text.startswith("run-") else text.partition(".")[0]
    if not _JOB_ID.match(plain):
        raise UsageError(f"{text!r} is no job id; write them like 12, 12_3 or 12,13")
    return plain


def _state(text: str) -> str:
    """Return the state that ``sacct`` means by a word or its short form; raise `UsageError` for no state."""
    word = text.upper()
    if word in STATES.values():
        return word
    if word not in STATES:
        known = ", ".join(f"{short} ({state})" for short, state in STATES.items())
        raise UsageError(f"there is no state {text!r}; there are {known}")
    return STATES[word]


def _today(now: datetime, zone: tzinfo) -> datetime:
    return datetime.combine(now.astimezone(zone).date(), time(), zone)


def _listed(text: str) -> list[str]:
    return [item for item in text.replace(" ", "").split(",") if item]
