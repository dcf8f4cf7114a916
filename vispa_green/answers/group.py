"""The week or month of an account, or of the whole cluster: sums for whoever may see all of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from vispa_green.answers.asking import for_asker
from vispa_green.answers.background import completed
from vispa_green.answers.jobs import JobChoice, asked_slurm, kept, open_account
from vispa_green.answers.totals import GroupTotal, summed, told
from vispa_green.energy.parts import EnergyParts, GridFigures
from vispa_green.energy.periods import Period
from vispa_green.errors import UsageError
from vispa_green.model import Dimension
from vispa_green.session import Session

BY = (Dimension.ACCOUNT, Dimension.USER, Dimension.PROJECT, Dimension.PARTITION)


@dataclass(frozen=True, slots=True)
class GroupReport:
    """What an account, or the cluster with an empty name, was charged in a period."""

    account: str
    period: Period
    total: GroupTotal
    before: GroupTotal
    """In the period before."""
    by: Mapping[Dimension, tuple[GroupTotal, ...]]
    """The most first."""
    warnings: tuple[str, ...]


def group_report(session: Session, account: str, period: Period) -> GroupReport:
    """Return the report; raise `UsageError` where whoever asks may not see all that it would tell of."""
    accounts = (account,) if account else ()
    choice = JobChoice(accounts=accounts, start=period.start, end=period.end)
    selection = for_asker(session, choice.selection)
    if selection.visible is not None and account not in selection.visible.accounts:
        whose = f"account {account} is told of to its coordinators," if account else "the cluster is told of to"
        raise UsageError(f"the sum of {whose} support and admins; yours is in `vispa-green report weekly`")
    ledger = open_account(session)
    try:
        warnings: list[str] = []
        warnings += kept(ledger, session, asked_slurm(session, ledger, choice, warnings).facts)
        end = min(period.end, session.now.utc)
        if period.start < end:
            warnings += completed(session, ledger, period.start, end)[0]
        earlier = replace(selection, start=period.before.start, end=period.start)
        total, before = (
            [told(one) for one in summed(ledger, asked, (), period.zone, with_grid=True)]
            for asked in (selection, earlier)
        )
        by = {
            dimension: tuple(map(told, summed(ledger, selection, (dimension,), period.zone, with_grid=True)))
            for dimension in BY
            if dimension is not Dimension.ACCOUNT or not account
        }
    finally:
        ledger.close()
    nothing = GroupTotal({}, EnergyParts(), None, GridFigures(None, 0.0, None), 0)
    ordered = {name: tuple(sorted(rows, key=lambda row: -row.parts.total_uj)) for name, rows in by.items()}
    return GroupReport(
        account, period, total[0] if total else nothing, before[0] if before else nothing, ordered, tuple(warnings)
    )
