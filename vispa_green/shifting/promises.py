"""What a green submission promised beside what came: the comparison, with no I/O.

The counterfactual moves the job's own energy, interval by interval, to where it would have been had the
job started when it was submitted, and weighs it with the intensity that was measured there. A job that
paused outside green hours would have run in one piece; what its restarts cost is in both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from vispa_green.energy.carbon import carbon_of, weighted_mean
from vispa_green.model import Quantity
from vispa_green.shifting.notes import SUBMITTING

if TYPE_CHECKING:
    from vispa_green.energy.carbon import Carbon, GridSignal
    from vispa_green.model import JobAccount, JobFact, JobId, JobKey, JobPosting, Move, Promise, QueueEntry

PAUSING = "green_hours"
"""The policy of a promise about a job that pauses and goes on, instead of starting later."""


class PromiseKind(StrEnum):
    """What a green job was promised."""

    WINDOW = "window"
    """One start, in one piece."""
    PAUSING = "pausing"
    """To pause and go on by its own plan of green hours."""


def kind_of(promise: Promise) -> PromiseKind:
    """Return the kind, which ledgers keep as the name of the policy; no policy of the registry is called so."""
    return PromiseKind.PAUSING if promise.policy == PAUSING else PromiseKind.WINDOW


class Verdict(StrEnum):
    """How a promise turned out."""

    BETTER = "better"
    WORSE = "worse"
    SAME = "same"
    NOT_STARTED = "not started"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One green job: what was promised and what it came to. ``None`` is what cannot be known (yet)."""

    promise: Promise
    start: datetime | None
    end: datetime | None
    energy_uj: int
    actual: Carbon | None
    """With the measured intensity, when the job ran."""
    at_submission: Carbon | None
    """The same energy, had the job started when it was submitted."""
    measured_mean: float | None
    """Of the promised quantity over the run, weighted by energy."""
    moves: tuple[Move, ...] = ()
    """How its planned start was changed while it waited, in that order."""

    @property
    def planned(self) -> datetime:
        """The start that was planned last."""
        return last_planned(self.promise, self.moves)

    @property
    def delay(self) -> timedelta | None:
        """How much later than planned last it started; negative if earlier."""
        return None if self.start is None else self.start - self.planned

    @property
    def saved_g(self) -> float | None:
        """CO2 saved by not starting at once, negative if it got worse; known only if all of both runs is."""
        if self.actual is None or self.at_submission is None:
            return None
        if not self.energy_uj or self.actual.covered_fraction != 1 or self.at_submission.covered_fraction != 1:
            return None
        return self.at_submission.grams - self.actual.grams

    @property
    def verdict(self) -> Verdict:
        """Say it in one word; a difference below a thousandth of the counterfactual is none."""
        if self.start is None:
            return Verdict.NOT_STARTED
        if self.saved_g is None or self.at_submission is None:
            return Verdict.UNKNOWN
        if abs(self.saved_g) <= self.at_submission.grams / 1000:
            return Verdict.SAME
        return Verdict.BETTER if self.saved_g > 0 else Verdict.WORSE


def outcome(
    promise: Promise,
    facts: Sequence[JobFact],
    postings: Iterable[JobPosting],
    measured: dict[Quantity, GridSignal],
    moves: Iterable[Move] = (),
) -> Outcome:
    """Compare a promise with what Slurm and the account know of its job, all tasks of an array included.

    ``measured`` holds measured values only, so that a forecast never judges itself. However often the
    start was moved, the yardstick is to have started at submission. ``moves`` may be of any promises.
    """
    charged = sorted(postings, key=lambda posting: posting.start)
    # A job cancelled while it waited has a start, equal to its end, but never ran.
    started = [fact.start for fact in facts if fact.start is not None and fact.start != fact.end]
    is_pausing = kind_of(promise) is PromiseKind.PAUSING
    if charged and (is_pausing or not started):  # Slurm knows the start of the last run only
        started.append(charged[0].start)
    start = min(started, default=None)
    ends = [fact.end for fact in facts if fact.end is not None]
    end = max(ends) if ends and len(ends) == len(facts) else None
    energy_uj = sum(posting.busy_uj + posting.idle_uj for posting in charged)
    intensity = measured.get(Quantity.CARBON_INTENSITY)
    actual = at_submission = None
    if start is not None and intensity is not None:
        actual = carbon_of(charged, intensity)
        if is_pausing:
            at_submission = carbon_of(in_one_piece(charged, promise.submitted), intensity)
        else:
            # An agent's interval may begin just before Slurm's whole second; nothing moves to before submission.
            began = min([start, *(posting.start for posting in charged[:1])])
            at_submission = carbon_of(charged, intensity, promise.submitted - began)
    mean = weighted_mean(charged, measured.get(promise.quantity))
    return Outcome(promise, start, end, energy_uj, actual, at_submission, mean, moves_of(promise, moves))


def in_one_piece(charged: Iterable[JobPosting], start: datetime) -> list[JobPosting]:
    """Return what each job was charged as if it had begun at ``start`` and never paused."""
    by_job: defaultdict[JobKey, list[JobPosting]] = defaultdict(list)
    for posting in sorted(charged, key=lambda posting: posting.start):
        by_job[posting.key].append(posting)
    moved: list[JobPosting] = []
    for own in by_job.values():
        until, earlier = own[0].start, own[0].start - start
        for posting in own:
            earlier += max(timedelta(0), posting.start - until)
            until = max(until, posting.end)
            moved.append(replace(posting, start=posting.start - earlier, end=posting.end - earlier))
    return moved


def is_of(promise: Promise, account: JobAccount) -> bool:
    """Say whether an account is that of the promised job, of a task of that array or a component of that het job.

    Numbers come again: the job was submitted when the promise was given, if its submission is known at all.
    """
    key, fact = account.key, account.fact
    whole = (fact.display_id if fact else key.job_id).partition("_")[0].partition("+")[0]
    if promise.job_id not in {key.job_id, whole} or promise.cluster not in {"", key.cluster}:
        return False
    if fact is not None and fact.user and fact.user != promise.user:
        return False  # whoever promises something of another's job has promised nothing
    return key.submitted is None or abs(key.submitted - promise.submitted) <= SUBMITTING


def belongs(job: JobFact | QueueEntry, promised: JobId) -> bool:
    """Say whether a job is the promised one, a task of that array or a component of that het job."""
    return promised in {job.job_id, job.display_id.partition("_")[0].partition("+")[0]}


def moves_of(promise: Promise, moves: Iterable[Move]) -> tuple[Move, ...]:
    """Return the moves of one promise; another of the same id was of an earlier job."""
    return tuple(move for move in moves if (move.job_id, move.submitted) == (promise.job_id, promise.submitted))


def last_planned(promise: Promise, moves: Iterable[Move]) -> datetime:
    """Return the planned start as it stands after all moves."""
    own = moves_of(promise, moves)
    return own[-1].after if own else promise.planned_start
