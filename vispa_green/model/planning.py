"""When a job should start: the wish, the window, what a policy sees, what was promised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from vispa_green.model.grid import Quantity
from vispa_green.model.node import JobId


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What a user asks of the planner: so long, not before, finished by, on so many CPUs."""

    duration: timedelta
    earliest: datetime
    finish_by: datetime
    cpus: int = 1
    is_held: bool = False
    """Asked again: the job was held before, so on release it would stand before those who came later."""
    asked_first: datetime | None = None
    """When a job that is asked about again was asked about first; a limit on the wait itself counts from then."""


@dataclass(frozen=True, slots=True)
class GreenWindow:
    """Where a policy would start a job; the means are over the job's length, ``None`` if unknown."""

    start: datetime
    end: datetime
    mean: float | None
    mean_if_started_now: float | None
    quantity: Quantity
    reason: str


class Signal(Protocol):
    """A grid series as a step function, seen by a policy."""

    @property
    def quantity(self) -> Quantity:
        """What the values are."""

    @property
    def edges(self) -> Sequence[datetime]:
        """Every time at which the value changes or knowledge begins or ends, ascending."""

    def mean(self, start: datetime, end: datetime) -> float:
        """Return the time mean over ``[start, end)``; raise `NotCovered` if any of it is unknown."""


class Outlook(Protocol):
    """The machine ahead as far as it is known now: who runs, who waits, who is held for later."""

    @property
    def cpus(self) -> int:
        """The CPUs of the machine."""

    @property
    def waiting(self) -> int:
        """How many jobs wait for CPUs, held ones not counted."""

    @property
    def reserve_cpus(self) -> int:
        """CPUs that moved work should leave to those who have not asked yet."""

    def earliest(self, cpus: int, duration: timedelta) -> datetime:
        """Return when a job let in now would start, behind everything that is known."""

    def crowding(self, cpus: int, start: datetime, end: datetime) -> float:
        """Return the part (0..1) of a job's CPU time for which there is no room beside the reserve."""


class Policy(Protocol):
    """Chooses when a job should start. Production and simulation run the same objects."""

    @property
    def looks_at_queue(self) -> bool:
        """Whether an outlook changes what it says; then it is worth being made, and asking again pays."""

    def choose(self, request: JobRequest, signal: Signal, outlook: Outlook | None = None) -> GreenWindow:
        """Return the window; it starts at ``request.earliest`` when nothing better is known.

        Without an ``outlook`` nothing is known of the queue.
        """


@dataclass(frozen=True, slots=True)
class Promise:
    """What a green submission told its user, kept to be compared with what came."""

    job_id: JobId
    user: str
    submitted: datetime
    planned_start: datetime
    duration: timedelta
    finish_by: datetime | None
    quantity: Quantity
    mean: float | None
    mean_if_started_now: float | None
    policy: str
    reason: str
    cluster: str = ""
    """Empty for a promise of a program that did not know its cluster."""


@dataclass(frozen=True, slots=True)
class Move:
    """A planned start that was changed while the job waited; the promise itself stays as it was given."""

    job_id: JobId
    submitted: datetime
    """Of the promise: job ids come again."""
    moved_at: datetime
    moved_by: str
    before: datetime
    after: datetime
    quantity: Quantity
    mean_before: float | None
    """Over the job's length at either start, by what was known when it was moved."""
    mean_after: float | None
    reason: str
    cluster: str = ""
