"""Runs that compute in green hours only: until when a segment may run, and when the next is to begin.

Nothing here may cost a run: what goes wrong with planning is a sentence, and the segment runs through.
"""

from __future__ import annotations

import getpass
import operator
import os
from collections.abc import Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from vispa_green.answers.grid import ledger_of, what_is_known
from vispa_green.errors import NotCovered
from vispa_green.model import Promise, Signal
from vispa_green.session import Session
from vispa_green.shifting.planning import PREFERENCE
from vispa_green.shifting.promises import PAUSING
from vispa_green.shifting.stretches import PausableWork, Stretch, stretches
from vispa_green.times.local_zone import local_zone
from vispa_green.times.slurm_time import finite_duration, parse_duration, parse_time
from vispa_green.times.time_limit import within
from vispa_green_jobs.files import write_whole
from vispa_green_jobs.record import Segment, moment

FILE = "resume-at"
"""In the run's folder while it is paused for green hours; the batch script reads it."""

PLANNING_LIMIT_S = 60.0
"""A node without a way to the internet finds that out slowly; the ledger may know the grid all the same."""
_SECOND = timedelta(seconds=1)
EARLY = timedelta(seconds=60)
"""A segment that began so long before its planned start was not held back by Slurm."""


@dataclass(frozen=True, slots=True)
class GreenHours:
    """What a user allows: be done by then, with at most so much computing time, restarts not counted."""

    finish_by: datetime
    work: timedelta
    restart: timedelta

    @classmethod
    def of(cls, finish_by: str | None, max_delay: str | None, work: str, restart: str, now: datetime) -> GreenHours:
        """Read what a user said, one limit at least; raise `UsageError` for what is no time or no finite length."""
        length, limits = finite_duration(work, "its work", least=_SECOND), []
        if finish_by is not None:
            limits.append(_moment_of(finish_by, now))
        if max_delay is not None:
            limits.append(now + finite_duration(max_delay, "its longest delay", least=_SECOND) + length)
        return cls(min(limits), length, finite_duration(restart, "a restart", least=_SECOND))

    @property
    def options(self) -> tuple[str, ...]:
        """The same for a command line of any later time, in any time zone."""
        end = f"{self.finish_by.astimezone(UTC):%Y-%m-%dT%H:%M:%S}+00:00"
        work_s, restart_s = (round(length.total_seconds()) for length in (self.work, self.restart))
        return (f"--finish-by={end}", f"--work={work_s}s", f"--restart-costs={restart_s}s")

    def left(self, segments: Sequence[Segment]) -> timedelta:
        """Return the computing time that is still needed at most; a segment's restart did no work."""
        left = self.work
        for number, segment in enumerate(segments):
            if segment.end is not None:
                ran = moment(segment.end) - moment(segment.start)
                left -= max(timedelta(0), ran - (self.restart if number else timedelta(0)))
        return left + (self.restart if segments else timedelta(0))


@dataclass(frozen=True, slots=True)
class Allowance:
    """How long a segment may run, and when the run goes on; without times it runs to its end."""

    until: datetime | None = None
    resume_at: datetime | None = None
    why: str = ""

    def is_over(self, now: datetime) -> bool:
        """Whether its time has passed."""
        return self.until is not None and now >= self.until


def allowance(hours: GreenHours, before: Sequence[Segment], session: Session, now: datetime) -> Allowance:
    """Plan a segment that begins ``now``, after those ``before``; never raise."""
    if not _starts_are_kept(before, now):
        return Allowance(why="runs through: it was started earlier than planned")
    left = hours.left(before)
    if left <= timedelta(0):
        return Allowance(why="runs through: it needs longer than --work said")
    try:
        return _planned(hours, left, session, now)
    except Exception as error:  # noqa: BLE001 - no fault of the planning may stop a training
        return Allowance(why=f"runs through: {error}")


@dataclass(frozen=True, slots=True)
class FirstPlan:
    """What a submission is told, and promised if the grid is known for all of it."""

    begin: datetime | None
    """``None`` is at once."""
    why: str
    promise: Promise | None = None
    """Without its job's id, which only Slurm knows."""


