"""Start as soon as the grid is green enough: simple to explain, and seldom the best.

A threshold suits one grid in one year; the defaults are for Germany in 2025, where a third of all hours are
below 290 g/kWh (life cycle) or above 65 % of renewable energy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vispa_green.model import Quantity
from vispa_green.policies._windows import TOO_LATE, at, at_once, candidates, is_greener, mean, sign
from vispa_green.settings import number

if TYPE_CHECKING:
    from vispa_green.host import Host
    from vispa_green.model import GreenWindow, JobRequest, Outlook, Policy, Signal


@dataclass(frozen=True, slots=True)
class Options:
    """The table ``[green.threshold]``: from where on the grid is green enough."""

    gco2_per_kwh: float = number(290.0, above=0)
    renewable_share_pct: float = number(65.0, above=0)


class Threshold:
    """Chooses the earliest start whose window's mean reaches the limit; at once if there is none."""

    looks_at_queue = False

    def __init__(self, limits: Mapping[Quantity, float]) -> None:
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


def make(host: Host | None, options: Options) -> Policy:
    """Return the policy."""
    return Threshold(
        {Quantity.CARBON_INTENSITY: options.gco2_per_kwh, Quantity.RENEWABLE_SHARE: options.renewable_share_pct}
    )
