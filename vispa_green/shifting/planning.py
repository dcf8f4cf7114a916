"""When a job should start: its length, its deadline and what is known of the grid, to a window. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from vispa_green.errors import NotCovered, UsageError
from vispa_green.model import GreenWindow, JobRequest, Quantity

if TYPE_CHECKING:
    from vispa_green.model import Outlook, Policy, Signal

PREFERENCE = (Quantity.CARBON_INTENSITY, Quantity.RENEWABLE_SHARE)
"""Plan by grams; where no window is known in grams, by the renewable share."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a user wants: at least one limit, or the job starts at once. ``queue_margin`` is the site's.

    ``max_delay`` bounds the planned start, ``finish_by`` the end; with both, the tighter holds. The
    margin is time kept for waiting in the queue, so a plan ends that much before its limit.
    """

    duration: timedelta
    finish_by: datetime | None = None
    max_delay: timedelta | None = None
    queue_margin: timedelta = timedelta(0)
    cpus: int = 1

    def request(self, now: datetime) -> JobRequest:
        """Return what the policy is asked for a job submitted ``now``."""
        if self.duration <= timedelta(0):
            raise UsageError("a job to be planned needs a length greater than zero")
        limits = [self.finish_by] if self.finish_by is not None else []
        if self.max_delay is not None:
            limits.append(now + self.max_delay + self.duration)
        finish_by = min(limits) - self.queue_margin if limits else now + self.duration
        return JobRequest(self.duration, now, finish_by, self.cpus)


@dataclass(frozen=True, slots=True)
class GridMeans:
    """What is known of the grid over one window; ``None`` where it is not known throughout."""

    gco2_per_kwh: float | None
    renewable_share_pct: float | None


@dataclass(frozen=True, slots=True)
class Plan:
    """A window with what it was chosen from and what starting at once would mean."""

    window: GreenWindow
    request: JobRequest
    policy: str
    means: GridMeans
    means_if_started_now: GridMeans

    @property
    def is_shifted(self) -> bool:
        """Whether the job starts later than it could."""
        return self.window.start > self.request.earliest

    @property
    def saving_pct(self) -> float | None:
        """How much less CO2 the same energy makes than at once, in percent; ``None`` if either is unknown."""
        now, then = self.means_if_started_now.gco2_per_kwh, self.means.gco2_per_kwh
        return None if not now or then is None else 100 * (1 - then / now)


def plan(
    wish: Wish,
    now: datetime,
    signals: Mapping[Quantity, Signal],
    policy_name: str,
    policy: Policy,
    outlook: Outlook | None = None,
) -> Plan:
    """Return where the policy would start the job; at once, with a reason, where nothing is known.

    ``outlook`` is the machine ahead, for policies that look at the queue. Raise `UsageError` for a job
    without a length.
    """
    request = wish.request(now)
    window = choose(request, signals, policy, outlook)
    if wish.finish_by is None and wish.max_delay is None:
        window = replace(window, reason="starts at once: neither a deadline nor a delay was allowed")
    return Plan(
        window,
        request,
        policy_name,
        _means(signals, window.start, window.end),
        _means(signals, now, now + wish.duration),
    )


def choose(
    request: JobRequest, signals: Mapping[Quantity, Signal], policy: Policy, outlook: Outlook | None
) -> GreenWindow:
    """Return the policy's window, in the first quantity of `PREFERENCE` in which it knows its mean."""
    windows = [policy.choose(request, signals[quantity], outlook) for quantity in PREFERENCE if quantity in signals]
    if not windows:
        end = request.earliest + request.duration
        reason = "starts at once: no grid data are at hand"
        return GreenWindow(request.earliest, end, None, None, PREFERENCE[0], reason)
    return next((window for window in windows if window.mean is not None), windows[0])


def _means(signals: Mapping[Quantity, Signal], start: datetime, end: datetime) -> GridMeans:
    known: dict[Quantity, float | None] = {}
    for quantity in Quantity:
        try:
            known[quantity] = signals[quantity].mean(start, end)
        except (KeyError, NotCovered):
            known[quantity] = None
    return GridMeans(known[Quantity.CARBON_INTENSITY], known[Quantity.RENEWABLE_SHARE])
