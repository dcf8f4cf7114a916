"""What goes into the page of ``vispa-green report page``: the account, the promises and what became of them."""

from __future__ import annotations

from datetime import datetime, tzinfo

from vispa_green.answers.grid import what_is_known
from vispa_green.answers.jobs import JobChoice, Material, collect, open_account
from vispa_green.answers.promises import known_promises
from vispa_green.cli._grid import UNIT
from vispa_green.green.promises import Outcome, belongs, last_planned, outcome
from vispa_green.model import GridKind, Ledger, Move, Promise, Selection
from vispa_green.reports.page import GreenJob, PageContent, page_html
from vispa_green.session import Session


def page_text(session: Session, start: datetime, end: datetime, zone: tzinfo) -> tuple[str, tuple[str, ...]]:
    """Return the page as HTML and the warnings; raise `VispaGreenError` where it cannot be made."""
    material = collect(session, JobChoice(start=start, end=end), grid_span=(start, end))
    ledger = open_account(session)
    try:
        green = _green_jobs(session, ledger, material, start, end)
        energies = list(ledger.node_energy(start, end))
        balance = ledger.balance()
    finally:
        ledger.close()
    content = PageContent(
        cluster=session.config.cluster.name,
        start=start,
        end=end,
        zone=zone,
        made=session.now.utc,
        rows=material.rows(),
        postings=material.postings,
        energies=energies,
        grid=material.grid,
        green_jobs=green,
        balance=balance,
    )
    return page_html(content), material.warnings


def _green_jobs(
    session: Session, ledger: Ledger, material: Material, start: datetime, end: datetime
) -> list[GreenJob]:
    known = known_promises(session, ledger)
    moves = list(known.moves)
    promises = [
        promise
        for promise in known.promises
        if promise.submitted < end and last_planned(promise, moves) + promise.duration > start
    ]
    shown = {fact.job_id: fact.display_id for fact in material.facts}
    return [
        _green_job(
            promise, shown.get(promise.job_id, promise.job_id), _judged(session, ledger, material, promise, moves)
        )
        for promise in promises
    ]


def _judged(session: Session, ledger: Ledger, material: Material, promise: Promise, moves: list[Move]) -> Outcome:
    facts = [fact for fact in material.facts if belongs(fact, promise.job_id)]
    ids = tuple({promise.job_id, *(fact.job_id for fact in facts)})
    postings = list(ledger.postings(Selection(job_ids=ids)))
    if not postings:
        return outcome(promise, facts, (), {}, moves)
    known = what_is_known(
        min(promise.submitted, *(posting.start for posting in postings)),
        min(session.now.utc, max(posting.end for posting in postings)),
        options=session.config.grid,
        ledger=ledger,
        now=session.now.utc,
    )
    return outcome(promise, facts, postings, known.signals(GridKind.MEASURED), moves)


def _green_job(promise: Promise, display_id: str, found: Outcome) -> GreenJob:
    unit = UNIT[promise.quantity]
    return GreenJob(
        display_id=display_id,
        user=promise.user,
        window_start=found.planned,
        window_end=found.planned + promise.duration,
        started=found.start,
        finish_by=promise.finish_by,
        promised="–" if promise.mean is None else f"{promise.mean:.0f} {unit}",
        measured="–" if found.measured_mean is None else f"{found.measured_mean:.0f} {unit}",
        saved_g=found.saved_g,
        verdict=found.verdict.value,
    )
