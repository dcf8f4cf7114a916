"""Scheduling disciplines, one file each; a file defines ``discipline(setting) -> Discipline``.

Our tie rule, for all of them: at each instant first all completions, then all submissions, then all
releases of held jobs, then ONE scheduling pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from vispa_green.registry import Registry
from vispa_green_sim.machine import Machine
from vispa_green_sim.workload import Workload


class Discipline(Protocol):
    """Keeps the queue and the books of what is free, and says which jobs start.

    The attributes are what gates may look at; only the discipline changes them.
    """

    @property
    def free(self) -> int:
        """Processors without a job."""

    @property
    def queue(self) -> Sequence[int]:
        """Eligible jobs that wait, in queue order."""

    @property
    def running(self) -> Sequence[tuple[int, int]]:
        """``(predicted end in s, job)`` of every running job, ascending; the prediction is the time limit's."""

    def enqueue(self, job: int) -> None:
        """Take in a job that has become eligible."""

    def complete(self, job: int) -> None:
        """Take back what a job held."""

    def start_jobs(self, now: int) -> int | None:
        """Make one pass: call ``setting.start`` for each job to start now.

        Return when a pass is wanted even if nothing happens until then, ``None`` for no such wish.
        """


@dataclass(frozen=True, slots=True)
class Setting:
    """What the engine gives to a discipline."""

    workload: Workload
    machine: Machine
    start: Callable[[int], int]
    """``start(job)`` starts a job now; returns for how many seconds its nodes wake up before it runs."""
    boot_delay: Callable[[int], int] | None = None
    """``boot_delay(processors)``: what `start` would return; ``None`` if nodes never sleep."""
    place: Sequence[int] | None = None
    """The key of each job that orders the queue; ``None``: its index, i.e. submission order."""
    options: object = None
    """Settings of the discipline's own, e.g. `vispa_green_sim.scheduling.slurm_like.Options`."""


DISCIPLINES: Registry[Discipline] = Registry("scheduling policy", __name__, "discipline")
