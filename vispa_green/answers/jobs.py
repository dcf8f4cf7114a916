"""The edge of the reports: choose jobs, read the ledger, lay Slurm's facts over it, ask what the grid was like."""

from __future__ import annotations

import pwd
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from vispa_green.answers.grid import what_is_known
from vispa_green.energy.jobs import GridBackground, JobEnergy, job_energies
from vispa_green.errors import LedgerError, LedgerMissing, SlurmError
from vispa_green.model import JobFact, JobId, JobPosting, JobPresence, Ledger, Quantity, Selection
from vispa_green.session import Session
from vispa_green.slurm import commands
from vispa_green.slurm.jobs import JobQuery, job_facts, matches

Found = TypeVar("Found")

IDS_IN_ONE_QUERY = 10_000  # SQLite takes 32766 values in one statement


@dataclass(frozen=True, slots=True)
class JobChoice:
    """Which jobs, in ``sacct``'s sense: those that ran at some time in ``[start, end)``. Empty means all."""

    job_ids: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Material:
    """Everything that reports are made of, with what went wrong on the way as lines for the reader."""

    postings: tuple[JobPosting, ...]
    presence: tuple[JobPresence, ...]
    facts: tuple[JobFact, ...]
    grid: GridBackground
    running_until: datetime | None
    warnings: tuple[str, ...] = field(default=())

    def rows(self) -> list[JobEnergy]:
        """Join it to one row a job."""
        return job_energies(
            self.postings,
            self.presence,
            self.facts,
            self.grid,
            user_of=user_name,
            running_until=self.running_until,
        )


def user_name(uid: int) -> str:
    """Return the name of a user, or the number as text where this machine does not know it."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def open_account(session: Session) -> Ledger:
    """Open the ledger, to write where that is allowed; raise `LedgerError` where it cannot be read."""
    try:
        return session.ledger()
    except LedgerMissing:
        raise
    except LedgerError:
        return session.ledger(read_only=True)


def collect(session: Session, choice: JobChoice, *, grid_span: tuple[datetime, datetime] | None = None) -> Material:
    """Return the material on the whole runs of the chosen jobs, and the grid while they ran and in ``grid_span``.

    Slurm's answer is kept in the ledger if it can be written. What is missing (Slurm, the grid)
    becomes a warning; without a ledger there is nothing to say, and `LedgerError` is raised.
    """
    ledger = open_account(session)
    warnings: list[str] = []
    fresh = _ask_slurm(session, choice, warnings)
    _store(ledger, fresh, session.now.utc)
    facts = _merge(ledger, choice, fresh or ())
    stays = ledger.presence(_span(choice, facts))
    chosen = _chosen(choice, facts, stays, {fact.job_id for fact in fresh or ()})
    postings = tuple(_by_chunks(ledger.postings, chosen))
    presence = tuple(_by_chunks(ledger.presence, chosen))
    grid = _grid(session, ledger, postings, grid_span, warnings)
    ledger.close()
    wanted = set(chosen)
    kept = tuple(fact for fact in facts.values() if fact.job_id in wanted)
    return Material(postings, presence, kept, grid, session.now.utc if fresh is not None else None, tuple(warnings))


def _ask_slurm(session: Session, choice: JobChoice, warnings: list[str]) -> list[JobFact] | None:
    if not session.config.slurm.enabled or not commands.available():
        return None
    query = JobQuery(choice.job_ids, choice.users, choice.accounts, choice.start, choice.end)
    try:
        answer = job_facts(query, timeout_s=session.config.slurm.timeout_s)
    except SlurmError as error:
        warnings.append(f"{error}; shown is what the ledger knows")
        return None
    warnings += answer.faults
    return answer.records


def _store(ledger: Ledger, facts: Sequence[JobFact] | None, now: datetime) -> None:
    try:
        ledger.append_job_facts(facts or (), now)
    except LedgerError:
        return  # most users may only read their site's ledger


def _merge(ledger: Ledger, choice: JobChoice, fresh: Sequence[JobFact]) -> dict[JobId, JobFact]:
    """Lay what Slurm says now over what it said before; an old word on a job that was yet to start is void."""
    stored = ledger.job_facts(Selection(choice.job_ids, choice.start, choice.end))
    known = {fact.job_id: fact for fact in stored if fact.start is not None}
    return {**known, **{fact.job_id: fact for fact in fresh}}


def _span(choice: JobChoice, facts: dict[JobId, JobFact]) -> Selection:
    if not choice.job_ids:
        return Selection(start=choice.start, end=choice.end)
    ids = {_plain(text) for text in choice.job_ids}
    ids |= {fact.job_id for fact in facts.values() if any(matches(fact, text) for text in choice.job_ids)}
    return Selection(tuple(sorted(ids)), choice.start, choice.end)


def _chosen(
    choice: JobChoice, facts: dict[JobId, JobFact], stays: Iterable[JobPresence], fresh: set[JobId]
) -> list[JobId]:
    """Return the raw ids of the jobs that meet every condition, whether the ledger or Slurm knows them.

    A stored fact without an end is true of the past only; by itself it puts no job into a span.
    """
    uid_of = {stay.job_id: stay.uid for stay in stays}
    ended = {fact.job_id for fact in facts.values() if fact.end is not None}
    candidates = {*uid_of, *ended, *fresh}
    return sorted(
        job_id for job_id in candidates if _is_wanted(choice, job_id, facts.get(job_id), uid_of.get(job_id))
    )


def _is_wanted(choice: JobChoice, job_id: JobId, fact: JobFact | None, uid: int | None) -> bool:
    owner = fact.user if fact and fact.user else "" if uid is None else user_name(uid)
    if choice.users and not {owner, "" if uid is None else str(uid)} & (set(choice.users) - {""}):
        return False
    if choice.accounts and (fact is None or fact.account not in choice.accounts):
        return False
    if not choice.job_ids:
        return True
    return any(matches(fact, text) for text in choice.job_ids) if fact else job_id in choice.job_ids


def _plain(text: str) -> str:
    return text.partition("_")[0].partition("+")[0]


def _by_chunks(read: Callable[[Selection], Iterable[Found]], job_ids: Sequence[JobId]) -> Iterator[Found]:
    for first in range(0, len(job_ids), IDS_IN_ONE_QUERY):
        yield from read(Selection(tuple(job_ids[first : first + IDS_IN_ONE_QUERY])))


def _grid(
    session: Session,
    ledger: Ledger,
    postings: Sequence[JobPosting],
    span: tuple[datetime, datetime] | None,
    warnings: list[str],
) -> GridBackground:
    moments = [*(p.start for p in postings), *(p.end for p in postings), *(span or ())]
    if not moments:
        return GridBackground()
    known = what_is_known(min(moments), max(moments), options=session.config.grid, ledger=ledger, now=session.now.utc)
    signals = known.signals()
    warnings += [f"grid: {line}" for line in known.warnings]
    return GridBackground(signals.get(Quantity.CARBON_INTENSITY), signals.get(Quantity.RENEWABLE_SHARE))
