"""The machine ahead as Slurm shows it: what runs, waits and is held, as a `QueueOutlook` for policies.

Counted in CPUs of the whole cluster, whichever partition they are in: good enough to tell a full machine
from an empty one, which is what a green policy needs to know.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta

from vispa_green.model import Answer, JobId, QueueEntry
from vispa_green.numbers import whole_number
from vispa_green.shifting.outlook import CpuClaim, QueueOutlook, outlook
from vispa_green.slurm.commands import run
from vispa_green.slurm.records import told
from vispa_green.slurm.squeue import entries

SINFO = ("sinfo", "-h", "-N", "-o", "%N|%C")
AHEAD = ("PENDING", "RUNNING")
ENDLESS = timedelta(days=365)

_NODE = re.compile(r"([^\s|]+)\|([0-9]+)/([0-9]+)/([0-9]+)/([0-9]+)")
_MOST_CPUS_OF_A_NODE = 65_535  # slurm.conf(5): 16 bits
_NOT_YET = frozenset({"JobHeldUser", "JobHeldAdmin", "Dependency", "DependencyNeverSatisfied"})


def machine_ahead(at: datetime, *, timeout_s: float) -> Answer[QueueOutlook]:
    """Ask Slurm for its queue and CPUs; raise `SlurmError` where it does not answer."""
    cpus, jobs = working_cpus(timeout_s=timeout_s), entries(AHEAD, timeout_s=timeout_s)
    return Answer(lay_out(at, cpus.records, jobs.records), cpus.faults + jobs.faults)


def working_cpus(*, timeout_s: float) -> Answer[int]:
    """Return the CPUs of all nodes that work; raise `SlurmError` where Slurm does not answer."""
    return parse_sinfo(run(SINFO, timeout_s=timeout_s))


def lay_out(at: datetime, cpus: int, jobs: Iterable[QueueEntry]) -> QueueOutlook:
    """Return the outlook; ``jobs`` in the order in which Slurm would start them.

    Jobs held by a user, an admin or a dependency are in nobody's way yet and left out, as is what has ended.
    Waiting tasks of an array count once: until they start they share its id.
    """
    running, waiting, held = list[CpuClaim](), list[CpuClaim](), list[CpuClaim]()
    seen: set[JobId] = set()
    for job in jobs:
        limit_s = round(_length(job).total_seconds())
        if job.state == "RUNNING":
            running.append(CpuClaim.of_limit(job.cpus, limit_s, ran_s=round(job.used.total_seconds())))
        elif job.state != "PENDING" or job.reason in _NOT_YET or job.job_id in seen:
            continue
        elif job.begin is not None and job.begin > at:
            held.append(CpuClaim.of_limit(job.cpus, limit_s, start_s=round((job.begin - at).total_seconds())))
        else:
            waiting.append(CpuClaim.of_limit(job.cpus, limit_s))
        seen.add(job.job_id)
    return outlook(at, cpus, running, waiting, held)


def parse_sinfo(text: str) -> Answer[int]:
    """Return the CPUs of all nodes that work; ``%C`` is allocated/idle/other/total, other being out of order."""
    working: dict[str, int] = {}  # one line a partition, same figures
    faults: list[str] = []
    for line in filter(None, text.split("\n")):
        node, cpus = _node(line)
        if cpus is None:
            faults.append("sinfo: a node was left out, its line is not what was asked for")
        else:
            working[node] = cpus
    return Answer(sum(working.values()), told(faults, "sinfo"))


def _node(line: str) -> tuple[str, int | None]:
    match = _NODE.fullmatch(line)
    if match is None:
        return "", None
    allocated, idle, other, total = (whole_number(part, most=_MOST_CPUS_OF_A_NODE) for part in match.groups()[1:])
    if allocated is None or idle is None or other is None or allocated + idle + other != total:
        return match[1], None
    return match[1], allocated + idle


def _length(job: QueueEntry) -> timedelta:
    return ENDLESS if job.time_limit is None else min(job.time_limit, ENDLESS)
