"""One user's week, for the mail."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from vispa_green.answers.asking import for_asker
from vispa_green.answers.background import with_grid
from vispa_green.answers.jobs import JobChoice, asked_slurm, kept, open_account
from vispa_green.answers.memory import memory_reader
from vispa_green.energy.advice import MemoryNeed
from vispa_green.energy.carbon import GridSignal
from vispa_green.energy.jobs import job_energies
from vispa_green.energy.weekly import Week, WeeklyReport, WeekRecord, weekly_report
from vispa_green.host import user_name
from vispa_green.model import Dimension, GridKind, JobFact, JobId, Ledger, Quantity
from vispa_green.session import Session
from vispa_green.sizing.alike import families, runs_of
from vispa_green.sizing.rule import EXPIRY, MEMORY, for_the_next


def week_of(session: Session, user: str, week: Week) -> tuple[WeeklyReport, tuple[str, ...]]:
    """Return the report on a user's week and warnings; the user's jobs as far as the asker may see them."""
    choice = JobChoice(users=(user,), start=week.before.start, end=week.end)
    ledger = open_account(session)
    try:
        warnings: list[str] = []
        said = asked_slurm(session, ledger, choice, warnings)
        warnings += kept(ledger, session, said.facts)
        selection = for_asker(session, choice.selection)
        this_week = replace(selection, start=week.start)
        inside, missing = with_grid(
            session, ledger, this_week, ledger.energy.jobs(this_week, whole=False), whole=False
        )
        whole = ledger.energy.jobs(this_week)
        days = ledger.energy.totals(selection, (Dimension.DAY,), week.zone)
        share = _mean_share(ledger, week)
        known = ledger.facts.facts(replace(selection, start=week.end - EXPIRY))
    finally:
        ledger.close()
    rows = job_energies(whole, user_of=user_name, running_until=said.until)
    needs = _needs(session, [(key.cluster, fact) for key, fact in known], {row.key.job_id for row in rows})
    record = WeekRecord(rows, inside, days, share, needs)
    return weekly_report(user, week, record, session.now.utc), (*warnings, *missing)


def _needs(session: Session, facts: Iterable[tuple[str, JobFact]], in_week: Collection[JobId]) -> list[MemoryNeed]:
    """Return what memory jobs need that are like those of the week, as far as the earlier ones tell."""
    needs: list[MemoryNeed] = []
    for like in families(facts).values():
        if like[-1].job_id in in_week:
            runs = runs_of(like, memory_reader(session))
            needs.append(MemoryNeed(like[-1], *for_the_next(runs, MEMORY, session.now.utc)))
    return needs


def _mean_share(ledger: Ledger, week: Week) -> float | None:
    """Return the mean renewable share of a week as far as it was measured, hour by hour."""
    values = ledger.grid.values(Quantity.RENEWABLE_SHARE, week.start, week.end)
    known = [value for value in values if value.kind is GridKind.MEASURED] or values
    return (
        GridSignal.from_values(known, Quantity.RENEWABLE_SHARE).known_part(week.start, week.end)[0] if known else None
    )
