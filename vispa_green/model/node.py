"""What is read on a node: its meters, its CPU time, the jobs on it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

UJ_PER_KWH = 3_600_000_000_000

JobId = str
"""Slurm's raw job id as text (``sacct -o JobIDRaw``), or ``run-…`` for a command without Slurm."""


class Component(StrEnum):
    """What an energy counter covers. ``NODE`` contains the others: never sum it with its parts."""

    CPU = "cpu"
    DRAM = "dram"
    GPU = "gpu"
    NODE = "node"


class Quality(StrEnum):
    """How an energy figure came about."""

    MEASURED = "measured"
    ESTIMATED = "estimated"
    GAP = "gap"


@dataclass(frozen=True, slots=True)
class Instant:
    """One moment on both clocks: UTC for stamps, monotonic for durations."""

    utc: datetime
    monotonic_ns: int


class Meter(Protocol):
    """One energy counter of a node."""

    @property
    def component(self) -> Component:
        """What the counter covers."""

    @property
    def device(self) -> str:
        """A name unique on the node, e.g. ``intel-rapl:0`` or ``gpu-0``."""

    @property
    def quality(self) -> Quality:
        """``measured`` for a hardware counter, ``estimated`` for a power model."""

    @property
    def modulus_uj(self) -> int | None:
        """The counter's value is the energy modulo this; ``None`` if it never wraps."""

    @property
    def gpu_index(self) -> int | None:
        """The minor number of the GPU it belongs to, ``None`` for anything else."""

    @property
    def max_watts(self) -> int:
        """More than its device can draw, with a margin: a difference above it is a false reading, not energy."""

    @property
    def prompt(self) -> bool:
        """Whether it answers at once, as the kernel's files do; any other is read in a thread of its own."""

    def read_uj(self, at: Instant) -> int:
        """Return the counter now, in µJ; raise `MeterError` where it cannot be read."""


@dataclass(frozen=True, slots=True)
class CpuTime:
    """Cumulative CPU time of a whole node: ``busy_ns`` of ``total_ns`` (all CPUs)."""

    busy_ns: int
    total_ns: int


@dataclass(frozen=True, slots=True)
class Binding:
    """What of a node belongs to a job, and which job that is; ``None`` is unknown. GPUs are minor numbers."""

    uid: int | None = None
    allocated_cpus: int | None = None
    gpus: tuple[int, ...] | None = None
    submitted: datetime | None = None
    """When Slurm took the job: with its number, that tells it from every other job."""
    tasks: int | None = None
    cpus_per_task: int | None = None
    """How the job was asked for: the number of tasks, and CPUs for each."""

    def or_else(self, other: Binding) -> Binding:
        """Return this binding with its unknowns filled from ``other``."""
        return Binding(
            other.uid if self.uid is None else self.uid,
            other.allocated_cpus if self.allocated_cpus is None else self.allocated_cpus,
            other.gpus if self.gpus is None else self.gpus,
            other.submitted if self.submitted is None else self.submitted,
            other.tasks if self.tasks is None else self.tasks,
            other.cpus_per_task if self.cpus_per_task is None else self.cpus_per_task,
        )


UNBOUND = Binding()
"""Nothing is known of what a job holds."""


class Tracker(Protocol):
    """Finds the jobs of this node and what they use."""

    def present(self) -> Collection[JobId]:
        """Return the jobs that are here now.

        Asked at every look: so it must be cheap. Where nothing has changed it may return the same object as
        before, which spares the comparison; it never changes one that it returned.
        """

    def places(self) -> Collection[str]:
        """Return the directories that have one for each job, or for each user with jobs, by the last look.

        When one comes or goes in them, a look follows at once. None, where jobs are no directories.
        """

    def usage(self) -> Mapping[JobId, int]:
        """Return the cumulative CPU time in ns of the jobs that were present at the last look.

        Jobs that ended since the last call may be among them, with what they used up to their end.
        """

    def binding(self, job_id: JobId) -> Binding:
        """Return what is known here of a present job's hold on the node."""
