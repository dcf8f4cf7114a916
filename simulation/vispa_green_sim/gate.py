"""Where green policies meet the engine: a gate holds jobs back, seeing the queue and what runs.

A gate is asked about a job when it becomes eligible and whenever it asked to be asked again. Its
answer is a time in whole seconds: now or earlier lets the job into the queue, later means "ask me
again then". A gate that wants a firm start remembers it. Held jobs keep their place in the queue:
on release they stand before everyone submitted later.

Asking happens after all completions of the instant and before its scheduling pass, in the order of
submission; so the view's queue may hold jobs that start in this very instant.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from vispa_green_sim.scheduling import Scheduler
from vispa_green_sim.workload import Workload


class Gate(Protocol):
    """Decides when held jobs may enter the queue."""

    def ask(self, job: int, now: int, view: QueueView) -> int:
        """Return a time ``<= now`` to let the job in, or the later time to be asked again."""


class QueueView:
    """What a gate may know of the machine at this moment. Read-only; costs nothing until asked."""

    __slots__ = ("_held", "_scheduler", "total", "workload")

    def __init__(self, workload: Workload, scheduler: Scheduler, total: int, held: set[int]) -> None:
        """Look at a scheduler's books; ``total`` is the machine's processors."""
        self.workload, self.total = workload, total
        self._scheduler, self._held = scheduler, held

    @property
    def free(self) -> int:
        """Processors without a job now, asleep or awake."""
        return self._scheduler.free

    @property
    def waiting(self) -> Sequence[int]:
        """Eligible jobs that have not started, in queue order. Do not change it."""
        return self._scheduler.queue

    @property
    def running(self) -> Sequence[tuple[int, int]]:
        """``(predicted end in s, job)`` of running jobs, ascending. Do not change it."""
        return self._scheduler.running

    @property
    def held(self) -> int:
        """How many jobs gates hold back now, the one asked about included."""
        return len(self._held)

    @property
    def held_jobs(self) -> frozenset[int]:
        """Which jobs gates hold back now."""
        return frozenset(self._held)
