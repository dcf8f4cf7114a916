"""The machine ahead: running, waiting and held jobs, to the CPUs that will be free. Pure; what policies see.

Everything is counted in CPUs of one machine; which nodes they are on is the scheduler's business, so
what fits here may still wait there.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

LIMIT_USED = 0.9
"""The part of a time limit that a job is expected to use.

Of the requested CPU time 65 % is used on KTH and 47 % on HPC2N, so this is cautious: what a plan counts
as taken and is not, others get. 0.6 moves more work and makes others wait longer (docs/simulation/queue-aware.md).
"""

_SECOND = timedelta(seconds=1)


class Claim(NamedTuple):
    """CPUs that one job will hold: for so long, from ``start_s`` after now (running and waiting jobs: 0)."""

    cpus: int
    length_s: int
    start_s: int = 0

    @classmethod
    def of_limit(cls, cpus: int, limit: timedelta, started: timedelta = timedelta(0)) -> Claim:
        """Return the claim of a job with this time limit that has been running for ``started`` so far."""
        return cls(cpus, max(1, round((limit * LIMIT_USED - started) / _SECOND)))


@dataclass(frozen=True, slots=True)
class QueueOutlook:
    """Free CPUs as a step function of time from ``at``; a `vispa_green.model.Outlook`.

    ``free_cpus[i]`` holds from ``edges_s[i]`` to the next edge, the last one for ever. It is negative
    where plans for held jobs overlap what runs.
    """

    at: datetime
    cpus: int
    reserve_cpus: int
    edges_s: tuple[int, ...] = field(repr=False)
    free_cpus: tuple[int, ...] = field(repr=False)

    def earliest(self, cpus: int, duration: timedelta) -> datetime:
        """Return when a job let in now would start, behind everything that is known."""
        start_s, _ = _hole(self.edges_s, self.free_cpus, cpus, max(1, duration // _SECOND))
        return self.at + start_s * _SECOND

    def crowding(self, cpus: int, start: datetime, end: datetime) -> float:
        """Return the part (0..1) of a job's CPU time for which there is no room beside the reserve."""
        start_s, end_s = (start - self.at) / _SECOND, (end - self.at) / _SECOND
        edges, free = self.edges_s, self.free_cpus
        step = max(0, bisect_right(edges, start_s) - 1)
        missing, moment = 0.0, start_s
        while moment < end_s:
            until = min(edges[step + 1], end_s) if step + 1 < len(edges) else end_s
            missing += min(cpus, max(0, cpus - (free[step] - self.reserve_cpus))) * (until - moment)
            moment = until
            step += 1
        return missing / (cpus * (end_s - start_s)) if end_s > start_s else 0.0


def outlook(
    at: datetime,
    cpus: int,
    running: Iterable[Claim],
    waiting: Iterable[Claim] = (),
    held: Iterable[Claim] = (),
    reserve_cpus: int = 0,
) -> QueueOutlook:
    """Return what is known of a machine of ``cpus``.

    Waiting jobs, in queue order, are laid into the earliest hole as backfill would; held ones count
    from their planned start on, so plans made one after another stagger themselves.
    """
    changes: dict[int, int] = {0: cpus}
    for claim in (*running, *held):
        end_s = claim.start_s + claim.length_s
        changes[claim.start_s] = changes.get(claim.start_s, 0) - claim.cpus
        changes[end_s] = changes.get(end_s, 0) + claim.cpus
    edges = sorted(changes)
    free, level = [], 0
    for edge in edges:
        level += changes[edge]
        free.append(level)
    for claim in waiting:
        _lay(edges, free, min(claim.cpus, cpus), claim.length_s)
    return QueueOutlook(at, cpus, reserve_cpus, tuple(edges), tuple(free))


def _lay(edges: list[int], free: list[int], cpus: int, length_s: int) -> None:
    """Take CPUs in the earliest hole."""
    start_s, first = _hole(edges, free, cpus, length_s)
    end_s = start_s + length_s
    last = bisect_left(edges, end_s)
    if last == len(edges) or edges[last] != end_s:
        edges.insert(last, end_s)
        free.insert(last, free[last - 1])
    for step in range(first, last):
        free[step] -= cpus


def _hole(
    edges: list[int] | tuple[int, ...], free: list[int] | tuple[int, ...], cpus: int, length_s: int
) -> tuple[int, int]:
    """Return when so many CPUs are first free for so long, and the step at which that begins.

    After the last edge all jobs have ended, so a job that fits the machine always finds a place there.
    """
    steps, first = len(edges), 0
    while first < steps - 1:
        if free[first] < cpus:
            first += 1
            continue
        end_s = edges[first] + length_s
        step = first + 1
        while step < steps and edges[step] < end_s and free[step] >= cpus:
            step += 1
        if step == steps or edges[step] >= end_s:
            break
        first = step + 1
    first = min(first, steps - 1)
    return edges[first], first
