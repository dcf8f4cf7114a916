"""Wait so long and no longer, if the grid is greener then."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from vispa_green.errors import NotCovered
from vispa_green.host import Host
from vispa_green.model import GreenWindow, JobRequest, Outlook, Policy, Signal
from vispa_green.settings import whole


@dataclass(frozen=True, slots=True)
class Options:
    """The table ``[green.foreign_policy]``."""

    wait_min: int = whole(60, at_least=1, at_most=10_000)


@dataclass(frozen=True, slots=True)
class OneWait:
    """Knows two starts: at once, and after the wait."""

    wait: timedelta
    looks_at_queue: bool = False

    def choose(self, request: JobRequest, signal: Signal, outlook: Outlook | None = None) -> GreenWindow:
        """Return the later start if it is in time and greener."""
        now, later = (_mean(signal, request, request.earliest + wait) for wait in (timedelta(0), self.wait))
        in_time = request.earliest + self.wait + request.duration <= request.finish_by
        greener = now is not None and later is not None and (later < now) is signal.quantity.lower_is_greener
        if not (in_time and greener and later != now):
            return _window(signal, request, request.earliest, now, now, "starts at once as before")
        return _window(signal, request, request.earliest + self.wait, later, now, "waits once and no more")


def _mean(signal: Signal, request: JobRequest, start: datetime) -> float | None:
    try:
        return signal.mean(start, start + request.duration)
    except NotCovered:
        return None


def _window(
    signal: Signal, request: JobRequest, start: datetime, mean: float | None, now: float | None, reason: str
) -> GreenWindow:
    return GreenWindow(start, start + request.duration, mean, now, signal.quantity, reason)


def make(host: Host | None, options: Options) -> Policy:
    """Return the policy."""
    return OneWait(timedelta(minutes=options.wait_min))
