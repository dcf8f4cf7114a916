"""A declared idle power first, the rest by CPU time: ``E = P_idle · Δt + E_dyn``.

Closer to physics than `cpu_time` where the idle power is known: an idle socket does not draw less
because its neighbour works. Options: ``cpu_watts`` and ``dram_watts``, for each device of the component.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vispa_green.energy.accounting import split_exact
from vispa_green.errors import ConfigError
from vispa_green.model import AttributionModel, Component, EnergySplit, NodeActivity


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


def model(options: Mapping[str, float]) -> AttributionModel:
    """Return the model for the idle powers in ``options``."""
    known = {"cpu_watts": Component.CPU, "dram_watts": Component.DRAM}
    if unknown := sorted(set(options) - set(known)):
        raise ConfigError(f"[attribution.idle_power] {unknown[0]}: unknown key; known: {', '.join(known)}")
    return IdlePowerModel({known[key]: watts for key, watts in options.items()})
