"""Energy follows CPU time: each job by its own, daemons by theirs, unused CPU time is idle.

``E_job = E · cpu_job / cpu_capacity``. This is the active/idle split of Kepler ≥ 0.10
(``E_active = ΔE · utilisation``), with the processes that belong to no job in an account of their own.
It needs no calibration; it calls a larger part of a lightly used node idle than `idle_power` does.
"""

from __future__ import annotations

from vispa_green.energy.accounting import split_exact
from vispa_green.host import Host
from vispa_green.model import AttributionModel, Component, EnergySplit, NodeActivity
from vispa_green.registry import NoOptions


class CpuTimeModel:
    """Splits by CPU time."""

    def split(self, energy_uj: int, component: Component, activity: NodeActivity) -> EnergySplit:
        """Return parts in proportion to job, system and unused CPU time."""
        used = [job.cpu_ns for job in activity.jobs]
        # Jobs are counted in ns, the node in ticks of 10 ms: the sum of the jobs may be ahead.
        busy_ns = max(sum(used), activity.busy_ns or 0)
        capacity_ns = max(busy_ns, activity.total_ns or 0)
        if capacity_ns == 0:
            return EnergySplit({}, energy_uj, 0)
        *parts, system_uj, idle_uj = split_exact(energy_uj, [*used, busy_ns - sum(used), capacity_ns - busy_ns])
        return EnergySplit(
            {job.job_id: part for job, part in zip(activity.jobs, parts, strict=True)}, idle_uj, system_uj
        )


def make(host: Host | None, options: NoOptions) -> AttributionModel:
    """Return the model."""
    return CpuTimeModel()
