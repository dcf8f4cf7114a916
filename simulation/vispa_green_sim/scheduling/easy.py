"""EASY backfill (Lifka 1995): jobs may overtake as long as the first in the queue is not delayed."""

from __future__ import annotations

from vispa_green_sim.scheduling import Scheduler, Setup
from vispa_green_sim.scheduling._counted import Counted


class Easy(Counted):
    """The head job has a reservation; a later job starts if it ends before it, or does not need its processors."""

    __slots__ = ("_extra", "_shadow")

    def __init__(self, setup: Setup) -> None:
        """Begin without a reservation."""
        super().__init__(setup)
        self._shadow = 0
        self._extra = -1

    def start_jobs(self, now: int) -> int | None:
        """Start from the front while there is room, then fill in from behind."""
        queue = self.queue
        if not queue:
            return None
        settled = self._settled
        # A job past its time limit counts as ending now, so then what failed before may fit.
        if settled == 0 or self.running[0][0] <= now:
            self._start_in_order(now)
            self._extra = -1  # whatever was reserved is out of date
            settled = 1
        if self.free and len(queue) > settled:
            self._backfill(now, settled)
        self._settled = len(queue)
        return None

    def _backfill(self, now: int, first: int) -> None:
        """Try the jobs from position ``first``; those before it are known not to fit."""
        queue, processors, request, sleepers = self.queue, self._processors, self._request, self._sleepers
        if self._extra < 0:
            self._reserve(now)
        room = self._shadow - now
        started = []
        for position in range(first, len(queue)):
            job = queue[position]
            width = processors[job]
            if width > self.free:
                continue
            length = request[job] if sleepers is None else request[job] + sleepers.boot_delay(width, now)
            if length > room:
                if width > self._extra:
                    continue
                self._extra -= width
            self._begin(job, now)
            started.append(position)
            if not self.free:
                break
        for position in reversed(started):
            del queue[position]

    def _reserve(self, now: int) -> None:
        """Work out when the head job can start by the requested ends, and the processors it leaves free then.

        That stays true until a job ends: those that start meanwhile are gone by then or are taken off.
        """
        processors, need = self._processors, self._processors[self.queue[0]]
        available, shadow = self.free, now
        for end, job in self.running:
            if available >= need and end > shadow:
                break
            available += processors[job]
            shadow = max(shadow, end)
        self._shadow, self._extra = shadow, available - need


def scheduler(setup: Setup) -> Scheduler:
    """Return the scheduler."""
    return Easy(setup)
