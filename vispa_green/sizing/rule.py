"""What to ask for, from what earlier runs of like jobs used: the most of them, with a margin. Pure.

A run that was ended at what it had asked for says that more is needed. Runs count until they expire. What was
used in a run grows with its CPUs where that shows, and where there is no run with as many as are wanted now.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

EXPIRY = timedelta(days=90)
"""What a run used says nothing of jobs that are submitted later than this after its end."""
LEAST_RUNS = 15
"""Fewer runs of which it is known what they used are no ground for advice."""
MOST_UNKNOWN = 0.1
"""Nor are runs of which it is not known for more than this part: the largest may be among them."""
MOST_SURPRISES = 1
"""Nor are those that used more than the rule would have said, more often than this: there is no rule to them."""
REACHED, NEAR = 3, 1.1
"""Nor is the most that was used if fewer runs than this came near it: it is no bound to what may come."""
RUNS_AFTER_JUMP = 100
"""For so many runs it counts that one used more than all before it."""
STEADY_RUNS, STEADY = 30, 1.05
"""Jobs are steady when so many runs were no more than this above those before: they need no more reserve than a
tenth of what they use."""
WORTH_IT = 0.9
"""Advice that is no less than this part of what was asked for is not worth a risk."""
GROWS = 1.1
"""Runs with more CPUs that used this much more show that use grows with CPUs."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run that is over: what it asked for and used of one thing, on each node; ``None`` is not known."""

    submitted: datetime
    ended: datetime
    asked: float | None
    used: float | None
    """The most of one node, or an upper bound of that."""
    was_cut: bool = False
    """It was ended because it used all that it had asked for."""
    is_whole: bool = True
    """It ran to its end; else it might have used more."""
    cpus: int = 1
    nodes: int = 1
    hours: float = 1.0


@dataclass(frozen=True, slots=True)
class Rule:
    """The most that was used × ``margin`` + ``reserve``; after a cut at least what it had × ``after_cut``."""

    margin: float
    reserve: float
    after_cut: float
    grows_with_cpus: bool = False


MEMORY = Rule(margin=1.1, reserve=512, after_cut=1.5, grows_with_cpus=True)
"""In MiB."""
TIME = Rule(margin=1.25, reserve=600, after_cut=2.0)
"""In seconds."""
CPUS = Rule(margin=1.0, reserve=0, after_cut=1.0)
"""In CPUs kept busy in the mean of a run; fewer than are wanted slow a job down and end none."""


class Ground(StrEnum):
    """Why something else than what was asked for is advised, or why not."""

    LESS = "less is enough"
    MORE = "runs were ended at what they had asked for"
    AS_ASKED = "what is asked for fits"
    FEW_RUNS = "too few runs"
    NOT_KNOWN = "what was used is not known of all runs"
    OPEN = "the largest run stands alone"
    SURPRISING = "runs used more than the rule would have said"


@dataclass(frozen=True, slots=True)
class Advice:
    """What to ask for on each node, ``None`` where that is left as it is; and what it rests on."""

    amount: int | None
    ground: Ground
    runs: int
    """That are over, not expired, and of which it is known what they used."""
    most_used: float | None
    cuts: int
    """How many runs were ended at what they had asked for."""


