"""How rules would have done, had each run been given what they say at its submission, by what was over then. Pure."""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from vispa_green.sizing.rule import EXPIRY, LEAST_RUNS, Past, Rule, Run


class Advisor(Protocol):
    """A rule at work on one family of runs."""

    def add(self, run: Run) -> None:
        """Learn of a run that is over; they come in the order of their ends."""

    def wanted(self, run: Run) -> float | None:
        """Return what a run should ask for at its submission, ``None`` where it is left as it was asked for."""


@dataclass(frozen=True, slots=True)
class Record:
    """What became of runs that a rule would have advised; those that it left alone are only counted."""

    runs: int = 0
    advised: int = 0
    failed: int = 0
    """Needed more than the rule would have given; given again, as they were asked for, their hours count twice."""
    given: float = 0.0
    asked: float = 0.0
    used: float = 0.0
    """These three × hours, over the advised runs of which it is known what they used."""

    def __add__(self, other: Record) -> Record:
        return Record(
            self.runs + other.runs,
            self.advised + other.advised,
            self.failed + other.failed,
            self.given + other.given,
            self.asked + other.asked,
            self.used + other.used,
        )

    @property
    def failure_rate(self) -> float | None:
        """The part of the advised runs that would have failed."""
        return self.failed / self.advised if self.advised else None

    @property
    def given_per_used(self) -> float | None:
        """What the rule would have had allocated, relative to what was used."""
        return self.given / self.used if self.used else None

    @property
    def asked_per_used(self) -> float | None:
        """What was allocated, relative to what was used."""
        return self.asked / self.used if self.used else None


def replay(runs: Sequence[Run], advisor: Advisor, truth: Sequence[Run] | None = None) -> Record:
    """Return how an advisor would have done on the runs of one family.

    ``truth`` are the same runs with what they would have used uncut, where that is known, as of drawn ones: the
    advisor learns of ``runs``, and is judged by those.
    """
    over: list[tuple[datetime, int, Run]] = []
    record = Record()
    pairs = sorted(zip(runs, truth or runs, strict=True), key=lambda pair: pair[0].submitted)
    for number, (run, judge) in enumerate(pairs):
        while over and over[0][0] <= run.submitted:
            advisor.add(heapq.heappop(over)[2])
        record += _fate(judge, advisor.wanted(run))
        heapq.heappush(over, (run.ended, number, run))
    return record


def _fate(run: Run, wanted: float | None) -> Record:
    if wanted is None or (run.used is None and not run.was_cut):
        return Record(runs=1)
    if run.was_cut:
        failed = run.asked is not None and wanted <= run.asked
    else:
        failed = run.used is not None and run.used > wanted
    if run.used is None or run.asked is None or not run.is_whole:
        return Record(1, 1, int(failed))
    allocated = run.hours * run.nodes
    given = (wanted + (run.asked if failed else 0.0)) * allocated
    return Record(1, 1, int(failed), given, run.asked * allocated, run.used * run.hours)


class ByRule:
    """The rule."""

    def __init__(self, rule: Rule) -> None:
        self._past = Past(rule)

    def add(self, run: Run) -> None:
        """Learn of a run."""
        self._past.add(run)

    def wanted(self, run: Run) -> float | None:
        """Return what the rule would have said."""
        return self._past.advice(run.asked, run.cpus, run.submitted).amount


class AsAsked:
    """What users asked for, to compare with; it speaks of each run."""

    def add(self, run: Run) -> None:
        """Learn nothing."""

    def wanted(self, run: Run) -> float | None:
        """Return what was asked for."""
        return run.asked


class OfRecent:
    """A figure of what was used by runs that have not expired, to compare with: p95, 1.2 × max."""

    def __init__(self, figure: Callable[[Sequence[float]], float]) -> None:
        self._figure = figure
        self._used: deque[tuple[datetime, float]] = deque()

    def add(self, run: Run) -> None:
        """Learn what a run used."""
        if run.used is not None:
            self._used.append((run.ended, run.used))

    def wanted(self, run: Run) -> float | None:
        """Return the figure, once there are as many runs as the rule wants."""
        while self._used and self._used[0][0] < run.submitted - EXPIRY:
            self._used.popleft()
        return self._figure([used for _, used in self._used]) if len(self._used) >= LEAST_RUNS else None


def p95(used: Sequence[float]) -> float:
    """Return the 95th percentile, of the runs themselves."""
    return sorted(used)[math.ceil(0.95 * len(used)) - 1]


def most_and_a_fifth(used: Sequence[float]) -> float:
    """Return 1.2 × the most."""
    return 1.2 * max(used)
