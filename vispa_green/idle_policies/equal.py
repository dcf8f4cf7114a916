"""Idle energy is carried by the jobs present, equally for equal time."""

from __future__ import annotations

from collections.abc import Mapping

from vispa_green.energy.accounting import split_exact
from vispa_green.host import Host
from vispa_green.model import IdlePolicy, JobId, NodeActivity
from vispa_green.registry import NoOptions


class EqualShares:
    """Splits by the time each job was present; an empty node keeps its idle energy."""

    def shares(self, idle_uj: int, activity: NodeActivity) -> tuple[Mapping[JobId, int], int]:
        """Return equal shares for equal presence."""
        present = [job for job in activity.jobs if job.present_us]
        if not present:
            return {}, idle_uj
        parts = split_exact(idle_uj, [job.present_us for job in present])
        return {job.job_id: part for job, part in zip(present, parts, strict=True)}, 0


def make(host: Host | None, options: NoOptions) -> IdlePolicy:
    """Return the policy."""
    return EqualShares()
