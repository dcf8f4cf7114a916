"""The machine ahead: running, waiting and held jobs, to the CPUs that will be free. Pure; what policies see.

Everything is counted in CPUs of one machine; which nodes they are on is the scheduler's business, so
what fits here may still wait there.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import accumulate
from typing import NamedTuple

LIMIT_USED = 0.9
"""The part of a time limit that a job is expected to use.

Of the requested CPU time 65 % is used on KTH and 47 % on HPC2N, so this is cautious: what a plan counts
as taken and is not, others get. 0.6 moves more work and makes others wait longer (docs/simulation/queue-aware.md).
"""

SOON_S = 900
"""A running job that is past its expected length is taken to go on for so long."""

_SECOND = timedelta(seconds=1)


class CpuClaim(NamedTuple):
    """CPUs that one job will hold, and for how long."""

    cpus: int
    length_s: int
    start_s: int = 0
    """After now; a held job's planned start, 0 for running and waiting jobs."""

    @classmethod
    def of_limit(cls, cpus: int, limit_s: int, ran_s: int | None = None, start_s: int = 0) -> CpuClaim:
        """Return what a job with this time limit is expected to hold; ``ran_s``: it has been running so long."""
        expected_s = max(1, round(limit_s * LIMIT_USED))
        return cls(cpus, expected_s if ran_s is None else max(SOON_S, expected_s - ran_s), start_s)


class Steps(NamedTuple):
    """Free CPUs over time: ``free_cpus[i]`` from ``edges_s[i]`` to the next edge, the last one for ever."""

    edges_s: list[int]
    free_cpus: list[int]


@dataclass(frozen=True, slots=True)
class QueueOutlook:
    """Free CPUs from ``at`` on, in seconds after it; a `vispa_green.model.Outlook`."""

    at: datetime
    cpus: int
    waiting: int
    reserve_cpus: int
    queue: Steps = field(repr=False)
    """What running and waiting jobs leave; held ones are not in anybody's way yet."""
    plans: Steps = field(repr=False)
    """What is left when held jobs run as planned, too; negative where plans overlap what runs longer."""

    def earliest(self, cpus: int, duration: timedelta) -> datetime:
        """Return when a job let in now would start, behind all who run or wait."""
        first = _hole(self.queue, cpus, max(1, duration // _SECOND))
        return self.at + self.queue.edges_s[first] * _SECOND

    def crowding(self, cpus: int, start: datetime, end: datetime) -> float:
        """Return the part (0..1) of a job's CPU time for which there is no room beside plans and reserve."""
        start_s, end_s = (start - self.at) / _SECOND, (end - self.at) / _SECOND
        edges, free = self.plans
        step = max(0, bisect_right(edges, start_s) - 1)
        last, wanted = len(edges) - 1, cpus + self.reserve_cpus
        missing, moment = 0.0, start_s
        while moment < end_s:
            until = edges[step + 1] if step < last and edges[step + 1] < end_s else end_s
            lack = wanted - free[step]
            if lack > 0:
                missing += min(cpus, lack) * (until - moment)
            moment = until
            step += 1
        return missing / (cpus * (end_s - start_s)) if end_s > start_s else 0.0


def outlook(
    at: datetime,
    cpus: int,
    running: Iterable[CpuClaim],
    waiting: Sequence[CpuClaim] = (),
    held: Iterable[CpuClaim] = (),
    reserve_cpus: int = 0,
) -> QueueOutlook:
    """Return what is known of a machine of ``cpus``.

    Waiting jobs, in queue order, are laid into the earliest hole as backfill would. Held ones count from
    their planned start on, so that plans made one after another stagger themselves.
    """
    queue = _steps(cpus, running)
    for claim in waiting:
        width = min(claim.cpus, cpus)
        start_s = queue.edges_s[_hole(queue, width, claim.length_s)]
        _take(queue, width, start_s, start_s + claim.length_s)
    plans = Steps([*queue.edges_s], [*queue.free_cpus])
    for claim in held:
        _take(plans, claim.cpus, claim.start_s, claim.start_s + claim.length_s)
    return QueueOutlook(at, cpus, len(waiting), reserve_cpus, queue, plans)


def _steps(cpus: int, running: Iterable[CpuClaim]) -> Steps:
    ending: dict[int, int] = {}
    for claim in running:
        cpus -= claim.cpus
        ending[claim.length_s] = ending.get(claim.length_s, 0) + claim.cpus
    ends = sorted(ending)
    return Steps([0, *ends], [*accumulate((ending[end] for end in ends), initial=cpus)])


def _take(steps: Steps, cpus: int, start_s: int, end_s: int) -> None:
    """Take CPUs over a span."""
    edges, free = steps
    first, last = _edge(edges, free, start_s), _edge(edges, free, end_s)
    for step in range(first, last):
        free[step] -= cpus


def _edge(edges: list[int], free: list[int], moment_s: int) -> int:
    """Return the step that begins then, made if there is none."""
    step = bisect_left(edges, moment_s)
    if step == len(edges) or edges[step] != moment_s:
        edges.insert(step, moment_s)
        free.insert(step, free[step - 1])
    return step


def _hole(steps: Steps, cpus: int, length_s: int) -> int:
    """Return the step with which so many CPUs are first free for so long.

    After the last edge all jobs have ended, so a job that fits the machine always finds a place there.
    """
    edges, free = steps
    last, first = len(edges) - 1, 0
    while first < last:
        if free[first] < cpus:
            first += 1
            continue
        end_s = edges[first] + length_s
        step = first + 1
        while step <= last and edges[step] < end_s and free[step] >= cpus:
            step += 1
        if step > last or edges[step] >= end_s:
            return first
        first = step + 1
    return last
