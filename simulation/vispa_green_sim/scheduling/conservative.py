"""Conservative backfill (Mu'alem & Feitelson 2001): every job has a reservation, nobody overtakes at another's cost.

A job is laid into the earliest hole of the predicted free processors when it is submitted. After completions
each waiting job in queue order may move to an earlier hole, the others staying where they are; so no
reservation ever becomes later. Where nodes sleep, or a job overstays its limit, predictions do not
hold to the second, and all are laid anew in queue order at each pass.
"""

from __future__ import annotations

from vispa_green_sim.free_processors import FreeProcessors
from vispa_green_sim.scheduling import Scheduler, Setup
from vispa_green_sim.scheduling._counted import Counted


class Conservative(Counted):
    """Starts the jobs whose reservation is now."""

    __slots__ = ("_free_ahead", "_freed", "_fresh", "_reserved")

    def __init__(self, setup: Setup) -> None:
        """Begin with nothing reserved."""
        super().__init__(setup)
        self._free_ahead = FreeProcessors([0], [self.free])
        self._reserved: dict[int, int] = {}
        self._fresh: list[int] = []
        self._freed: list[tuple[int, int]] = []  # (predicted end, processors) of what completed since the last pass

    def enqueue(self, job: int) -> None:
        """Take in a job; the next pass reserves for it."""
        super().enqueue(job)
        self._fresh.append(job)

    def complete(self, job: int, now: int) -> None:
        """Free a job's processors; the next pass gives them to those who wait."""
        self._freed.append((self._predicted_end[job], self._processors[job]))
        super().complete(job, now)

    def start_jobs(self, now: int) -> int | None:
        """Bring the reservations up to date and start the jobs whose time has come."""
        overdue = bool(self.running) and self.running[0][0] <= now
        if overdue or any(end < now for end, _ in self._freed) or self._sleepers is not None:
            self._lay_anew(now)
        else:
            self._update(now)
        self._freed.clear()
        self._fresh.clear()
        if not self.free:
            return None
        due = [job for job in self.queue if self._reserved[job] == now]
        if due:
            self.queue[:] = [job for job in self.queue if self._reserved[job] != now]
            for job in due:
                del self._reserved[job]
                self._begin(job, now)
        return None

    def _update(self, now: int) -> None:
        ahead, processors, request = self._free_ahead, self._processors, self._request
        ahead.advance(now)
        for end, width in self._freed:
            if end > now:
                ahead.take(-width, now, end)
        if self._freed:
            self._compress()
        for job in sorted(self._fresh, key=None if self._place is None else self._place.__getitem__):
            self._reserved[job] = ahead.reserve(processors[job], request[job])
        if len(ahead.times_s) > 32 + 4 * (len(self.running) + 2 * len(self.queue)):
            self._forget_edges(now)

    def _compress(self) -> None:
        ahead, processors, request, reserved = self._free_ahead, self._processors, self._request, self._reserved
        for job in self.queue:
            before = reserved.get(job)
            if before is None:
                continue
            width, length = processors[job], request[job]
            start = ahead.earlier(width, length, before)
            if start < before:
                ahead.take(-width, before, before + length)
                ahead.take(width, start, start + length)
                reserved[job] = start

    def _lay_anew(self, now: int) -> None:
        processors, request = self._processors, self._request
        self._free_ahead = FreeProcessors.of_running(now, self.free, self.running, processors)
        for job in self.queue:
            boot = 0 if self._sleepers is None else self._sleepers.boot_delay(processors[job], now)
            self._reserved[job] = self._free_ahead.reserve(processors[job], request[job] + boot)

    def _forget_edges(self, now: int) -> None:
        """Count the free processors anew without the edges of what is gone."""
        ahead = FreeProcessors.of_running(now, self.free, self.running, self._processors)
        for job in self.queue:
            start = self._reserved[job]
            ahead.take(self._processors[job], start, start + self._request[job])
        self._free_ahead = ahead


def scheduler(setup: Setup) -> Scheduler:
    """Return the scheduler."""
    return Conservative(setup)
