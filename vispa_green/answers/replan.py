"""Green jobs that wait for their start, planned again with what is known now."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from vispa_green.answers.asking import for_asker, who_asks
from vispa_green.answers.grid import known_of, ledger_of
from vispa_green.answers.promises import MoveKeeper, collect_promises, known_promises
from vispa_green.answers.queue import QueueSeen, queue_seen
from vispa_green.config import Config
from vispa_green.errors import LedgerError, SlurmError, SpoolError, UnknownPlugin, UsageError, VispaGreenError
from vispa_green.model import (
    Instant,
    JobId,
    Move,
    Policy,
    Promise,
    Quantity,
    QueueEntry,
    Selection,
    Signal,
)
from vispa_green.policies import POLICIES
from vispa_green.session import Session
from vispa_green.shifting.promises import belongs
from vispa_green.shifting.replanning import Decision, Held, LeftAlone, decide, held
from vispa_green.slurm.begin import set_begin
from vispa_green.slurm.squeue import entries


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job whose promise was looked at: as it waits, with what was decided, or why it was left alone."""

    promise: Promise
    ids: tuple[JobId, ...]
    held: Held | None
    decision: Decision | None
    said: str
    is_moved: bool = False


def replanned(
    session: Session, jobs: tuple[str, ...], clock: Callable[[], Instant], *, all_users: bool, dry_run: bool
) -> tuple[list[Waiting], tuple[str, ...]]:
    """Plan waiting green jobs again and move those that are better off; return what was done, and warnings.

    ``clock`` is read at each move: Slurm counts a start from now. Raises `UsageError` for a job of which no
    green submission is known, `SlurmError` where the queue cannot be read.
    """
    warnings = _collected(session) if all_users else ()
    selection = for_asker(session, Selection(job_ids=jobs))
    if not jobs and not all_users:
        selection = replace(selection, users=(who_asks(session).user,))
    ledger = ledger_of(session)
    try:
        known = known_promises(session, ledger, selection)
    finally:
        if ledger is not None:
            ledger.close()
    promises, moves = _promises(known.promises, jobs), known.moves
    warnings += known.refused
    if not promises:
        return [], warnings
    if not session.config.slurm.enabled:
        raise UsageError(
            "[slurm] enabled is false here; waiting jobs can be seen and moved only with Slurm's commands"
        )
    queue = entries(each_task=True, timeout_s=session.config.slurm.timeout_s)
    warnings += queue.faults
    looked_at = [_looked_at(promise, moves, queue.records, session.now.utc) for promise in promises]
    if not jobs:
        pending = {entry.job_id for entry in queue.records if entry.state == "PENDING"}
        looked_at = [waiting for waiting in looked_at if pending & set(waiting.ids)]
    decided, doubts = _decided(session, looked_at, queue.records)
    if dry_run:
        return decided, warnings + doubts
    return _moved(session, decided, clock), warnings + doubts


def _collected(session: Session) -> tuple[str, ...]:
    try:
        return collect_promises(session).refused
    except VispaGreenError as error:
        return (f"promises wait to be collected: {error}",)


def _promises(promises: Sequence[Promise], jobs: Sequence[JobId]) -> list[Promise]:
    latest = {promise.job_id: promise for promise in promises}
    if unknown := [job for job in jobs if job not in latest]:
        raise UsageError(f"no green submission is known of job {', '.join(unknown)}; gsbatch keeps one for each plan")
    return list(latest.values())


def _looked_at(promise: Promise, moves: Sequence[Move], in_queue: Sequence[QueueEntry], now: datetime) -> Waiting:
    own = [entry for entry in in_queue if belongs(entry, promise.job_id)]
    found = held(promise, moves, own, now)
    ids = tuple(entry.job_id for entry in own)
    if isinstance(found, LeftAlone):
        return Waiting(promise, ids, None, None, f"left alone: {found.reason}")
    return Waiting(promise, ids, found, None, "")


