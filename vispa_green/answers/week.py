"""The week of one user, or of everybody who had jobs in it: for all, each book is asked once, not once a user."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from vispa_green.answers.asking import for_asker
from vispa_green.answers.background import with_grid
from vispa_green.answers.green import ended_between
from vispa_green.answers.jobs import JobChoice, asked_slurm, kept, open_account
from vispa_green.answers.memory import memory_reader
from vispa_green.answers.totals import summed
from vispa_green.energy.advice import MemoryNeed
from vispa_green.energy.carbon import GridSignal
from vispa_green.energy.jobs import job_energies
from vispa_green.energy.weekly import EARLIER_WEEKS, Shifted, Week, WeeklyReport, WeekRecord, weekly_report
from vispa_green.host import user_name
from vispa_green.model import Dimension, GridKind, JobFact, JobId, Ledger, Quantity, Total
from vispa_green.session import Session
from vispa_green.shifting.promises import Outcome, Verdict
from vispa_green.sizing.alike import families, runs_of
from vispa_green.sizing.rule import EXPIRY, MEMORY, for_the_next

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Weeks:
    """The reports of a week by user, and what went wrong on the way."""

    reports: dict[str, WeeklyReport]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Read:
    """What the ledger has on a week: of one user, or of all together, each sum with its user then."""

    record: WeekRecord
    outcomes: Sequence[Outcome]
    warnings: tuple[str, ...]


def week_of(session: Session, user: str, week: Week) -> tuple[WeeklyReport, tuple[str, ...]]:
    """Return the report on a user's week and warnings; the user's jobs as far as the asker may see them."""
    read = _read(session, week, (user,))
    record = replace(read.record, shifted=_shifted(read.outcomes))
    return weekly_report(user, week, record, session.now.utc), read.warnings


def weeks_of_all(session: Session, week: Week) -> Weeks:
    """Return the reports on everybody who had jobs in a week, as far as the asker may see them."""
    read = _read(session, week, ())
    whole = read.record
    owners = {row.key: row.user for row in whole.rows}
    rows, inside = (
        _parted(whole.rows, lambda row: row.user),
        _parted(whole.inside, lambda one: owners.get(one.key, "")),
    )
    outcomes = _parted(read.outcomes, lambda one: one.promise.user)
    needs = _parted(whole.needs, lambda one: one.last.user)
    days, weeks, projects = (_parted(sums, _owner) for sums in (whole.days, whole.weeks, whole.projects))
    reports = {}
    for user in sorted(set(rows) | set(days)):
        record = replace(
            whole, rows=rows[user], inside=inside[user], days=days[user], weeks=weeks[user], projects=projects[user],
            shifted=_shifted(outcomes[user]), needs=needs[user],
        )  # fmt: skip
        report = weekly_report(user, week, record, session.now.utc)
        if user and report.jobs:
            reports[user] = report
    return Weeks(reports, read.warnings)


def _shifted(outcomes: Sequence[Outcome]) -> Shifted:
    known = [one.saved_g for one in outcomes if one.saved_g is not None]
    verdicts = [one.verdict for one in outcomes]
    return Shifted(
        len(outcomes), verdicts.count(Verdict.BETTER), verdicts.count(Verdict.WORSE), sum(known),
        len(outcomes) - len(known),
    )  # fmt: skip


def _read(session: Session, week: Week, users: tuple[str, ...]) -> _Read:
    """Return what a report is made of; for no user named, of all of them together, each sum with its user."""
    choice = JobChoice(users=users, start=week.start, end=week.end)
    by = () if users else (Dimension.USER,)
    ledger = open_account(session)
    try:
        warnings: list[str] = []
        said = asked_slurm(session, ledger, choice, warnings)
        warnings += kept(ledger, session, said.facts)
        selection = for_asker(session, choice.selection)
        inside, missing = with_grid(
            session, ledger, selection, ledger.energy.jobs(selection, whole=False), whole=False
        )
        whole = ledger.energy.jobs(selection)
        earlier = replace(selection, start=week.earlier(EARLIER_WEEKS).start, end=week.start)
        record = WeekRecord(
            rows=job_energies(whole, user_of=user_name, running_until=said.until),
            inside=inside,
            days=ledger.energy.totals(selection, (*by, Dimension.DAY), week.zone),
            weeks=ledger.energy.totals(earlier, (*by, Dimension.WEEK), week.zone),
            projects=summed(ledger, selection, (*by, Dimension.PROJECT), week.zone, with_grid=True),
            grid_share_pct=_mean(ledger, Quantity.RENEWABLE_SHARE, week),
            grid_g_per_kwh=_mean(ledger, Quantity.CARBON_INTENSITY, week),
            needs=_needs(
                session,
                [
                    (key.cluster, fact)
                    for key, fact in ledger.facts.facts(replace(selection, start=week.end - EXPIRY))
                ],
                {account.key.job_id for account in whole},
            ),
            limits={account.key: account.fact.time_limit for account in whole if account.fact is not None},
        )
        promised = replace(selection, uids=(), start=earlier.start)
        outcomes = tuple(ended_between(session, ledger, promised, week.start, week.end))
    finally:
        ledger.close()
    return _Read(record, outcomes, (*warnings, *missing))


def _needs(session: Session, facts: Iterable[tuple[str, JobFact]], in_week: Collection[JobId]) -> list[MemoryNeed]:
    """Return what memory jobs need that are like those of the week, as far as the earlier ones tell."""
    needs: list[MemoryNeed] = []
    for like in families(facts).values():
        if like[-1].job_id in in_week:
            runs = runs_of(like, memory_reader(session))
            needs.append(MemoryNeed(like[-1], *for_the_next(runs, MEMORY, session.now.utc)))
    return needs


def _parted(items: Iterable[T], owner_of: Callable[[T], str]) -> defaultdict[str, list[T]]:
    parted: defaultdict[str, list[T]] = defaultdict(list)
    for item in items:
        parted[owner_of(item)].append(item)
    return parted


def _owner(total: Total) -> str:
    owner = str(total.group[Dimension.USER])
    return user_name(int(owner.removeprefix("uid:"))) if owner.startswith("uid:") else owner


def _mean(ledger: Ledger, quantity: Quantity, week: Week) -> float | None:
    """Return the mean of a quantity in a week as far as it was measured, hour by hour."""
    values = ledger.grid.values(quantity, week.start, week.end)
    known = [value for value in values if value.kind is GridKind.MEASURED] or values
    return GridSignal.from_values(known, quantity).known_part(week.start, week.end)[0] if known else None
