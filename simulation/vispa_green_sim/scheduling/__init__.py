"""Scheduling schedulers, one file each; a file defines ``scheduler(setup) -> Scheduler``.

Our tie rule, for all of them: at each instant first all completions, then all submissions, then all
releases of held jobs, then ONE scheduling pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from vispa_green.registry import Registry
from vispa_green_sim.machine import Machine
from vispa_green_sim.sleep import Sleep, StateLog, Timer
from vispa_green_sim.workload import Workload


class Scheduler(Protocol):
    """Keeps the queue and the books of what is free, and says which jobs start.

    The attributes are what gates may look at; only the scheduler changes them.
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

    @property
    def log(self) -> StateLog | None:
        """What nodes went through; ``None`` if they never sleep."""

    def complete(self, job: int, now: int) -> None:
        """Take back what a job held."""

    def start_jobs(self, now: int) -> int | None:
        """Make one pass: call ``setup.start`` for each job to start now.

        Return when a pass is wanted even if nothing happens until then, ``None`` for no such wish.
        """


@dataclass(frozen=True, slots=True)
class Setup:
    """What the engine gives to a scheduler."""

    workload: Workload
    machine: Machine
    start: Callable[[int, int], None]
    """``start(job, delay_s)`` gives a job its nodes now; it runs when they have woken up, after the delay."""
    timer: Timer
    sleep: Sleep | None = None
    """When idle nodes are switched off; ``None``: never."""
    place: Sequence[int] | None = None
    """The key of each job that orders the queue; ``None``: its index, i.e. submission order."""
    options: object = None
    """Settings of the scheduler's own, e.g. `vispa_green_sim.scheduling.slurm_like.Options`."""


SCHEDULERS: Registry[Scheduler] = Registry("scheduler", __name__, "scheduler")
