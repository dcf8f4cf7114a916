"""What is accounted: exact parts of an energy, balanced entries, intervals of a node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from vispa_green.errors import UnbalancedEntry
from vispa_green.model.node import UNBOUND, Binding, Component, JobId, Quality


@dataclass(frozen=True, slots=True)
class JobActivity:
    """What one job did on a node during one interval."""

    job_id: JobId
    cpu_ns: int
    present_us: int
    binding: Binding = UNBOUND


@dataclass(frozen=True, slots=True)
class NodeActivity:
    """What a whole node did during one interval; ``None`` where the node's CPU time was unreadable."""

    duration_us: int
    cpus: int | None
    busy_ns: int | None
    total_ns: int | None
    jobs: tuple[JobActivity, ...]


@dataclass(frozen=True, slots=True)
class EnergySplit:
    """Exact parts of one energy: busy energy by job, the rest idle or system (all µJ)."""

    jobs_uj: Mapping[JobId, int]
    idle_uj: int
    system_uj: int


class AttributionModel(Protocol):
    """Splits the energy of a shared component (CPU, DRAM) among jobs, idle and system."""

    def split(self, energy_uj: int, component: Component, activity: NodeActivity) -> EnergySplit:
        """Return parts that sum to ``energy_uj`` exactly, none negative."""


class IdlePolicy(Protocol):
    """Decides who carries a node's idle energy."""

    def shares(self, idle_uj: int, activity: NodeActivity) -> tuple[Mapping[JobId, int], int]:
        """Return the idle energy charged to each job and what stays idle; together ``idle_uj``."""


@dataclass(frozen=True, slots=True)
class JobShare:
    """One job's part of one entry: what it used and the idle energy charged to it (µJ)."""

    job_id: JobId
    busy_uj: int
    idle_uj: int = 0


@dataclass(frozen=True, slots=True)
class EnergyEntry:
    """One balanced transaction: the energy of one device of a node over one interval.

    ``measured_uj`` is ``None`` where nothing could be read: a gap without a figure.
    """

    component: Component
    device: str
    quality: Quality
    measured_uj: int | None
    idle_uj: int = 0
    system_uj: int = 0
    jobs: tuple[JobShare, ...] = ()
    reason: str = ""

    def __post_init__(self) -> None:
        parts = [self.idle_uj, self.system_uj, *(j.busy_uj for j in self.jobs), *(j.idle_uj for j in self.jobs)]
        if min(parts) < 0 or sum(parts) != (self.measured_uj or 0):
            raise UnbalancedEntry(f"{self.device}: measured {self.measured_uj} µJ, parts sum to {sum(parts)} µJ")

    @property
    def jobs_uj(self) -> int:
        """Everything charged to jobs, their idle shares included."""
        return sum(j.busy_uj + j.idle_uj for j in self.jobs)


@dataclass(frozen=True, slots=True)
class NodeInterval:
    """All entries of one node over one span of time; what an agent spools and the ledger keeps."""

    node: str
    boot_id: str
    start: datetime
    end: datetime
    duration_us: int
    quality: Quality
    entries: tuple[EnergyEntry, ...]
    jobs: tuple[JobActivity, ...] = ()
    reason: str = ""
