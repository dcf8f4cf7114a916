"""Runs a job in a folder, one segment at a time: start or resume, pause, complete, judge, report."""

from __future__ import annotations

import importlib.metadata
import math
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from vispa_green import __version__
from vispa_green.agent.embedded import EmbeddedAccount, places
from vispa_green.host import short_name
from vispa_green.model import Instant
from vispa_green.numbers import whole_number
from vispa_green.session import Session
from vispa_green_jobs import green_hours
from vispa_green_jobs import record as records
from vispa_green_jobs.claims import judge
from vispa_green_jobs.context import CHECKPOINT_EVERY_S, RunContext
from vispa_green_jobs.energy import account_of, cost_of
from vispa_green_jobs.errors import ExtraMissing, JobError, Paused
from vispa_green_jobs.green_hours import Allowance, GreenHours
from vispa_green_jobs.job import Job
from vispa_green_jobs.pause import PauseRequest
from vispa_green_jobs.record import Cost, Record, Segment, Status
from vispa_green_jobs.report import write_report

EXIT_COMPLETE, EXIT_FAILED, EXIT_CLAIM_FAILED, EXIT_PAUSED = 0, 1, 3, 75
"""75 is EX_TEMPFAIL of sysexits.h: try again later."""


@dataclass(frozen=True, slots=True)
class Run:
    """A job at work in a folder: what all its segments are given."""

    job: Job
    out: Path
    session: Session
    now: Callable[[], Instant]
    say: Callable[[str], None]
    checkpoint_every_s: float = CHECKPOINT_EVERY_S
    hours: GreenHours | None = None
    """It pauses outside of green hours; ``None``: it does not look at the grid."""


def start(job: Job, preset: str, seed: int, overrides: Sequence[str], out: Path) -> Record:
    """Return the record of a new run, written; raise `JobError` if the folder holds one already."""
    if records.exists(out):
        raise JobError(
            f"{out} holds a run; go on with `vispa-green jobs resume {job.name} --out {out}`, or use another"
        )
    settings = job.settings(preset, overrides)
    job.require()
    threads = _threads(job.definition.preset(preset).resources.cpus, os.environ)
    record = Record(job.name, preset, seed, threads, job.plain(settings), _versions(job))
    records.write(record, out)
    return record


def take_up(job: Job, out: Path) -> Record:
    """Return the record of the run in a folder, to go on with it."""
    record = records.read(out)
    if record.job != job.name:
        raise JobError(f"{out} holds a run of {record.job}, not of {job.name}")
    job.require()
    return record


def go_on(run: Run, record: Record) -> Record:
    """Run one segment, to the end or the next pause; return the record, which is on disk with its report."""
    if record.status is Status.COMPLETE:
        return record
    # Before the first import of NumPy: its libraries read this once.
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = str(record.threads)
    # Threads that wait for one another sleep: spinning costs energy, and minutes where cores are shared.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    began = run.now()
    account, account_id = account_of(os.environ, began)
    segment = Segment(began.utc.isoformat(), short_name(), account, account_id)
    allowed = _allowance(run, record, began)
    record = replace(_closed(record), status=Status.RUNNING, exit_code=None).with_segment(segment)
    records.write(record, run.out)
    meter = EmbeddedAccount(run.session, record.job, run.now, job_id=account_id) if account == "local" else None
    with PauseRequest(allowed.until, run.now) as pause:
        context = RunContext(run.out, record.seed, run.now, pause, record.threads, run.checkpoint_every_s, run.say)
        try:
            with _entered(meter):
                status, metrics = _work(run.job, record, context)
        except BaseException:
            _finish(run, _ended(run, record, Status.FAILED, context), {}, meter)
            raise
        record = _ended(run, record, status, context)
        if status is Status.PAUSED and allowed.resume_at is not None and allowed.is_over(run.now().utc):
            record = record.with_last(replace(record.segments[-1], resume_at=allowed.resume_at.isoformat()))
            green_hours.keep(allowed.resume_at, run.out)
        return _finish(run, record, metrics, meter)


def check(job: Job, out: Path, session: Session) -> Record:
    """Judge the metrics of a run again and ask the ledger again what its segments cost; nothing is trained."""
    record = _with_costs(records.read(out), session)
    if record.status is Status.COMPLETE:
        record = _judged(job, record)
    records.write(record, out)
    write_report(job, record, out)
    return record


