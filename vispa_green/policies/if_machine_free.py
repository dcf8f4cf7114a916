"""The greenest window for jobs that could start now, no delay for those that would wait anyway.

Whoever would have to wait is let into the queue: holding such a job seems to save nothing, as others
fill its place. A yardstick of `queue_aware`, like `if_queue_empty`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vispa_green.policies._windows import at_once
from vispa_green.policies.best_mean import BestMean

if TYPE_CHECKING:
    from vispa_green.host import Host
    from vispa_green.model import GreenWindow, JobRequest, Outlook, Policy, Signal
    from vispa_green.registry import NoOptions


class IfMachineFree:
    """Chooses as `BestMean` does if the job would start at once, else lets it into the queue."""

    looks_at_queue = True

    def __init__(self) -> None:
        """Make the rule for jobs that may be held."""
        self._best = BestMean()

    def choose(self, request: JobRequest, signal: Signal, outlook: Outlook | None = None) -> GreenWindow:
        """Return the greenest window, or the one that starts at once; without an outlook the greenest."""
        if outlook is not None and not request.is_held:
            width = min(request.cpus, outlook.cpus)
            if outlook.earliest(width, request.duration) > request.earliest:
                return at_once(request, signal, "queues at once: it would have to wait anyway")
        return self._best.choose(request, signal)


def make(host: Host | None, options: NoOptions) -> Policy:
    """Return the policy."""
    return IfMachineFree()