class Past:
    """The runs of like jobs as far as they are over, taken in by the order of their ends."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._known: deque[datetime] = deque()
        self._unknown: deque[datetime] = deque()
        self._cuts: deque[datetime] = deque()
        self._surprises: deque[datetime] = deque()
        self._used: dict[int, _Sorted] = {}
        self._jumps: deque[tuple[datetime, int, float]] = deque()
        self._taken_in = 0

    def add(self, run: Run) -> None:
        """Take in a run that ended after all that were taken in before."""
        self._forget(run.ended - EXPIRY)
        needed = self._needed(run)
        if needed is None:
            if run.is_whole:
                self._unknown.append(run.ended)
            return
        self._compare(run, needed)
        self._taken_in += 1
        if run.was_cut:
            self._cuts.append(run.ended)
        elif run.is_whole:
            self._known.append(run.ended)
        self._used.setdefault(run.cpus, _Sorted()).add(run.ended, needed)

    def advice(self, asked: float | None, cpus: int, at: datetime) -> Advice:
        """Return what a job with so many CPUs should ask for at a time instead of what it does."""
        self._forget(at - EXPIRY)
        runs, cuts, most = len(self._known), len(self._cuts), self._most_needed(cpus)
        if most is None:
            return Advice(None, Ground.NOT_KNOWN if self._unknown else Ground.FEW_RUNS, runs, most, cuts)
        amount = self._with_margin(most)
        if cuts and asked is not None and amount > asked:
            return Advice(amount, Ground.MORE, runs, most, cuts)
        if (doubt := self._doubt(most, cpus)) is not None:
            return Advice(None, doubt, runs, most, cuts)
        if asked is not None and amount > WORTH_IT * asked:
            return Advice(None, Ground.AS_ASKED, runs, most, cuts)
        return Advice(amount, Ground.LESS, runs, most, cuts)

    def _doubt(self, most: float, cpus: int) -> Ground | None:
        """Return why what is known is no ground for less."""
        known, unknown = len(self._known), len(self._unknown)
        if unknown > MOST_UNKNOWN * (known + unknown):
            return Ground.NOT_KNOWN
        if known < LEAST_RUNS:
            return Ground.FEW_RUNS
        if len(self._surprises) > MOST_SURPRISES:
            return Ground.SURPRISING
        return Ground.OPEN if not self._cuts and self._near(most, cpus) < REACHED else None

    def _compare(self, run: Run, needed: float) -> None:
        """Note by how much a run used more than all before it, and whether more than would have been said."""
        before = self._most_needed(run.cpus)
        if not before or needed <= before:
            return
        if len(self._known) >= LEAST_RUNS and not run.was_cut and needed > self._with_margin(before):
            self._surprises.append(run.ended)
        self._jumps.append((run.ended, self._taken_in, needed / before))
        while self._taken_in - self._jumps[0][1] > RUNS_AFTER_JUMP:
            self._jumps.popleft()

    def _with_margin(self, most: float) -> int:
        """Return the amount with its margin; what jumped twice is taken to jump so again."""
        jumps = [(self._taken_in - number, ratio) for _, number, ratio in self._jumps]
        recent = sorted(ratio for ago, ratio in jumps if ago <= RUNS_AFTER_JUMP)
        margin = max(self._rule.margin, recent[-2] if len(recent) > 1 else 1.0)
        is_steady = len(self._known) >= STEADY_RUNS and all(
            ratio <= STEADY for ago, ratio in jumps if ago <= STEADY_RUNS
        )
        reserve = min(self._rule.reserve, most / 10) if is_steady else self._rule.reserve
        return math.ceil(most * margin + reserve)

    def _needed(self, run: Run) -> float | None:
        if run.was_cut and run.asked is not None:
            return max(run.used or 0.0, run.asked * self._rule.after_cut)
        return run.used

    def _most_needed(self, cpus: int) -> float | None:
        return max((values.most * factor for values, factor in self._scaled(cpus)), default=None)

    def _near(self, most: float, cpus: int) -> int:
        """Return how many runs came near the most that was used."""
        return sum(values.at_least(most / NEAR / factor) for values, factor in self._scaled(cpus))

    def _scaled(self, cpus: int) -> Iterator[tuple[_Sorted, float]]:
        """Yield what was used by number of CPUs, with the factor that makes it what so many CPUs may use."""
        known = {count: values for count, values in self._used.items() if values}
        if not known:
            return
        fewest, largest = min(known), max(known)
        shows_growth = known[largest].most > GROWS * known[fewest].most
        is_beyond = cpus > largest and fewest == largest
        grows = self._rule.grows_with_cpus and (shows_growth or is_beyond)
        for count, values in known.items():
            yield values, max(1.0, cpus / count) if grows else 1.0

    def _forget(self, before: datetime) -> None:
        for times in (self._known, self._unknown, self._cuts, self._surprises):
            while times and times[0] < before:
                times.popleft()
        for values in self._used.values():
            values.forget(before)
        while self._jumps and self._jumps[0][0] < before:
            self._jumps.popleft()


class _Sorted:
    """Values with their times, the largest at hand."""

    def __init__(self) -> None:
        self._values: list[float] = []
        self._by_time: deque[tuple[datetime, float]] = deque()

    def __bool__(self) -> bool:
        return bool(self._values)

    @property
    def most(self) -> float:
        return self._values[-1]

    def add(self, at: datetime, value: float) -> None:
        insort(self._values, value)
        self._by_time.append((at, value))

    def at_least(self, value: float) -> int:
        return len(self._values) - bisect_left(self._values, value)

    def forget(self, before: datetime) -> None:
        while self._by_time and self._by_time[0][0] < before:
            del self._values[bisect_left(self._values, self._by_time.popleft()[1])]


def advised(runs: Iterable[Run], rule: Rule, asked: float | None, cpus: int, at: datetime) -> Advice:
    """Return what to ask for at a time, by the runs that were over then."""
    past = Past(rule)
    for run in sorted((run for run in runs if run.ended <= at), key=lambda run: run.ended):
        past.add(run)
    return past.advice(asked, cpus, at)


def for_the_next(runs: Sequence[Run], rule: Rule, at: datetime) -> tuple[float | None, Advice]:
    """Return what the run submitted last asked for, and what one that is asked for so should."""
    last = max(runs, key=lambda run: run.submitted, default=None)
    asked, cpus = (None, 1) if last is None else (last.asked, last.cpus)
    return asked, advised(runs, rule, asked, cpus, at)
