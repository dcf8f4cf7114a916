"""Start as soon as the grid is green enough: simple to explain, and seldom the best.

A threshold suits one grid in one year; ours is for Germany in 2025, where a third of all hours are
below 290 g/kWh (life cycle) or above 65 % of renewable energy.
"""

from __future__ import annotations

from collections.abc import Mapping

from vispa_green.model import GreenWindow, JobRequest, Outlook, Policy, Quantity, Signal
from vispa_green.policies._windows import TOO_LATE, at, at_once, candidates, is_greener, mean, sign

LIMITS = {Quantity.CARBON_INTENSITY: 290.0, Quantity.RENEWABLE_SHARE: 65.0}


class Threshold:
    """Chooses the earliest start whose window's mean reaches the limit; at once if there is none."""

    looks_at_queue = False

    def __init__(self, limits: Mapping[Quantity, float] = LIMITS) -> None:
        """Take the limit of each quantity, in its unit."""
        self._limits = dict(limits)

    def choose(self, request: JobRequest, signal: Signal, outlook: Outlook | None = None) -> GreenWindow:
        """Return the first window that is green enough and greener than starting at once."""
        latest = request.finish_by - request.duration
        if latest < request.earliest:
            return at_once(request, signal, TOO_LATE)
        limit, direction = self._limits[signal.quantity], sign(signal)
        now = mean(signal, request.earliest, request.duration)
        if now is not None and direction * now <= direction * limit:
            return at_once(request, signal, "starts at once: the grid is green enough now")
        for start in candidates(request.earliest, latest, request.duration, signal)[1:]:
            value = mean(signal, start, request.duration)
            if value is None or direction * value > direction * limit:
                continue
            if now is None or is_greener(signal, value, now):
                return at(start, request, signal, "the first time that is green enough")
        return at_once(request, signal, "starts at once: the grid is not green enough before the deadline")


def policy() -> Policy:
    """Return the policy."""
    return Threshold()
