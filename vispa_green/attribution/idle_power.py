"""A declared idle power first, the rest by CPU time: ``E = P_idle · Δt + E_dyn``.

Closer to physics than `cpu_time` where the idle power is known: an idle socket does not draw less
because its neighbour works. Options: ``cpu_watts`` and ``dram_watts``, for each device of the component.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vispa_green.energy.accounting import split_exact
from vispa_green.host import Host
from vispa_green.model import AttributionModel, Component, EnergySplit, NodeActivity
from vispa_green.settings import number


@dataclass(frozen=True, slots=True)
class Options:
    """The table ``[attribution.idle_power]``: idle watts of each device of the component."""

    cpu_watts: float = number(0.0, at_least=0)
    dram_watts: float = number(0.0, at_least=0)


@dataclass(frozen=True, slots=True)
class IdlePowerModel:
    """Sets the idle energy apart, then splits the dynamic part by CPU time."""

    idle_watts: Mapping[Component, float]

    def split(self, energy_uj: int, component: Component, activity: NodeActivity) -> EnergySplit:
        """Return the idle part by power × time, the rest by CPU time of jobs and system."""
        idle_uj = min(energy_uj, round(self.idle_watts.get(component, 0.0) * activity.duration_us))
        used = [job.cpu_ns for job in activity.jobs]
        busy_ns = max(sum(used), activity.busy_ns or 0)
        if busy_ns == 0:
            return EnergySplit({}, energy_uj, 0)
        *parts, system_uj = split_exact(energy_uj - idle_uj, [*used, busy_ns - sum(used)])
        return EnergySplit(
            {job.job_id: part for job, part in zip(activity.jobs, parts, strict=True)}, idle_uj, system_uj
        )


def make(host: Host | None, options: Options) -> AttributionModel:
    """Return the model for the declared idle powers."""
    return IdlePowerModel({Component.CPU: options.cpu_watts, Component.DRAM: options.dram_watts})
