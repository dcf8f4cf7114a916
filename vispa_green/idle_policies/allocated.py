"""Idle energy follows allocation: who reserves half the CPUs carries half of it, unreserved CPUs keep theirs."""

from __future__ import annotations

from collections.abc import Mapping

from vispa_green.energy.accounting import split_exact
from vispa_green.host import Host
from vispa_green.model import IdlePolicy, JobId, NodeActivity
from vispa_green.registry import NoOptions


class AllocatedShares:
    """Splits by allocated CPUs × time present; a job whose allocation is unknown carries nothing."""

    def shares(self, idle_uj: int, activity: NodeActivity) -> tuple[Mapping[JobId, int], int]:
        """Return shares by CPU time reserved."""
        holders = [job for job in activity.jobs if job.binding.allocated_cpus and job.present_us]
        if not holders:
            return {}, idle_uj
        reserved = [(job.binding.allocated_cpus or 0) * job.present_us for job in holders]
        # Overcommitted nodes reserve more than they have; the reservations then share everything.
        free = max(0, (activity.cpus or 0) * activity.duration_us - sum(reserved))
        *parts, rest = split_exact(idle_uj, [*reserved, free])
        return {job.job_id: part for job, part in zip(holders, parts, strict=True)}, rest


def make(host: Host | None, options: NoOptions) -> IdlePolicy:
    """Return the policy."""
    return AllocatedShares()
