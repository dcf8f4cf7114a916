"""Start at once: what happens without vispa-green, and the yardstick of every other policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vispa_green.errors import NotCovered
from vispa_green.model import GreenWindow

if TYPE_CHECKING:
    from vispa_green.host import Host
    from vispa_green.model import JobRequest, Outlook, Policy, Signal
    from vispa_green.registry import NoOptions


class StartNow:
    """Never moves a job."""

    looks_at_queue = False

    def choose(self, request: JobRequest, signal: Signal, outlook: Outlook | None = None) -> GreenWindow:
        """Return the window that starts at ``request.earliest``."""
        end = request.earliest + request.duration
        try:
            mean = signal.mean(request.earliest, end)
        except NotCovered:
            mean = None
        return GreenWindow(request.earliest, end, mean, mean, signal.quantity, "starts at once, as asked")


def make(host: Host | None, options: NoOptions) -> Policy:
    """Return the policy."""
    return StartNow()
