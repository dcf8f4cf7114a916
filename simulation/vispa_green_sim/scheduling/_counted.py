"""What schedulers share that see a machine as a number of processors: the queue and the books."""

from __future__ import annotations

from bisect import bisect_left, insort

from vispa_green_sim.scheduling import Setup
from vispa_green_sim.sleep import Sleepers, StateLog


class Counted:
    """A queue in order of place, a count of free processors and the running jobs by predicted end."""

    __slots__ = (
        "_place",
        "_predicted_end",
        "_processors",
        "_request",
        "_settled",
        "_sleepers",
        "_start",
        "free",
        "queue",
        "running",
    )

    def __init__(self, setup: Setup) -> None:
        """Begin with an empty queue and everything free."""
        self.free = setup.machine.processors
        self.queue: list[int] = []
        self.running: list[tuple[int, int]] = []
        self._processors = setup.workload.processors
        self._request = setup.workload.request_s
        self._start = setup.start
        self._sleepers = Sleepers(setup.machine, setup.sleep, setup.timer) if setup.sleep else None
        self._place = setup.place
        self._predicted_end: dict[int, int] = {}
        self._settled = 0
        """So many jobs at the queue's front cannot start before a job ends: the last pass found out."""

    def enqueue(self, job: int) -> None:
        """Put a job at its place; a held one goes back among those submitted later."""
        queue, place = self.queue, self._place
        if place is None:
            if not queue or queue[-1] < job:
                queue.append(job)
                return
            insort(queue, job)
        elif not queue or place[queue[-1]] < place[job]:
            queue.append(job)
            return
        else:
            insort(queue, job, key=place.__getitem__)
        self._settled = 0

    @property
    def log(self) -> StateLog | None:
        """What nodes went through."""
        return self._sleepers.log if self._sleepers else None

    def complete(self, job: int, now: int) -> None:
        """Free a job's processors."""
        running = self.running
        del running[bisect_left(running, (self._predicted_end.pop(job), job))]
        width = self._processors[job]
        self.free += width
        self._settled = 0
        if self._sleepers is not None:
            self._sleepers.give(width, now)

    def _begin(self, job: int, now: int) -> None:
        width = self._processors[job]
        delay = 0 if self._sleepers is None else self._sleepers.take(width, now)
        self._start(job, delay)
        end = now + delay + self._request[job]
        self.free -= width
        self._predicted_end[job] = end
        insort(self.running, (end, job))

    def _start_in_order(self, now: int) -> int:
        """Start jobs from the front while they fit; return how many."""
        queue, processors = self.queue, self._processors
        started = 0
        while started < len(queue) and processors[queue[started]] <= self.free:
            self._begin(queue[started], now)
            started += 1
        if started:
            del queue[:started]
        return started
