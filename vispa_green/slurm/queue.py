"""The machine ahead as Slurm shows it: what runs, waits and is held, as a `QueueOutlook` for policies.

Counted in CPUs of the whole cluster, whichever partition they are in: good enough to tell a full machine
from an empty one, which is what a green policy needs to know.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from vispa_green.errors import TimeFormatError
from vispa_green.green.outlook import Claim, QueueOutlook, outlook
from vispa_green.slurm.commands import run
from vispa_green.times.slurm_time import parse_duration

SQUEUE = (
    "squeue", "-h", "-a", "-t", "PENDING,RUNNING", "-S", "-p",
    "-O", "JobID:|,NumCPUs:|,State:|,TimeLimit:|,TimeUsed:|,StartTime:|,Reason:|",
)  # fmt: skip
SINFO = ("sinfo", "-h", "-N", "-o", "%N|%C")
ENDLESS = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class QueuedJob:
    """One pending or running job, with what its place in the plan depends on."""

    job_id: str
    cpus: int
    is_running: bool
    limit: timedelta
    used: timedelta
    begin: datetime | None
    """The time before which it will not start, for a job that waits for one."""


def machine_ahead(at: datetime, *, timeout_s: float) -> QueueOutlook:
    """Ask Slurm for its queue and CPUs; raise `SlurmError` where it does not answer."""
    return lay_out(at, *machine_now(timeout_s=timeout_s))


def machine_now(*, timeout_s: float) -> tuple[int, list[QueuedJob]]:
    """Return Slurm's CPUs and jobs, for who lays them out more than once; raise `SlurmError` as above."""
    cpus = parse_sinfo(run(SINFO, timeout_s=timeout_s))
    return cpus, parse_squeue(run(SQUEUE, timeout_s=timeout_s))


def lay_out(at: datetime, cpus: int, jobs: Iterable[QueuedJob]) -> QueueOutlook:
    """Return the outlook; ``jobs`` in the order in which Slurm would start them."""
    running, waiting, held = list[Claim](), list[Claim](), list[Claim]()
    for job in jobs:
        limit_s = round(job.limit.total_seconds())
        if job.is_running:
            running.append(Claim.of_limit(job.cpus, limit_s, ran_s=round(job.used.total_seconds())))
        elif job.begin is not None and job.begin > at:
            held.append(Claim.of_limit(job.cpus, limit_s, start_s=round((job.begin - at).total_seconds())))
        else:
            waiting.append(Claim.of_limit(job.cpus, limit_s))
    return outlook(at, cpus, running, waiting, held)


def parse_squeue(text: str) -> list[QueuedJob]:
    """Read squeue's lines; jobs held by a user, an admin or a dependency are in nobody's way yet and left out."""
    return [_job(row) for row in _rows(text) if row[2] == "RUNNING" or row[6] not in _NOT_YET]


def parse_sinfo(text: str) -> int:
    """Return the CPUs of all nodes that work; ``%C`` is allocated/idle/other/total, other being out of order."""
    nodes = dict(line.split("|") for line in text.splitlines() if "|" in line)  # one line a partition, same figures
    counts = (tuple(int(part) for part in figures.split("/")) for figures in nodes.values())
    return sum(allocated + idle for allocated, idle, _, _ in counts)


_NOT_YET = frozenset({"JobHeldUser", "JobHeldAdmin", "Dependency", "DependencyNeverSatisfied"})


def _rows(text: str) -> Iterator[list[str]]:
    for line in text.splitlines():
        row = [field.strip() for field in line.split("|")]
        if len(row) >= 7 and row[1].isdigit():
            yield row


def _job(row: list[str]) -> QueuedJob:
    job_id, cpus, state, limit, used, start, reason = row[:7]
    waits_for_begin = reason == "BeginTime" and start.isdigit()
    return QueuedJob(
        job_id,
        int(cpus),
        state == "RUNNING",
        _duration(limit),
        timedelta(0) if state != "RUNNING" else _duration(used),
        datetime.fromtimestamp(int(start), UTC) if waits_for_begin else None,
    )


def _duration(text: str) -> timedelta:
    try:
        found = parse_duration(text)
    except TimeFormatError:
        return ENDLESS
    return ENDLESS if found is None else min(found, ENDLESS)
