"""What was reserved and not used: memory, GPUs, time. Pure.

Only what is known of a job counts: the memory of one whose tasks' peak nobody knows is in no sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from vispa_green.energy.jobs import JobEnergy
from vispa_green.model import Component, JobAccount, JobKey

IDLE_GPU = 0.05
"""A GPU was idle if less than this part of its energy was the job's own work."""


@dataclass(frozen=True, slots=True)
class Waste:
    """What some jobs reserved, and what they used of it. Where nothing is known of a thing, both are 0."""

    memory_reserved_gib_h: float = 0.0
    memory_used_gib_h: float = 0.0
    """At most: each job's peak, for all of its time."""
    idle_gpu_jobs: int = 0
    idle_gpu_uj: int = 0
    limit: timedelta = timedelta(0)
    """How long jobs that were completed might have run,"""
    ran: timedelta = timedelta(0)
    """and how long they ran."""

    @property
    def memory_share(self) -> float | None:
        """The part of the reserved memory that was used at most."""
        return self.memory_used_gib_h / self.memory_reserved_gib_h if self.memory_reserved_gib_h else None

    @property
    def limit_share(self) -> float | None:
        """The part of the time limits that was needed."""
        return self.ran / self.limit if self.limit else None


def waste_of(
    jobs: Sequence[JobEnergy], inside: Iterable[JobAccount], limits: Mapping[JobKey, timedelta | None]
) -> Waste:
    """Return what jobs did not use; ``inside`` is what they were charged in the time that is told of."""
    reserved = used = 0.0
    limit = ran = timedelta(0)
    for job in jobs:
        if job.elapsed is None:
            continue
        if job.memory_mib and job.peak_memory_mib is not None and len(job.nodes) == 1:
            hours = job.elapsed / timedelta(hours=1)
            reserved += hours * job.memory_mib / 1024
            used += hours * min(job.memory_mib, job.peak_memory_mib) / 1024
        allowed = limits.get(job.key)
        if job.state == "COMPLETED" and allowed is not None:
            limit, ran = limit + allowed, ran + min(job.elapsed, allowed)
    idle = list(map(gpu_idle_uj, inside))
    return Waste(reserved, used, sum(uj > 0 for uj in idle), sum(idle), limit, ran)


def gpu_idle_uj(account: JobAccount) -> int:
    """Return the energy of GPUs that a job reserved and left idle; 0 if it used them."""
    gpu = [one for one in account.sums if one.component is Component.GPU]
    busy_uj, idle_uj = sum(one.busy_uj for one in gpu), sum(one.idle_uj for one in gpu)
    return busy_uj + idle_uj if idle_uj and busy_uj < IDLE_GPU * (busy_uj + idle_uj) else 0
