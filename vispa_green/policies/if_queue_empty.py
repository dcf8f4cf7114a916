"""The greenest window for jobs that find nobody waiting, no delay for the others.

While others queue, a held job's place is filled at once and its delay is likely to save nothing. A
yardstick of `queue_aware`, like `if_machine_free`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vispa_green.policies._windows import at_once
from vispa_green.policies.best_mean import BestMean

if TYPE_CHECKING:
    from vispa_green.host import Host
    from vispa_green.model import GreenWindow, JobRequest, Outlook, Policy, Signal
    from vispa_green.registry import NoOptions


class IfQueueEmpty:
    """Chooses as `BestMean` does if no job waits, else lets the job into the queue."""

    looks_at_queue = True

    def __init__(self) -> None:
        """Make the rule for jobs that may be held."""
        self._best = BestMean()

    def choose(self, request: JobRequest, signal: Signal, outlook: Outlook | None = None) -> GreenWindow:
        """Return the greenest window, or the one that starts at once; without an outlook the greenest."""
        if outlook is not None and outlook.waiting and not request.is_held:
            return at_once(request, signal, "queues at once: others wait already")
        return self._best.choose(request, signal)


def make(host: Host | None, options: NoOptions) -> Policy:
    """Return the policy."""
    return IfQueueEmpty()