def _decided(
    session: Session, looked_at: Sequence[Waiting], in_queue: Sequence[QueueEntry]
) -> tuple[list[Waiting], tuple[str, ...]]:
    """Plan each job anew, one after the other: who moves is in the way of the next."""
    candidates = [waiting.held for waiting in looked_at if waiting.held is not None]
    if not candidates:
        return list(looked_at), ()
    now = session.now.utc
    known = known_of(session, now, max(job.finish_by for job in candidates))
    warnings, signals = known.warnings, known.signals()
    policies = _policies({job.promise.policy for job in candidates}, session.config)
    seen: QueueSeen | None = None
    if any(policy is not None and policy.looks_at_queue for policy in policies.values()):
        seen, unasked = queue_seen(in_queue, session.config.slurm)
        warnings += unasked
    decided: list[Waiting] = []
    for waiting in looked_at:
        result = _decision(waiting, now, signals, policies, seen)
        if seen is not None and result.decision is not None and result.decision.start is not None:
            seen = seen.after(result.ids, result.decision.start)
        decided.append(result)
    return decided, warnings


def _policies(names: Collection[str], config: Config) -> dict[str, Policy | None]:
    loaded: dict[str, Policy | None] = {}
    for name in names:
        try:
            loaded[name] = POLICIES.make(name, None, config.options("green"))
        except UnknownPlugin:
            loaded[name] = None
    return loaded


def _decision(
    waiting: Waiting,
    now: datetime,
    signals: Mapping[Quantity, Signal],
    policies: Mapping[str, Policy | None],
    seen: QueueSeen | None,
) -> Waiting:
    if waiting.held is None:
        return waiting
    policy = policies[waiting.promise.policy]
    if policy is None:
        return replace(waiting, said=f"left alone: there is no policy {waiting.promise.policy} here any more")
    ahead = seen.ahead(now, waiting.ids) if seen is not None and policy.looks_at_queue else None
    made = decide(waiting.held, now, signals, policy, ahead)
    return replace(waiting, decision=made, said=made.reason)


def _moved(session: Session, decided: Sequence[Waiting], clock: Callable[[], Instant]) -> list[Waiting]:
    """Move what is to be moved, if that can be kept: a start that changes without a trace would deceive its user."""
    if not any(waiting.decision is not None and waiting.decision.start is not None for waiting in decided):
        return list(decided)
    keeper = MoveKeeper(session)
    return [_move(session, keeper, waiting, clock) for waiting in decided]


def _refused(waiting: Waiting, why: str) -> Waiting:
    if waiting.decision is None or waiting.decision.start is None:
        return waiting
    return replace(waiting, decision=replace(waiting.decision, start=None), said=f"not moved: {why}")


def _move(session: Session, keeper: MoveKeeper, waiting: Waiting, clock: Callable[[], Instant]) -> Waiting:
    job, made = waiting.held, waiting.decision
    if job is None or made is None or made.start is None:
        return waiting
    try:
        keeper.check(waiting.promise)
    except (LedgerError, SpoolError) as error:
        return _refused(waiting, f"that could not be kept ({error})")
    # Whole seconds on both sides, as gsbatch counts them: Slurm knows no others.
    now = clock().utc
    delay_s = int(made.start.timestamp()) - int(now.timestamp())
    try:
        set_begin(waiting.promise.job_id, delay_s, timeout_s=session.config.slurm.timeout_s)
    except SlurmError as error:
        return _refused(waiting, str(error))
    after = made.start if delay_s > 0 else now
    promise = waiting.promise
    move = Move(
        promise.job_id, promise.submitted, now, who_asks(session).user, job.begin, after, made.quantity,
        made.mean_before, made.mean_after, made.reason, promise.cluster,
    )  # fmt: skip
    try:
        keeper.keep(move)
    except (LedgerError, SpoolError) as error:
        return replace(waiting, is_moved=True, said=f"{made.reason}; that could not be kept ({error})")
    return replace(waiting, is_moved=True)