def first_plan(hours: GreenHours, session: Session, now: datetime) -> FirstPlan:
    """Plan the whole run as of its submission; never raise."""
    try:
        signal, found = _found(hours, hours.left(()), session, now)
    except Exception as error:  # noqa: BLE001 - no fault of the planning may stop a submission
        return FirstPlan(None, f"runs through: {error}")
    told = _told(signal, found, now)
    begin = found[0].start if found[0].start > now else None
    return FirstPlan(begin, told.why, _promise(hours, signal, found, told.why, now) if signal else None)


def _promise(hours: GreenHours, signal: Signal, found: Sequence[Stretch], why: str, now: datetime) -> Promise | None:
    lengths_s = [(stretch.end - stretch.start).total_seconds() for stretch in found]
    try:
        means = [signal.mean(stretch.start, stretch.end) for stretch in found]
        at_once = signal.mean(now, now + hours.work)
    except NotCovered:
        return None
    mean = sum(map(operator.mul, means, lengths_s)) / sum(lengths_s)
    user, start = getpass.getuser(), found[0].start
    return Promise("", user, now, start, hours.work, hours.finish_by, signal.quantity, mean, at_once, PAUSING, why)


def _planned(hours: GreenHours, left: timedelta, session: Session, now: datetime) -> Allowance:
    return _told(*_found(hours, left, session, now), now)


def _found(
    hours: GreenHours, left: timedelta, session: Session, now: datetime
) -> tuple[Signal | None, tuple[Stretch, ...]]:
    margin = parse_duration(session.config.green.queue_margin) or timedelta(0)
    signal = within(PLANNING_LIMIT_S, lambda: _signal(session, now, hours.finish_by))
    if signal is None:
        return None, (Stretch(now, now + left),)
    return signal, stretches(PausableWork(left, hours.finish_by - margin, hours.restart), now, signal)


def _told(signal: Signal | None, found: Sequence[Stretch], now: datetime) -> Allowance:
    if signal is None:
        return Allowance(why="runs through: no grid data are at hand")
    if found[0].start > now:
        return Allowance(now, found[0].start, f"waits for {_shown(found[0].start)}")
    if len(found) == 1:
        return Allowance(why="runs through: no pause is worth it, or there is no time for one")
    until, resume_at = found[0].end, found[1].start
    return Allowance(until, resume_at, f"runs until {_shown(until)}, goes on {_shown(resume_at)}")


def forget(out: Path) -> None:
    """Remove the last plan's start: a segment has begun."""
    (out / FILE).unlink(missing_ok=True)


def keep(resume_at: datetime, out: Path) -> None:
    """Leave the planned start for who starts the next segment: to the second, so it is not early."""
    text = f"{resume_at + timedelta(seconds=1):%Y-%m-%dT%H:%M:%S+00:00}\n"
    write_whole(out / FILE, lambda path: path.write_text(text))


def _starts_are_kept(before: Sequence[Segment], now: datetime) -> bool:
    starts = [*(moment(segment.start) for segment in before), now]
    asked = [segment.resume_at for segment in before]
    return all(
        wanted is None or start >= moment(wanted) - EARLY
        for wanted, (_, start) in zip(asked, pairwise(starts), strict=True)
    )


def _signal(session: Session, now: datetime, end: datetime) -> Signal | None:
    if end <= now:
        return None
    ledger = ledger_of(session)
    with closing(ledger) if ledger is not None else nullcontext():
        known = what_is_known(now, end, config=session.config, ledger=ledger, now=now)
    signals = known.signals()
    return next((signals[quantity] for quantity in PREFERENCE if quantity in signals), None)


def _moment_of(text: str, now: datetime) -> datetime:
    try:
        exact = datetime.fromisoformat(text)
    except ValueError:
        return parse_time(text, now, local_zone(os.environ))
    return parse_time(text, now, local_zone(os.environ)) if exact.tzinfo is None else exact.astimezone(UTC)


def _shown(when: datetime) -> str:
    return f"{when.astimezone(local_zone(os.environ)):%a %d %b %H:%M:%S}"
