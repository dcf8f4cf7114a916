"""Jobs carry at most a part of what is idle; the node keeps the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vispa_green.energy.accounting import split_exact
from vispa_green.host import Host
from vispa_green.model import IdlePolicy, JobId, NodeActivity
from vispa_green.settings import number

PARTS = 1000


@dataclass(frozen=True, slots=True)
class Options:
    """The table ``[idle_policies.foreign_idle]``."""

    largest_part: float = number(1.0, at_least=0, at_most=1)


@dataclass(frozen=True, slots=True)
class PartOfIdle:
    """Splits the part equally."""

    largest_part: float

    def shares(self, idle_uj: int, activity: NodeActivity) -> tuple[Mapping[JobId, int], int]:
        """Return equal shares of the part."""
        if not activity.jobs:
            return {}, idle_uj
        carried_uj = idle_uj * round(self.largest_part * PARTS) // PARTS
        parts = split_exact(carried_uj, [1] * len(activity.jobs))
        return {job.job_id: part for job, part in zip(activity.jobs, parts, strict=True)}, idle_uj - carried_uj


def make(host: Host | None, options: Options) -> IdlePolicy:
    """Return the policy."""
    return PartOfIdle(options.largest_part)
