"""Which hours pausable work should use: the greenest that suffice until a deadline, in stretches worth a start. Pure.

A start after a pause costs computing time (imports, data, what was done since the last checkpoint), so
few long stretches may be better than the very greenest quarters of an hour. The optimum is found by
dynamic programming over short slots: for each moment and each amount of work done the cheapest way
there, once with the work running and once with it paused.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import accumulate
from statistics import fmean

from vispa_green.errors import NotCovered
from vispa_green.model import Signal

SLOTS_OF_WORK = 100
"""Work is divided into at most so many slots, which bounds what planning costs."""
MOST_SLOTS = 5000
"""What is further ahead is not looked at: a fortnight and more, of which nobody knows anything."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Time in which work runs without a pause."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class PausableWork:
    """Computing time that is needed until a deadline, at most, and what a pause costs of it."""

    left: timedelta
    finish_by: datetime
    restart: timedelta = timedelta(minutes=10)
    """Computing time that each start but the first costs on top; stretches and pauses last at least thrice that."""

    @property
    def slot(self) -> timedelta:
        """The resolution of a plan; it does not depend on the deadline, so a later one is never worse."""
        return max(self.restart / 2, self.left / SLOTS_OF_WORK)


@dataclass(frozen=True, slots=True)
class Terms:
    """The same in slots."""

    work: int
    restart: int
    shortest: int

    @property
    def first(self) -> int:
        """The least length of the first stretch."""
        return min(self.shortest, self.work)

    @property
    def later(self) -> int:
        """The least length of any other, its restart included; less than `shortest` if all work needs less."""
        return min(max(self.shortest, self.restart + 1), self.restart + self.work)


def stretches(work: PausableWork, now: datetime, signal: Signal) -> tuple[Stretch, ...]:
    """Return when to run, in order; one stretch from now on where nothing is known, greener or in time.

    What is unknown within the span is taken to be as green as the known part is on average.
    """
    through = (Stretch(now, now + work.left),)
    slot = work.slot
    if work.left <= timedelta(0):
        return through
    count = min((work.finish_by - now) // slot, MOST_SLOTS)
    terms = Terms(
        math.ceil(work.left / slot), math.ceil(work.restart / slot), max(1, math.ceil(3 * work.restart / slot))
    )
    if count < terms.work:
        return through
    dirtiness = _dirtiness(signal, now, slot, count)
    if dirtiness is None:
        return through
    return tuple(Stretch(now + first * slot, now + last * slot) for first, last in cheapest(dirtiness, terms))


def cheapest(dirtiness: Sequence[float], terms: Terms) -> list[tuple[int, int]]:
    """Return the stretches ``[first, last)`` with the least sum of ``dirtiness`` (≥ 0) in which the work is done.

    Restarts do no work but count in the sum. Of equals, the one that pauses less and ends earlier.
    """
    table = _Table(list(accumulate(dirtiness, initial=0.0)), terms)
    for moment in range(len(dirtiness) + 1):
        table.add(moment)
    return table.best()


@dataclass(slots=True)
class _Table:
    """By moment and work done: the least sum, and how it came about."""

    area: list[float]
    terms: Terms
    running: list[list[float]] = field(default_factory=list)
    """Within a stretch that is long enough to end here."""
    paused: list[list[float]] = field(default_factory=list)
    """After a pause that is long enough to end here."""
    began: list[list[bool]] = field(default_factory=list)
    """Whether the stretch has only just become long enough."""
    stopped: list[list[bool]] = field(default_factory=list)
    """Whether the pause has only just become long enough."""

    def add(self, moment: int) -> None:
        terms, size = self.terms, self.terms.work + 1
        running, began = [math.inf] * size, [False] * size
        if moment:
            dirtiness = self.area[moment] - self.area[moment - 1]
            running = [math.inf, *(value + dirtiness for value in self.running[-1][:-1])]
        if moment == terms.first or moment >= terms.first + terms.shortest:  # now, or after a wait worth it
            running[terms.first] = self.area[moment] - self.area[moment - terms.first]
            began[terms.first] = True
        if moment >= terms.later:
            gain, dirtiness = terms.later - terms.restart, self.area[moment] - self.area[moment - terms.later]
            for done, value in enumerate(self.paused[moment - terms.later][: size - gain], gain):
                if value + dirtiness < running[done]:
                    running[done], began[done] = value + dirtiness, True
        self.running.append(running)
        self.began.append(began)
        self._add_paused(moment, size)

    def _add_paused(self, moment: int, size: int) -> None:
        paused, stopped = list(self.paused[-1]) if moment else [math.inf] * size, [False] * size
        if moment >= self.terms.shortest:
            for done, value in enumerate(self.running[moment - self.terms.shortest]):
                if value < paused[done]:
                    paused[done], stopped[done] = value, True
        self.paused.append(paused)
        self.stopped.append(stopped)

    def best(self) -> list[tuple[int, int]]:
        """Go back from the earliest best end."""
        done = self.terms.work
        ends = [row[done] for row in self.running]
        moment = ends.index(min(ends))
        found: list[tuple[int, int]] = []
        while True:
            last = moment
            while not self.began[moment][done]:
                moment, done = moment - 1, done - 1
            if done == self.terms.first:  # after another stretch more is done
                return [(moment - done, last), *reversed(found)]
            moment, done = moment - self.terms.later, done - self.terms.later + self.terms.restart
            found.append((moment, last))
            while not self.stopped[moment][done]:
                moment -= 1
            moment -= self.terms.shortest


def _dirtiness(signal: Signal, now: datetime, slot: timedelta, count: int) -> list[float] | None:
    """Return how dirty each slot is, ``None`` if nothing is known: g/kWh, or what is not renewable.

    The share is of the load, so it may exceed 100 %.
    """
    values = [_mean(signal, now + number * slot, now + (number + 1) * slot) for number in range(count)]
    known = [value for value in values if value is not None]
    if not known:
        return None
    usual = fmean(known)
    filled = [usual if value is None else value for value in values]
    if signal.quantity.lower_is_greener:
        return filled
    most = max(100.0, *filled)
    return [most - value for value in filled]


def _mean(signal: Signal, start: datetime, end: datetime) -> float | None:
    try:
        return signal.mean(start, end)
    except NotCovered:
        return None
