"""Hold only what moves the machine's load, as long as that is worth the wait; leave room for others.

What a delay saves is not the job's own gain but the change of the machine's load N: ∫ (N0 − N1) ×
intensity dt. So a delay is compared with when the job would *really* start behind the queue, and counts
only as far as there is room for the job at its new time: what is running, waiting and already held for
that time is in the way, and some CPUs stay in reserve for those who have not asked yet. And nearly all
CO2 is in few jobs (on KTH and HPC2N a fifth of the jobs is nine tenths of the work), so each hour of a
user's waiting has a price: small jobs start at once, large ones wait as long as the grid pays for it.

A job that was held yields: on release it would stand before all who came later, so it goes on waiting
for free CPUs (never past its deadline) instead of pushing others aside. Ask again every few minutes
until the window begins; each answer takes what has happened since into account, and what was waited
already is no reason to wait on. Figures: docs/simulation/queue-aware.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import Enum
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from vispa_green.model import Quantity
from vispa_green.policies._windows import (
    NOTHING_GREENER,
    TOO_LATE,
    at,
    at_once,
    candidates,
    is_greener,
    mean,
    sign,
    unknown,
)
from vispa_green.policies.best_mean import BestMean
from vispa_green.shifting.outlook import LIMIT_USED

if TYPE_CHECKING:
    from vispa_green.host import Host
    from vispa_green.model import GreenWindow, JobRequest, Outlook, Policy, Signal
    from vispa_green.registry import NoOptions

PRICE: Mapping[Quantity, float] = {Quantity.CARBON_INTENSITY: 2.5, Quantity.RENEWABLE_SHARE: 0.35}
"""What an hour of waiting must save: so much less of the signal, in its unit, for the whole busy machine's hour.

That is about 0.6 % of a year's mean in Germany. On a machine of 240 CPUs, a job of 30 CPU-hours waits
five hours if that makes it 100 g/kWh greener, and one of 3 CPU-hours half an hour.
"""

PATIENCE = timedelta(minutes=15)
"""A job that waits for room is to be asked about again after so long: jobs end before their limits."""


class Hindrance(Enum):
    """Why a delay does not pay, as far as the grid alone tells."""

    GRID_UNKNOWN = "grid unknown"
    TOO_SMALL = "too small"
    """No start is greener by enough to be worth its wait."""
    MACHINE = "machine"
    """One is, so it is for the machine ahead to say whether there is room for the job then."""


class Start(NamedTuple):
    """A start with its cost: CPU-seconds × the signal's unit, smaller being greener, and the price of the wait."""

    cost: float
    moment: datetime


class QueueAware:
    """Weighs each start's gain on the machine's load against the wait."""

    looks_at_queue = True

    def __init__(self, price: Mapping[Quantity, float] = PRICE) -> None:
        """Take the price of an hour's waiting; 0: any gain is worth any wait within the deadline."""
        self._price = dict(price)
        self._best = BestMean()
        self._steepest: tuple[Signal, float, float] | None = None  # of the last signal: it serves many jobs

    def choose(self, request: JobRequest, signal: Signal, outlook: Outlook | None = None) -> GreenWindow:
        """Return the window with the best balance; that of `BestMean` where the queue is not known."""
        if outlook is None:
            return self._best.choose(request, signal)
        latest = request.finish_by - request.duration
        if latest < request.earliest:
            return at_once(request, signal, TOO_LATE)
        hindrance = Hindrance.TOO_SMALL
        if self._may_pay(request, signal, outlook):
            starts = self._starts(request, latest, signal, outlook)
            hindrance = _hindrance(starts)
        if hindrance is Hindrance.MACHINE:
            moment = self._best_start(request, signal, outlook, starts)
            if moment > request.earliest:
                return at(moment, request, signal, "what it saves on the machine's load is worth the wait")
        if request.is_held and (room := _room(request, latest, outlook)) > request.earliest:
            return at(room, request, signal, "waits for free CPUs: it was held, and pushes nobody aside")
        return at_once(request, signal, _told(hindrance, request, signal))

    def _may_pay(self, request: JobRequest, signal: Signal, outlook: Outlook) -> bool:
        """Say whether any delay could be worth its price at all; most jobs are too small, whatever the grid does.

        Between two starts d apart the mean over a length L differs by at most J (d/h + 1), and by at most
        d/L × J (L/h + 1), where J is the largest jump of the signal and h its shortest step. So no delay
        pays if the job's CPUs × J (L/h + 1) are within the price.
        """
        if self._steepest is None or self._steepest[0] is not signal:
            self._steepest = (signal, *_steepest(signal))
        _, jump, step_s = self._steepest
        most = request.cpus * jump * (_expected(request).total_seconds() / step_s + 1)
        return most * (1 + 1e-6) >= self._price[signal.quantity] * outlook.cpus

    def _starts(self, request: JobRequest, latest: datetime, signal: Signal, outlook: Outlook) -> list[Start]:
        """Return the starts whose grid is known, in order of time, as if there were room for all."""
        length = _expected(request)
        moments = candidates(request.earliest, latest, length, signal)
        per_second = self._price[signal.quantity] * outlook.cpus
        work = sign(signal) * request.cpus * length.total_seconds()
        earliest = request.earliest
        return [
            Start(work * value + per_second * (moment - earliest).total_seconds(), moment)
            for moment in moments
            if (value := mean(signal, moment, length)) is not None
        ]

    def _best_start(self, request: JobRequest, signal: Signal, outlook: Outlook, starts: Sequence[Start]) -> datetime:
        """Return the start of the least cost; without room at its time a delay gains nothing."""
        width, length = min(request.cpus, outlook.cpus), _expected(request)
        queued = outlook.earliest(width, length)
        now = _cost_at(queued, starts)
        if now is None:
            return request.earliest
        best, chosen = now, request.earliest
        for cost, moment in sorted(starts):
            if cost >= best - 1e-9 * abs(best):
                break
            if moment <= queued:
                continue
            missing = outlook.crowding(width, moment, moment + length)
            real = missing * now + (1 - missing) * cost
            if real < best and _is_greener_than_from(queued, request, signal, moment):
                best, chosen = real, moment
        return chosen


