"""The greenest window of the next hours: most of the gain of the best one for a bounded wait.

Doubling the slack from 6 to 12 h less than doubles the gain, while the mean wait doubles.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from vispa_green.policies.best_mean import BestMean

if TYPE_CHECKING:
    from vispa_green.host import Host
    from vispa_green.model import GreenWindow, JobRequest, Outlook, Policy, Signal
    from vispa_green.registry import NoOptions

CAP = timedelta(hours=6)


class CappedDelay:
    """Chooses as `BestMean` does among the starts up to ``cap`` after the job was first asked about."""

    looks_at_queue = False

    def __init__(self, cap: timedelta = CAP) -> None:
        """Take the longest delay."""
        self._cap = cap
        self._best = BestMean()

    def choose(self, request: JobRequest, signal: Signal, outlook: Outlook | None = None) -> GreenWindow:
        """Return the greenest window that starts in time."""
        finish_by = min(request.finish_by, (request.asked_first or request.earliest) + self._cap + request.duration)
        window = self._best.choose(replace(request, finish_by=finish_by), signal)
        if window.start == request.earliest or finish_by == request.finish_by:
            return window
        hours = self._cap / timedelta(hours=1)
        since = "next" if request.asked_first is None else "first"
        return replace(window, reason=f"the greenest time of the {since} {hours:g} hours")


def make(host: Host | None, options: NoOptions) -> Policy:
    """Return the policy."""
    return CappedDelay()
