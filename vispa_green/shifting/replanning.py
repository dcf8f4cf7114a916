"""Whether a job that waits for its planned start gets another one, now that more is known. Pure.

A start is moved to one that is greener by what is known now, by enough that plans do not flutter, or that
is as green and earlier; never past the promised end. So while a forecast stands, jobs come to rest, whatever
they do to each other's queue. What somebody else decided about a job since it was submitted wins: a begin
time changed by hand, a hold, a start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from vispa_green.errors import NotCovered
from vispa_green.model import JobRequest, Move, Outlook, Policy, Promise, Quantity, QueueEntry, Signal
from vispa_green.shifting.planning import PREFERENCE, choose
from vispa_green.shifting.promises import PromiseKind, kind_of, last_planned

MIN_GAIN = 0.01
"""A plan is not changed for less than this part of its mean, so that it does not follow every small correction."""

MIN_SHIFT = timedelta(minutes=5)

ROUNDING = timedelta(seconds=10)
"""So much later than we meant a job may begin: Slurm's command counts ``now+N`` again, from when it has started."""

_SECOND = timedelta(seconds=1)
_LIMIT_STEP = timedelta(minutes=1)  # Slurm rounds time limits up to minutes
_TIE = 1e-9


@dataclass(frozen=True, slots=True)
class Held:
    """A job that waits for the start it was given, and what was promised about it."""

    promise: Promise
    finish_by: datetime
    begin: datetime
    length: timedelta
    """As promised, or the job's time limit where that has been raised since."""
    cpus: int

    @property
    def latest(self) -> datetime:
        """The last start with which it is done as promised."""
        return self.finish_by - self.length


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """A job whose start is not ours to change (any more)."""

    reason: str


@dataclass(frozen=True, slots=True)
class Decision:
    """The new start, ``None`` to leave the old one, and why. Means are over the job's length at either start."""

    start: datetime | None
    reason: str
    quantity: Quantity
    mean_before: float | None = None
    mean_after: float | None = None


def held(promise: Promise, moves: Sequence[Move], entries: Sequence[QueueEntry], now: datetime) -> Held | LeftAlone:
    """Return the job as it waits, or why it is left alone; ``entries`` are its own, as the queue shows them now.

    ``moves`` may be those of any promises.
    """
    if hindrance := _hindrance(promise, entries):
        return LeftAlone(hindrance)
    begins = [entry.begin for entry in entries if entry.begin is not None]
    if not begins:
        return LeftAlone("Slurm gives it no begin time yet: it waits for something else first")
    if len(begins) < len(entries) or max(begins) - min(begins) > ROUNDING:
        return LeftAlone("its tasks have begin times of their own, so somebody changed one: that wins")
    begin, planned = max(begins), last_planned(promise, moves)
    if begin <= now:
        return LeftAlone("its time has come, it waits for CPUs")
    if promise.finish_by is None or not -_SECOND <= begin - planned <= ROUNDING:
        return LeftAlone("its begin time is not the planned one, so somebody changed it: that wins")
    limits = [entry.time_limit for entry in entries if entry.time_limit is not None]
    length = max((limit for limit in limits if limit - promise.duration >= _LIMIT_STEP), default=promise.duration)
    is_het = any("+" in entry.display_id for entry in entries)
    cpus = sum(entry.cpus for entry in entries) if is_het else max(entry.cpus for entry in entries)
    return Held(promise, promise.finish_by, begin, length, cpus)


_STOPPED = ("JobHeld", "JobHold", "DependencyNeverSatisfied")
"""Slurm's reasons of jobs that no passing of time will start."""


def _hindrance(promise: Promise, entries: Sequence[QueueEntry]) -> str:
    """Return why a job does not wait for a time, or not for ours; empty if it does."""
    if kind_of(promise) is PromiseKind.PAUSING:
        return "it pauses and goes on by its own plan of green hours"
    if not entries or any(entry.user != promise.user for entry in entries):
        return "it is not in the queue any more"
    if any(entry.state != "PENDING" for entry in entries):
        return "it has started or ended"
    stopped = next((entry.reason for entry in entries if entry.reason.startswith(_STOPPED)), "")
    return stopped and f"it does not wait for its time only ({stopped})"


def decide(
    job: Held, now: datetime, signals: Mapping[Quantity, Signal], policy: Policy, outlook: Outlook | None = None
) -> Decision:
    """Return where the job starts by what is known ``now``; ``outlook`` is the machine ahead without this job.

    What counts is the first quantity of `PREFERENCE` that is known where it would start as things stand.
    """
    request = JobRequest(
        job.length, now, job.finish_by, job.cpus, is_held=True, asked_first=min(now, job.promise.submitted)
    )
    known = [quantity for quantity in PREFERENCE if _mean(signals.get(quantity), job.begin, job.length) is not None]
    window = choose(request, {quantity: signals[quantity] for quantity in known[:1]} or signals, policy, outlook)
    signal = signals.get(window.quantity)
    before = _mean(signal, job.begin, job.length)
    if job.begin > job.latest + ROUNDING:
        return _in_time(job, now, signal, Decision(window.start, window.reason, window.quantity, before, window.mean))
    if before is None or window.mean is None:
        return Decision(None, "the grid is not known at its start or not at any other", window.quantity, before)
    gain = before - window.mean if window.quantity.lower_is_greener else window.mean - before
    tie = _TIE * max(1.0, abs(before))
    is_greener = gain > tie and gain >= MIN_GAIN * abs(before)
    is_sooner = window.start < job.begin and gain >= -tie
    if abs(window.start - job.begin) >= MIN_SHIFT and (is_greener or is_sooner):
        why = window.reason if is_greener else "as green, and earlier"
        return Decision(window.start, why, window.quantity, before, window.mean)
    return Decision(None, f"no start is greener by {MIN_GAIN:.0%} or as green and earlier", window.quantity, before)


def _in_time(job: Held, now: datetime, signal: Signal | None, wanted: Decision) -> Decision:
    """Return a start with which the job is done as promised after all: the last, unless ``wanted`` is greener."""
    start = max(now, job.latest)
    mean = _mean(signal, start, job.length)
    if wanted.start is not None and wanted.start < start and mean is not None and wanted.mean_after is not None:
        sign = 1 if wanted.quantity.lower_is_greener else -1
        if sign * wanted.mean_after < sign * mean:
            start, mean = wanted.start, wanted.mean_after
    why = (
        "earlier, to be done as promised"
        if start + job.length <= job.finish_by
        else "at once: it may be late even so"
    )
    return Decision(start, why, wanted.quantity, wanted.mean_before, mean)


def _mean(signal: Signal | None, start: datetime, length: timedelta) -> float | None:
    try:
        return None if signal is None else signal.mean(start, start + length)
    except NotCovered:
        return None