def make(host: Host | None, options: NoOptions) -> Policy:
    """Return the policy."""
    return QueueAware()


def _expected(request: JobRequest) -> timedelta:
    """Return how long the job is likely to run, in whole seconds."""
    return max(timedelta(seconds=1), timedelta(seconds=round(request.duration.total_seconds() * LIMIT_USED)))


def _some_delay_pays(starts: Sequence[Start]) -> bool:
    """Say whether any start is better than an earlier one; if not, the queue need not be looked at."""
    worst = starts[0].cost
    for cost, _ in starts:
        if cost >= worst:
            worst = cost
        elif cost < worst - 1e-9 * abs(worst):
            return True
    return False


def _cost_at(moment: datetime, starts: Sequence[Start]) -> float | None:
    """Return the cost of a start between two known ones; ``None`` past the last: no delay helps there."""
    before: Start | None = None
    for start in starts:
        if start.moment >= moment:
            if before is None or start.moment == moment:
                return start.cost
            part = (moment - before.moment) / (start.moment - before.moment)
            return before.cost + part * (start.cost - before.cost)
        before = start
    return None


def _is_greener_than_from(queued: datetime, request: JobRequest, signal: Signal, moment: datetime) -> bool:
    """Say whether the window, as long as the user was told, is known and greener than behind the queue."""
    then, before = mean(signal, moment, request.duration), mean(signal, queued, request.duration)
    return then is not None and (before is None or is_greener(signal, then, before))


def _room(request: JobRequest, latest: datetime, outlook: Outlook) -> datetime:
    """Return when there is room for the job and half the reserve beside it, or else when to look again."""
    width = min(request.cpus + outlook.reserve_cpus // 2, outlook.cpus)
    return min(latest, request.earliest + PATIENCE, outlook.earliest(width, _expected(request)))


def _hindrance(starts: Sequence[Start]) -> Hindrance:
    if not starts:
        return Hindrance.GRID_UNKNOWN
    return Hindrance.MACHINE if _some_delay_pays(starts) else Hindrance.TOO_SMALL


def _told(hindrance: Hindrance, request: JobRequest, signal: Signal) -> str:
    """Return why the job starts at once, in the user's words."""
    if hindrance is Hindrance.GRID_UNKNOWN:
        return unknown(request, signal)
    if hindrance is Hindrance.TOO_SMALL:
        return f"{NOTHING_GREENER} by enough to be worth the wait"
    return "starts at once: no later start moves enough of the machine's load"


def _steepest(signal: Signal) -> tuple[float, float]:
    """Return the largest difference between neighbouring values, and the shortest step in seconds."""
    values = [
        (start, value)
        for start, end in pairwise(signal.edges)
        if (value := mean(signal, start, end - start)) is not None
    ]
    jump = max((abs(other - value) for (_, value), (_, other) in pairwise(values)), default=0.0)
    steps = ((end - start).total_seconds() for start, end in pairwise(signal.edges))
    return jump, min(steps, default=1.0)
