"""Where green policies meet the engine: a gate holds jobs back, seeing the queue and what will be free.

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

from vispa_green_sim.profile import Profile
from vispa_green_sim.scheduling import Discipline
from vispa_green_sim.workload import Workload


class Gate(Protocol):
    """Decides when held jobs may enter the queue."""

    def ask(self, job: int, now: int, view: QueueView) -> int:
        """Return a time ``<= now`` to let the job in, or the later time to be asked again."""


class QueueView:
    """What a gate may know of the machine at this moment. Read-only; costs nothing until asked."""

    __slots__ = ("_discipline", "_held", "total", "workload")

    def __init__(self, workload: Workload, discipline: Discipline, total: int, held: set[int]) -> None:
        """Look at a discipline's books; ``total`` is the machine's processors."""
        self.workload, self.total = workload, total
        self._discipline, self._held = discipline, held

    @property
    def free(self) -> int:
        """Processors without a job now, asleep or awake."""
        return self._discipline.free

    @property
    def waiting(self) -> Sequence[int]:
        """Eligible jobs that have not started, in queue order. Do not change it."""
        return self._discipline.queue

    @property
    def running(self) -> Sequence[tuple[int, int]]:
        """``(predicted end in s, job)`` of running jobs, ascending. Do not change it."""
        return self._discipline.running

    @property
    def held(self) -> int:
        """How many jobs gates hold back now, the one asked about included."""
        return len(self._held)

    @property
    def held_jobs(self) -> frozenset[int]:
        """Which jobs gates hold back now."""
        return frozenset(self._held)

    @property
    def queued_processors(self) -> int:
        """Processors that the waiting jobs ask for together."""
        return sum(map(self.workload.processors.__getitem__, self.waiting))

    @property
    def queued_processor_s(self) -> int:
        """The waiting jobs' work as requested: processors × time limit."""
        return sum(self.workload.processors[job] * self.workload.request_s[job] for job in self.waiting)

    def would_start(self, job: int) -> bool:
        """Say whether the job would surely start in this instant: nobody waits and there is room."""
        return not self.waiting and self.workload.processors[job] <= self.free

    def profile(self, now: int, *, with_queue: bool = True) -> Profile:
        """Return the free processors ahead by requested ends; a fresh copy, so jobs may be laid into it.

        With the queue, its jobs are laid in as conservative backfill would; held jobs never are.
        """
        processors, request = self.workload.processors, self.workload.request_s
        profile = Profile.of_running(now, self.free, self.running, processors)
        if with_queue:
            for job in self.waiting:
                profile.reserve(processors[job], request[job])
        return profile

    def predicted_start(self, job: int, now: int) -> int:
        """Return when the job would start if let in now, by requested ends and behind the whole queue."""
        return self.profile(now).earliest(self.workload.processors[job], self.workload.request_s[job])
