"""First come, first served: nobody overtakes."""

from __future__ import annotations

from vispa_green_sim.scheduling import Scheduler, Setup
from vispa_green_sim.scheduling._counted import Counted


class Fcfs(Counted):
    """Starts jobs strictly in queue order."""

    __slots__ = ()

    def start_jobs(self, now: int) -> int | None:
        """Start from the front while there is room."""
        if self.queue:
            self._start_in_order(now)
        return None


def scheduler(setup: Setup) -> Scheduler:
    """Return the scheduler."""
    return Fcfs(setup)
