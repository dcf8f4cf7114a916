"""The grid behind an account: where the ledger does not know it yet, the providers are asked once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from vispa_green.answers.grid import GridKnowledge, what_is_known
from vispa_green.energy.carbon import GridSignal
from vispa_green.energy.parts import energy_parts
from vispa_green.model import JobAccount, JobKey, Ledger, Quantity, Selection, Weighted
from vispa_green.session import Session


def with_grid(
    session: Session, ledger: Ledger, selection: Selection, accounts: Sequence[JobAccount], *, whole: bool
) -> tuple[list[JobAccount], tuple[str, ...]]:
    """Return the accounts with the grid of all their energy, as far as anybody knows it, and warnings."""
    limits = Selection() if whole else Selection(start=selection.start, end=selection.end)
    span = _span([account for account in accounts if account.sums and account.stays], limits, session.now.utc)
    if span is None:
        return list(accounts), ()
    warnings, known = completed(session, ledger, *span)
    if known is None:
        return list(accounts), warnings
    read_again = {account.key: account.grid for account in ledger.energy.jobs(selection, whole=whole)}
    fresh = [replace(account, grid=read_again.get(account.key, account.grid)) for account in accounts]
    return _weighted_here(ledger, limits, fresh, known), warnings


def completed(
    session: Session, ledger: Ledger, start: datetime, end: datetime
) -> tuple[tuple[str, ...], GridKnowledge | None]:
    """Ask the providers for what of a span is not measured yet.

    Returns warnings, and what is known if anybody was asked.
    """
    if not session.config.grid.providers:
        return (), None
    found = (ledger.grid.unmeasured(quantity, start, end) for quantity in Quantity)
    missing = [span for span in found if span is not None]
    if not missing:
        return (), None
    first, last = min(begin for begin, _ in missing), max(until for _, until in missing)
    known = what_is_known(first, last, config=session.config, ledger=ledger, now=session.now.utc)
    return tuple(f"grid: {line}" for line in known.warnings), known


def _span(accounts: Sequence[JobAccount], limits: Selection, now: datetime) -> tuple[datetime, datetime] | None:
    """Return the span in which some jobs used energy, as far as it is over."""
    if not accounts:
        return None
    start = min(stay.start for account in accounts for stay in account.stays)
    end = max(stay.end for account in accounts for stay in account.stays)
    start = start if limits.start is None else max(start, limits.start)
    end = min(end if limits.end is None else min(end, limits.end), now)
    return (start, end) if start < end else None


def _is_wanting(account: JobAccount) -> bool:
    energy_uj = energy_parts(account.sums).total_uj
    return any(account.grid.get(quantity, Weighted()).known_uj < energy_uj for quantity in Quantity)


def _weighted_here(
    ledger: Ledger, limits: Selection, accounts: Sequence[JobAccount], known: GridKnowledge
) -> list[JobAccount]:
    """Weigh the jobs' energy with values that could not be kept, as in a ledger that may only be read."""
    wanting = {account.key: account for account in accounts if account.sums and _is_wanting(account)}
    if not wanting:
        return list(accounts)
    signals = known.signals()
    grids: defaultdict[JobKey, dict[Quantity, Weighted]] = defaultdict(dict)
    for posting in ledger.energy.postings(replace(limits, keys=tuple(wanting))):
        own, energy_uj = grids[posting.key], posting.busy_uj + posting.idle_uj
        for quantity, signal in signals.items():
            own[quantity] = own.get(quantity, Weighted()) + weight(energy_uj, signal, posting.start, posting.end)
    return [_better(account, grids[account.key]) if account.key in wanting else account for account in accounts]


def weight(energy_uj: int, signal: GridSignal, start: datetime, end: datetime) -> Weighted:
    """Return an energy used evenly over a span with the grid meanwhile, as far as it is known."""
    mean, fraction = signal.known_part(start, end)
    if mean is None:
        return Weighted()
    known_uj = energy_uj if fraction >= 1 else int(energy_uj * fraction)
    return Weighted(known_uj, known_uj * mean)


def _better(account: JobAccount, grid: dict[Quantity, Weighted]) -> JobAccount:
    better = dict(account.grid)
    for quantity, weighted in grid.items():
        if weighted.known_uj > better.get(quantity, Weighted()).known_uj:
            better[quantity] = weighted
    return replace(account, grid=better)
