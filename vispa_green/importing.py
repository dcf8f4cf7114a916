"""Takes what Slurm records of jobs into the ledger: one importer for a whole cluster, a bounded span at a time.

How far it came is kept in the ledger itself, beside the facts it is true of: a ledger that is restored from a
backup is behind with both. All of it can be done again: a fact that is known already changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from vispa_green.errors import LedgerError, SlurmError
from vispa_green.model import Cluster, FactBook, Instant, JobFact, JobId, Ledger
from vispa_green.slurm.squeue import waiting_fact

SLICE = timedelta(hours=3)
"""What is asked for at once, so that an outage of weeks is no single answer."""
OVERLAP = timedelta(hours=1)
"""Asked for again each time: accounting hears of an end some time after it, and clocks differ."""
DAILY_OVERLAP = timedelta(days=2)
"""The same with the first import of a day (UTC), for what an administrator or a queue of slurmctld brings late."""
FIRST = timedelta(days=30)
"""So far back the first import goes, if it is not told otherwise."""
ASKED_AGAIN = timedelta(days=90)
"""So long a job is asked for whose end nobody has told."""
MOST_ASKED_AGAIN = 500
STILL_FRESH = 3
"""An import may be late by so many of its periods before answers ask Slurm themselves."""
LONGEST_PAUSE_S = 900.0

WithProjects = Callable[[Iterable[JobFact]], Sequence[JobFact]]
Progress = Callable[[datetime, int, int], None]
"""Told until when facts are in, which span that was and how many there are."""


@dataclass(frozen=True, slots=True)
class Span:
    """A time to ask about, ``[since, until)``."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Synced:
    """What an import did: how many facts it was told, until when all are in, and what was left out."""

    told: int
    until: datetime
    warnings: tuple[str, ...]


def spans(mark: datetime | None, at: datetime, since: datetime | None = None) -> list[Span]:
    """Return what to ask about, oldest first and without a hole: from the last import, or from ``since`` if earlier.

    ``mark`` is until when everything is in; one in the future comes from a clock that was wrong then.
    """
    if mark is None:
        begin = at - FIRST if since is None else since
    else:
        last = min(mark, at)
        begin = last - (OVERLAP if last.date() == at.date() else DAILY_OVERLAP)
        begin = begin if since is None else min(begin, since)
    found: list[Span] = []
    while begin < at:
        found.append(Span(begin, min(begin + SLICE, at)))
        begin = found[-1].until
    return found


def is_fresh(mark: datetime | None, now: datetime, period_s: float) -> bool:
    """Say whether an importer keeps the ledger so far up to date that nobody else need ask."""
    return mark is not None and timedelta(0) <= now - mark <= timedelta(seconds=STILL_FRESH * period_s)


def sync_once(
    cluster: Cluster,
    ledger: Ledger,
    name: str,
    at: datetime,
    *,
    since: datetime | None = None,
    with_projects: WithProjects = list,
    progress: Progress | None = None,
) -> Synced:
    """Take into the ledger what the cluster called ``name`` tells until ``at``, which is now.

    ``with_projects`` says what each job was submitted for, by the site's rules.
    Raises `SlurmError` or `LedgerError` where one of them fails; what came before that is kept, with its mark.
    """
    book = ledger.facts
    mark = book.imported_until(name)
    todo, warnings, told, newest = spans(mark, at, since), list[str](), 0, set[JobId]()
    for number, span in enumerate(todo, 1):
        answer = cluster.finished_or_changed(span.since, span.until)
        warnings += [*answer.faults, *_append(book, name, with_projects(_started(answer.records)), at)]
        newest, told = {fact.job_id for fact in answer.records}, told + len(answer.records)
        if number < len(todo) and (mark is None or span.until > mark):
            book.imported(name, span.until)
        if progress is not None:
            progress(span.until, number, len(todo))
    queue = cluster.queue(at)
    waiting = [waiting_fact(entry) for entry in queue.records if entry.state == "PENDING"]
    known = newest | {entry.job_id for entry in queue.records}
    unfinished = book.unfinished(name, at - ASKED_AGAIN)
    asked = cluster.jobs(to_ask_again(unfinished, known, is_full=mark is None or mark.hour != at.hour))
    now_told = [*waiting, *_started(asked.records)]
    warnings += [*queue.faults, *asked.faults, *_append(book, name, with_projects(now_told), at)]
    book.imported(name, at)
    return Synced(told + len(waiting) + len(asked.records), at, tuple(dict.fromkeys(warnings)))


def to_ask_again(unfinished: Mapping[JobId, bool], known: Collection[JobId], *, is_full: bool) -> list[JobId]:
    """Return the jobs to ask about by number: those that were open and that no answer was about this time.

    Their ends came late, or they were cancelled before they could start. ``unfinished`` says whether Slurm has
    told of a job at all; of one that it never told of it is asked when ``is_full``, once an hour.
    """
    open_ones = [job_id for job_id, is_told in unfinished.items() if job_id not in known and (is_told or is_full)]
    return open_ones[:MOST_ASKED_AGAIN]


def follow(
    sync: Callable[[datetime], Synced],
    clock: Callable[[], Instant],
    wait: Callable[[float], bool],
    period_s: float,
    say: Callable[[str], None],
) -> None:
    """Import each ``period_s`` until ``wait`` says that it is time to end; after failures less and less often.

    ``say`` is given each warning when it is new, and each failure.
    """
    failures, said = 0, set[str]()
    while True:
        try:
            done = sync(clock().utc)
        except (SlurmError, LedgerError) as error:
            failures += 1
            say(f"{error}; asked again in {pause_s(period_s, failures):.0f} s")
        else:
            failures = 0
            for warning in done.warnings:
                if warning not in said:
                    say(warning)
            said = set(done.warnings)
        if wait(pause_s(period_s, failures)):
            return


def pause_s(period_s: float, failures: int) -> float:
    """Return how long to wait: twice as long after each failure, a quarter of an hour at most."""
    return min(period_s * (1 << min(failures, 16)), max(period_s, LONGEST_PAUSE_S))


def _append(book: FactBook, name: str, facts: Sequence[JobFact], at: datetime) -> tuple[str, ...]:
    return book.append(name, [_settled(fact) for fact in facts], at)


def _started(facts: Sequence[JobFact]) -> list[JobFact]:
    """Return the facts of jobs that do not wait: of those the queue tells.

    Until a job starts, accounting says of a user whom it does not know that he is root (seen on 22.05).
    """
    return [fact for fact in facts if fact.state != "PENDING"]


def _settled(fact: JobFact) -> JobFact:
    """Return a fact with whole hours for elapsed while its job runs: else it would be a new one each minute."""
    if fact.end is not None or fact.elapsed is None:
        return fact
    return replace(fact, elapsed=fact.elapsed // timedelta(hours=1) * timedelta(hours=1))
