"""A fixed part of all energy is idle, the rest goes by CPU time."""

from __future__ import annotations

from dataclasses import dataclass

from vispa_green.energy.accounting import split_exact
from vispa_green.host import Host
from vispa_green.model import AttributionModel, Component, EnergySplit, NodeActivity
from vispa_green.settings import number

PARTS = 1000


@dataclass(frozen=True, slots=True)
class Options:
    """The table ``[attribution.foreign_model]``."""

    idle_part: float = number(0.5, at_least=0, at_most=1)


@dataclass(frozen=True, slots=True)
class FixedIdle:
    """Splits so; jobs that used no CPU time at all are equals."""

    idle_part: float

    def split(self, energy_uj: int, component: Component, activity: NodeActivity) -> EnergySplit:
        """Return the parts; a node without jobs is idle."""
        if not activity.jobs:
            return EnergySplit({}, energy_uj, 0)
        idle_uj = energy_uj * round(self.idle_part * PARTS) // PARTS
        used = [job.cpu_ns for job in activity.jobs]
        parts = split_exact(energy_uj - idle_uj, used if any(used) else [1] * len(used))
        return EnergySplit({job.job_id: part for job, part in zip(activity.jobs, parts, strict=True)}, idle_uj, 0)


def make(host: Host | None, options: Options) -> AttributionModel:
    """Return the model."""
    return FixedIdle(options.idle_part)
