"""One user's week, for the mail."""

from __future__ import annotations

from dataclasses import replace

from vispa_green.answers.asking import for_asker
from vispa_green.answers.background import with_grid
from vispa_green.answers.jobs import JobChoice, asked_slurm, kept, open_account
from vispa_green.energy.carbon import GridSignal
from vispa_green.energy.jobs import job_energies
from vispa_green.energy.weekly import Week, WeeklyReport, WeekRecord, weekly_report
from vispa_green.host import user_name
from vispa_green.model import Dimension, GridKind, Ledger, Quantity
from vispa_green.session import Session


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
    finally:
        ledger.close()
    rows = job_energies(whole, user_of=user_name, running_until=said.until)
    record = WeekRecord(rows, inside, days, share)
    return weekly_report(user, week, record, session.now.utc), (*warnings, *missing)


def _mean_share(ledger: Ledger, week: Week) -> float | None:
    """Return the mean renewable share of a week as far as it was measured, hour by hour."""
    values = ledger.grid.values(Quantity.RENEWABLE_SHARE, week.start, week.end)
    known = [value for value in values if value.kind is GridKind.MEASURED] or values
    return (
        GridSignal.from_values(known, Quantity.RENEWABLE_SHARE).known_part(week.start, week.end)[0] if known else None
    )
