"""What became of green submissions: promises, the jobs they were about, and what was measured."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from vispa_green.answers.asking import for_asker, who_asks
from vispa_green.answers.grid import ledger_of, what_is_known
from vispa_green.answers.jobs import JobChoice, asked_slurm, by_number, is_about, is_for, kept
from vispa_green.answers.promises import known_promises
from vispa_green.energy.carbon import GridSignal
from vispa_green.errors import LedgerMissing, UsageError
from vispa_green.model import GridKind, JobAccount, JobKey, JobPosting, Ledger, Move, Promise, Quantity, Selection
from vispa_green.session import Session
from vispa_green.shifting.promises import Outcome, is_of, outcome

AT_ONCE = 100
"""So many promised jobs are read together: what all were charged may not fit into memory."""


@dataclass(frozen=True, slots=True)
class GreenAnswer:
    """The outcomes, each with the id its job is shown by, and warnings."""

    outcomes: tuple[Outcome, ...]
    shown: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def green(session: Session, job_ids: Sequence[str] = (), *, all_users: bool = False) -> GreenAnswer:
    """Return what became of green jobs: those named, else mine, else of all users as far as I may see them.

    Raises `UsageError` for a job of which no green submission is known.
    """
    selection = Selection(job_ids=tuple(job_ids))
    if not job_ids and not all_users:
        selection = replace(selection, users=(who_asks(session).user,))
    return green_of(session, for_asker(session, selection))


def green_of(session: Session, selection: Selection) -> GreenAnswer:
    """Return what became of the selected green jobs."""
    ledger = ledger_of(session)
    if ledger is None:
        raise LedgerMissing(f"{session.ledger_url} cannot be opened; see `vispa-green doctor`")
    try:
        known = known_promises(session, ledger, selection)
        promises, moves = known.promises, known.moves
        warnings = _unknown(selection, promises)
        accounts, doubts = _accounts(session, ledger, promises, selection)
        found = [_outcome(session, ledger, promise, accounts, moves) for promise in promises]
    finally:
        ledger.close()
    warnings = (*warnings, *doubts, *known.refused)
    return GreenAnswer(tuple(one for one, _ in found), tuple(shown for _, shown in found), warnings)


def _unknown(selection: Selection, promises: Sequence[Promise]) -> tuple[str, ...]:
    """Say of which named jobs no green submission is known; raise `UsageError` if it is of none."""
    known = {promise.job_id for promise in promises}
    unknown = [text for text in selection.job_ids if text.partition("_")[0].partition("+")[0] not in known]
    if not unknown:
        return ()
    sentence = f"no green submission is known of job {', '.join(unknown)}; gsbatch keeps one for each plan"
    if len(unknown) == len(selection.job_ids):
        raise UsageError(sentence)
    return (sentence,)


def _accounts(
    session: Session, ledger: Ledger, promises: Sequence[Promise], asked: Selection
) -> tuple[list[JobAccount], tuple[str, ...]]:
    """Return the accounts of the promised jobs as far as the asker may see them, with what Slurm says of them now."""
    ids = tuple(sorted({promise.job_id for promise in promises}))
    if not ids:
        return [], ()
    warnings: list[str] = []
    fresh = asked_slurm(session, ledger, JobChoice(job_ids=ids), warnings).facts
    doubts = kept(ledger, session, fresh)
    accounts = ledger.energy.jobs(Selection(job_ids=ids, visible=asked.visible))
    cluster = session.config.cluster.name
    unseen, found = by_number(fact for fact in fresh if is_for(asked, fact)), []
    for account in accounts:
        namesakes = unseen.get(account.key.job_id, [])
        own = [fact for fact in namesakes if is_about(fact, account, cluster)]
        found.append(replace(account, fact=own[0] if own else account.fact))
        unseen[account.key.job_id] = [fact for fact in namesakes if fact not in own]
    found += [
        JobAccount(JobKey(cluster, fact.job_id, fact.submit), fact, fact.uid)
        for facts in unseen.values()
        for fact in facts
    ]
    return found, (*warnings, *doubts)


def _outcome(
    session: Session, ledger: Ledger, promise: Promise, accounts: Sequence[JobAccount], moves: Sequence[Move]
) -> tuple[Outcome, str]:
    own = [account for account in accounts if is_of(promise, account)]
    facts = [account.fact for account in own if account.fact is not None]
    shown = facts[0].display_id.partition("_")[0] if len(facts) > 1 else facts[0].display_id if facts else ""
    keys = tuple(account.key for account in own if account.sums)
    postings = list(ledger.energy.postings(Selection(keys=keys))) if keys else []
    if not postings:
        return outcome(promise, facts, (), {}, moves), shown or promise.job_id
    begin = min([promise.submitted, *(posting.start for posting in postings)])
    end = max([promise.submitted + timedelta(seconds=1), *(posting.end for posting in postings)])
    known = what_is_known(begin, min(end, session.now.utc), config=session.config, ledger=ledger, now=session.now.utc)
    return outcome(promise, facts, postings, known.signals(GridKind.MEASURED), moves), shown or promise.job_id


def ended_between(
    session: Session, ledger: Ledger, selection: Selection, start: datetime, end: datetime
) -> Iterator[Outcome]:
    """Yield what became of the selected promises whose jobs were over in ``[start, end)``, by what the ledger has.

    ``selection`` says whose they are and, in its times, when they were submitted.
    """
    promises = ledger.promises.promises(selection)
    ids = tuple(sorted({promise.job_id for promise in promises}))
    if not ids:
        return
    by_id: defaultdict[str, list[JobAccount]] = defaultdict(list)
    for account in ledger.energy.jobs(Selection(job_ids=ids, visible=selection.visible)):
        shown = account.fact.display_id if account.fact else account.key.job_id
        for name in {account.key.job_id, shown.partition("_")[0].partition("+")[0]}:
            by_id[name].append(account)
    own = [(promise, [one for one in by_id[promise.job_id] if is_of(promise, one)]) for promise in promises]
    over = [(promise, accounts) for promise, accounts in own if _is_over(accounts, start, end)]
    signals = _measured(session, ledger, over, end)
    for first in range(0, len(over), AT_ONCE):
        some = over[first : first + AT_ONCE]
        keys = tuple(account.key for _, accounts in some for account in accounts if account.sums)
        postings: defaultdict[JobKey, list[JobPosting]] = defaultdict(list)
        for posting in ledger.energy.postings(Selection(keys=keys)) if keys else ():
            postings[posting.key].append(posting)
        for promise, accounts in some:
            charged = [posting for account in accounts for posting in postings[account.key]]
            facts = [account.fact for account in accounts if account.fact is not None]
            yield outcome(promise, facts, charged, signals)


def _is_over(accounts: Sequence[JobAccount], start: datetime, end: datetime) -> bool:
    """Say whether the last of a promise's jobs ended in a span, and ran."""
    ends = [account.fact.end for account in accounts if account.fact is not None and account.fact.has_run]
    known = [at for at in ends if at is not None]
    return bool(known) and len(known) == len(ends) and start <= max(known) < end


def _measured(
    session: Session, ledger: Ledger, over: Sequence[tuple[Promise, Sequence[JobAccount]]], end: datetime
) -> dict[Quantity, GridSignal]:
    if not over:
        return {}
    begin = min(promise.submitted for promise, _ in over)
    order = session.config.grid.providers
    values = {quantity: ledger.grid.values(quantity, begin, end) for quantity in Quantity}
    known = {quantity: [one for one in own if one.kind is GridKind.MEASURED] for quantity, own in values.items()}
    return {quantity: GridSignal.from_values(own, quantity, order) for quantity, own in known.items() if own}
