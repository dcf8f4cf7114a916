"""What the page about the whole cluster shows: the account, the grid, the promises and what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from vispa_green.answers.asking import for_asker
from vispa_green.answers.background import completed
from vispa_green.answers.green import GreenAnswer, green_of
from vispa_green.answers.jobs import JobChoice, jobs, open_account
from vispa_green.energy.carbon import GridSignal
from vispa_green.energy.jobs import JobEnergy
from vispa_green.errors import LedgerForbidden
from vispa_green.model import BalanceRow, JobPosting, Ledger, NodeEnergy, Quantity, Selection
from vispa_green.session import Session
from vispa_green.shifting.promises import last_planned


@dataclass(frozen=True, slots=True)
class ClusterAnswer:
    """Everything that is known of the cluster in ``[start, end)``."""

    start: datetime
    end: datetime
    rows: tuple[JobEnergy, ...]
    postings: tuple[JobPosting, ...]
    energies: tuple[NodeEnergy, ...]
    intensity: GridSignal | None
    renewable_share: GridSignal | None
    green: GreenAnswer
    balance: tuple[BalanceRow, ...]
    warnings: tuple[str, ...]


def cluster(session: Session, start: datetime, end: datetime) -> ClusterAnswer:
    """Return what is known of the cluster in a span, as far as the asker may see it."""
    answer = jobs(session, JobChoice(start=start, end=end))
    selection = for_asker(session, Selection(start=start, end=end))
    ledger = open_account(session)
    try:
        warnings, _ = completed(session, ledger, start, min(end, session.now.utc))
        signals = {
            quantity: GridSignal.from_values(values, quantity, session.config.grid.providers)
            for quantity in Quantity
            if (values := ledger.grid.values(quantity, start, end))
        }
        postings = tuple(ledger.energy.postings(selection))
        energies, balance, hidden = _of_nodes(ledger, start, end)
    finally:
        ledger.close()
    return ClusterAnswer(
        start, end, answer.rows, postings, energies, signals.get(Quantity.CARBON_INTENSITY),
        signals.get(Quantity.RENEWABLE_SHARE), _green(session, start, end), balance,
        (*answer.warnings, *warnings, *hidden),
    )  # fmt: skip


def _of_nodes(
    ledger: Ledger, start: datetime, end: datetime
) -> tuple[tuple[NodeEnergy, ...], tuple[BalanceRow, ...], tuple[str, ...]]:
    """Return what whole nodes used; nothing, and why, where a server does not tell that to whoever asks."""
    try:
        return tuple(ledger.energy.node_energy(start, end)), tuple(ledger.energy.balance()), ()
    except LedgerForbidden as error:
        return (), (), (f"what whole nodes used is left out: {error}",)


def _green(session: Session, start: datetime, end: datetime) -> GreenAnswer:
    """Return the green jobs whose planned time touches a span."""
    found = green_of(session, for_asker(session, Selection(end=end)))
    inside = [
        (one, shown)
        for one, shown in zip(found.outcomes, found.shown, strict=True)
        if last_planned(one.promise, one.moves) + one.promise.duration > start
    ]
    return GreenAnswer(tuple(one for one, _ in inside), tuple(shown for _, shown in inside))