def _allowance(run: Run, record: Record, began: Instant) -> Allowance:
    """Plan this segment, if it is to be planned; the last plan is over either way."""
    green_hours.forget(run.out)
    if run.hours is None:
        return Allowance()
    planned = green_hours.allowance(run.hours, record.segments, run.session, began.utc)
    run.say(f"green hours: {planned.why}")
    return planned


def _work(job: Job, record: Record, context: RunContext) -> tuple[Status, records.Metrics]:
    settings = job.settings_of(record.settings)
    try:
        context.pause_point()  # it may be wanted already: then torch is not even imported
        metrics = job.run(settings, context)
    except Paused:
        return Status.PAUSED, {}
    except ModuleNotFoundError as error:
        raise ExtraMissing(job.name, [error.name or str(error)], job.definition.extras) from error
    return Status.COMPLETE, {name: _number(value) for name, value in metrics.items()}


def _number(value: float) -> float | None:
    """What is no finite number has no place in JSON; its claim fails, and nothing of the run is lost."""
    return float(value) if math.isfinite(value) else None


def _ended(run: Run, record: Record, status: Status, context: RunContext) -> Record:
    """Return the record with its last segment ended now."""
    codes = {Status.PAUSED: EXIT_PAUSED, Status.FAILED: EXIT_FAILED}
    segment = replace(record.segments[-1], end=run.now().utc.isoformat(), status=status, steps=context.steps_done)
    return replace(record.with_last(segment), status=status, exit_code=codes.get(status))


def _finish(run: Run, record: Record, metrics: records.Metrics, meter: EmbeddedAccount | None) -> Record:
    """Ask what the segment cost, judge what is complete, write record and report."""
    segment = record.segments[-1]
    # The grid of the whole segment is known by now, so the ledger is asked as of now.
    session = meter.session if meter else run.session
    cost = cost_of(replace(session, now=run.now()), segment, None, meter.failure if meter else "")
    record = record.with_last(replace(segment, cost=cost))
    if record.status is Status.COMPLETE:
        record = _judged(run.job, replace(record, metrics=metrics))
    records.write(record, run.out)
    write_report(run.job, record, run.out)
    return record


def _judged(job: Job, record: Record) -> Record:
    claims = judge(job.definition.claims_of(record.preset), record.metrics)
    passed = all(claim.passed for claim in claims)
    return replace(record, claims=claims, exit_code=EXIT_COMPLETE if passed else EXIT_CLAIM_FAILED)


def _closed(record: Record) -> Record:
    """Mark a last segment that nobody closed: its process was killed."""
    if not record.segments or record.segments[-1].status is not Status.RUNNING:
        return record
    return record.with_last(replace(record.segments[-1], status=Status.KILLED))


def _with_costs(record: Record, session: Session) -> Record:
    """Ask for every segment again; one that was killed ends where the next begins."""
    starts = [*(segment.start for segment in record.segments[1:]), None]
    asked = [
        _asked_again(session, segment, records.moment(following) if following else None)
        for segment, following in zip(record.segments, starts, strict=True)
    ]
    segments = tuple(replace(s, cost=cost) for s, cost in zip(record.segments, asked, strict=True))
    return replace(record, segments=segments)


def _asked_again(session: Session, segment: Segment, until: datetime | None) -> Cost:
    """Ask every place where this user's account may be kept."""
    cost = segment.cost
    for place in places(session) if segment.account == "local" else (session,):
        cost = _better(cost, cost_of(place, segment, until))
    return cost


def _better(before: Cost, after: Cost) -> Cost:
    """Prefer what is known: the ledger may be out of reach now, or on another machine."""
    return before if after.energy_uj is None and before.energy_uj is not None else after


def _entered(meter: EmbeddedAccount | None) -> AbstractContextManager[object]:
    return meter if meter is not None else nullcontext()


def _threads(wanted: int, environment: Mapping[str, str]) -> int:
    allowed = environment.get("SLURM_CPUS_PER_TASK") or environment.get("OMP_NUM_THREADS") or ""
    return min(wanted, whole_number(allowed) or len(os.sched_getaffinity(0)))


def _versions(job: Job) -> dict[str, str]:
    found = {"vispa-green": __version__, "python": platform.python_version(), "machine": platform.machine()}
    for module in job.definition.needs:
        distribution = {"sklearn": "scikit-learn"}.get(module, module)
        try:
            found[distribution] = importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
