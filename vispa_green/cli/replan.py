"""``vispa-green replan``: ask again about green jobs that still wait for their start."""

from __future__ import annotations

import getpass
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

import click

from vispa_green import host
from vispa_green.answers.grid import ledger_at
from vispa_green.answers.promises import MoveKeeper, collect_promises, known_promises
from vispa_green.answers.queue import QueueSeen, queue_seen
from vispa_green.cli._grid import UNIT, known_of, print_json, rounded, stamp, warn
from vispa_green.cli._options import config_option, json_option
from vispa_green.errors import LedgerError, SlurmError, SpoolError, UnknownPlugin, UsageError, VispaGreenError
from vispa_green.green.promises import belongs
from vispa_green.green.replanning import Decision, Held, LeftAlone, decide, held
from vispa_green.model import JobId, Move, Policy, Promise, Quantity, QueueEntry, Signal
from vispa_green.policies import POLICIES
from vispa_green.session import Session, open_session
from vispa_green.slurm.begin import set_begin
from vispa_green.slurm.squeue import entries
from vispa_green.times.local_zone import local_zone


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job whose promise was looked at: as it waits, with what was decided, or why it was left alone."""

    promise: Promise
    ids: tuple[JobId, ...]
    held: Held | None
    decision: Decision | None
    said: str
    is_moved: bool = False


@click.command("replan")
@click.argument("jobs", nargs=-1, metavar="[JOB]...")
@click.option("-a", "--allusers", is_flag=True, help="Jobs of all users; Slurm lets root and operators do that.")
@click.option("--dry-run", is_flag=True, help="Say what would be moved; move nothing.")
@config_option
@json_option
def command(jobs: tuple[str, ...], config_file: Path | None, *, allusers: bool, dry_run: bool, as_json: bool) -> None:
    """Plan JOB (default: all of mine) again, if it waits for the start that gsbatch gave it.

    Forecasts change while a job waits. Its start is moved to one that is greener by 1 % and 5 minutes or more
    away, or as green and earlier; never past the end it was promised. Where the grid is not known, all stays.
    A begin time that somebody changed by hand wins, and so do a hold and a start. Each move is kept in the
    ledger for `vispa-green green`. It may be called as often as you like.

    \b
    Examples:
      vispa-green replan
      vispa-green replan 4711 --dry-run
      vispa-green replan -a --json | jq '.jobs[] | select(.moved)'
      */30 * * * * root vispa-green replan -a >/dev/null     # in /etc/cron.d, on one machine of the site
    """
    session = open_session(config_file)
    found, warnings = _replanned(session, jobs, all_users=allusers, dry_run=dry_run)
    if as_json:
        records = [_record(waiting) for waiting in found]
        print_json({"dry_run": dry_run, "jobs": records, "warnings": list(warnings)})
        return
    warn(warnings)
    zone = local_zone(os.environ)
    for waiting in found:
        click.echo(_line(waiting, zone))
    if not found:
        click.echo("No green job waits for its start.")


def _replanned(
    session: Session, jobs: tuple[str, ...], *, all_users: bool, dry_run: bool
) -> tuple[list[Waiting], tuple[str, ...]]:
    warnings = _collected(session) if all_users else ()
    ledger = ledger_at(session.ledger_url)
    try:
        known = known_promises(session, ledger, jobs)
    finally:
        if ledger is not None:
            ledger.close()
    promises, moves = _promises(known.promises, jobs, all_users=all_users), known.moves
    warnings += known.refused
    if not promises:
        return [], warnings
    if not session.config.slurm.enabled:
        raise UsageError(
            "[slurm] enabled is false here; waiting jobs can be seen and moved only with Slurm's commands"
        )
    queue = entries(each_task=True, timeout_s=session.config.slurm.timeout_s)
    looked_at = [_looked_at(promise, moves, queue.records, session.now.utc) for promise in promises]
    if not jobs:
        pending = {entry.job_id for entry in queue.records if entry.state == "PENDING"}
        looked_at = [waiting for waiting in looked_at if pending & set(waiting.ids)]
    decided, doubts = _decided(session, looked_at, queue.records)
    doubts = (*queue.faults, *doubts)
    if dry_run:
        return decided, warnings + doubts
    return _moved(session, decided), warnings + doubts


def _collected(session: Session) -> tuple[str, ...]:
    try:
        return collect_promises(session).refused
    except VispaGreenError as error:
        return (f"promises wait to be collected: {error}",)


def _promises(promises: Sequence[Promise], jobs: tuple[str, ...], *, all_users: bool) -> list[Promise]:
    latest = {promise.job_id: promise for promise in promises}
    if unknown := [job for job in jobs if job not in latest]:
        raise UsageError(f"no green submission is known of job {', '.join(unknown)}; gsbatch keeps one for each plan")
    user = getpass.getuser()
    return [promise for promise in latest.values() if jobs or all_users or promise.user == user]


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
    policies = _policies({job.promise.policy for job in candidates})
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


def _policies(names: Collection[str]) -> dict[str, Policy | None]:
    loaded: dict[str, Policy | None] = {}
    for name in names:
        try:
            loaded[name] = POLICIES.load(name)()
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


def _moved(session: Session, decided: Sequence[Waiting]) -> list[Waiting]:
    """Move what is to be moved, if that can be kept: a start that changes without a trace would deceive its user."""
    if not any(waiting.decision is not None and waiting.decision.start is not None for waiting in decided):
        return list(decided)
    keeper = MoveKeeper(session)
    return [_move(session, keeper, waiting) for waiting in decided]


def _refused(waiting: Waiting, why: str) -> Waiting:
    if waiting.decision is None or waiting.decision.start is None:
        return waiting
    return replace(waiting, decision=replace(waiting.decision, start=None), said=f"not moved: {why}")


def _move(session: Session, keeper: MoveKeeper, waiting: Waiting) -> Waiting:
    job, made = waiting.held, waiting.decision
    if job is None or made is None or made.start is None:
        return waiting
    try:
        keeper.check(waiting.promise)
    except (LedgerError, SpoolError) as error:
        return _refused(waiting, f"that could not be kept ({error})")
    # Whole seconds on both sides, as gsbatch counts them: Slurm knows no others.
    now = host.now().utc
    delay_s = int(made.start.timestamp()) - int(now.timestamp())
    try:
        set_begin(waiting.promise.job_id, delay_s, timeout_s=session.config.slurm.timeout_s)
    except SlurmError as error:
        return _refused(waiting, str(error))
    after = made.start if delay_s > 0 else now
    promise = waiting.promise
    move = Move(
        promise.job_id, promise.submitted, now, getpass.getuser(), job.begin, after, made.quantity,
        made.mean_before, made.mean_after, made.reason,
    )  # fmt: skip
    try:
        keeper.keep(move)
    except (LedgerError, SpoolError) as error:
        return replace(waiting, is_moved=True, said=f"{made.reason}; that could not be kept ({error})")
    return replace(waiting, is_moved=True)


def _record(waiting: Waiting) -> dict[str, Any]:
    """Return a job for JSON; what does not apply to it is ``null``."""
    job, made = waiting.held, waiting.decision
    return {
        "job_id": waiting.promise.job_id,
        "user": waiting.promise.user,
        "begin": stamp(None if job is None else job.begin),
        "finish_by": stamp(waiting.promise.finish_by),
        "new_start": stamp(None if made is None else made.start),
        "moved": waiting.is_moved,
        "quantity": None if made is None else made.quantity.value,
        "forecast_mean": rounded(None if made is None else made.mean_before),
        "forecast_mean_at_new_start": rounded(None if made is None else made.mean_after),
        "reason": waiting.said,
    }


def _line(waiting: Waiting, zone: tzinfo) -> str:
    job, made = waiting.held, waiting.decision
    if job is None or made is None:
        return f"job {waiting.promise.job_id}: {waiting.said}"
    begin = _local(job.begin, zone)
    if made.start is None:
        return f"job {waiting.promise.job_id}: stays at {begin}: {waiting.said}"
    word = "moved" if waiting.is_moved else "would move"
    line = f"job {waiting.promise.job_id}: {word} from {begin} to {_local(made.start, zone)}, {waiting.said}"
    if made.mean_after is None or made.mean_before is None:
        return line
    return f"{line}: {made.mean_after:.0f} {UNIT[made.quantity.value]} instead of {made.mean_before:.0f}"


def _local(moment: datetime, zone: tzinfo) -> str:
    return f"{moment.astimezone(zone):%a %d %b %H:%M:%S}"
