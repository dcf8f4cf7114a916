"""Start where the mean over the job's whole length is greenest: the exact optimum, not a grid search."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vispa_green.model import GreenWindow
from vispa_green.policies._windows import NOTHING_GREENER, TIE, TOO_LATE, at_once, candidates, mean, sign, unknown

if TYPE_CHECKING:
    from vispa_green.host import Host
    from vispa_green.model import JobRequest, Outlook, Policy, Signal
    from vispa_green.registry import NoOptions


class BestMean:
    """Chooses among all starts in ``[earliest, finish_by - duration]`` whose windows are wholly known."""

    looks_at_queue = False

    def choose(self, request: JobRequest, signal: Signal, outlook: Outlook | None = None) -> GreenWindow:
        """Return the greenest window, the earliest of equals; at ``request.earliest`` if none is better."""
        latest = request.finish_by - request.duration
        if latest < request.earliest:
            return at_once(request, signal, TOO_LATE)
        known = [
            (start, value)
            for start in candidates(request.earliest, latest, request.duration, signal)
            if (value := mean(signal, start, request.duration)) is not None
        ]
        if not known:
            return at_once(request, signal, unknown(request, signal))
        direction = sign(signal)
        best = min(direction * value for _, value in known)
        tolerance = TIE * max(1.0, abs(best))
        start, value = next((start, value) for start, value in known if direction * value <= best + tolerance)
        if start == request.earliest:
            return at_once(request, signal, NOTHING_GREENER)
        now_mean = known[0][1] if known[0][0] == request.earliest else None
        reason = "the greenest time before the deadline"
        if now_mean is None:
            reason += ", among those the grid data cover"
        return GreenWindow(start, start + request.duration, value, now_mean, signal.quantity, reason)


def make(host: Host | None, options: NoOptions) -> Policy:
    """Return the policy."""
    return BestMean()
