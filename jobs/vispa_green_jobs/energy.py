"""What a segment cost: from the cluster's ledger inside a Slurm job, else from a meter of our own.

The meter is the agent of ``vispa-green run``, in a thread of this process: the same counters, the same
split by CPU time, the same ledger. Whatever goes wrong with it is a sentence in the record and never
the end of a training.
"""

from __future__ import annotations

import getpass
import os
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import Self

import psutil

from vispa_green.config import SlurmSection
from vispa_green.energy.carbon import GridSignal, carbon_of, without_overlap
from vispa_green.errors import VispaGreenError
from vispa_green.model import Binding, Instant, JobFact, JobId, JobPosting
from vispa_green.session import Session
from vispa_green_jobs.record import Cost, Segment, moment

PACE_S = 1.0


def account_of(environment: Mapping[str, str], now: Instant) -> tuple[str, JobId]:
    """Return who accounts this process, and under which job id."""
    if job_id := environment.get("SLURM_JOB_ID"):
        return "slurm", job_id
    return "local", f"run-{now.utc:%Y%m%dT%H%M%S}-{now.monotonic_ns // 1000 % 1_000_000:06d}"


class OwnProcess:
    """A `Tracker` of this process and everything it started."""

    def __init__(self, job_id: JobId) -> None:
        self._job_id, self._root = job_id, psutil.Process()

    def jobs(self) -> Mapping[JobId, int]:
        """Return the CPU time of the tree."""
        total_s = 0.0
        for process in (self._root, *self._root.children(recursive=True)):
            try:
                times = process.cpu_times()
            except psutil.Error:  # gone meanwhile: its time is, or will be, its parent's
                continue
            total_s += times.user + times.system + times.children_user + times.children_system
        return {self._job_id: round(total_s * 1e9)}

    def binding(self, job_id: JobId) -> Binding:
        """Return the owner; without Slurm nothing of the machine is reserved."""
        return Binding(os.getuid(), None, ())


class LocalMeter:
    """While it is entered, this process is accounted as job ``job_id``."""

    def __init__(self, session: Session, job_id: JobId, name: str, now: Callable[[], Instant]) -> None:
        self._session, self._job_id, self._name, self._now = session, job_id, name, now
        self._stop, self._started = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="meter", daemon=True)
        self.failure = ""

    def __enter__(self) -> Self:
        self._start = self._now()
        self._thread.start()
        self._started.wait(timeout=10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=30)

    def _run(self) -> None:
        try:
            self._account()
        except (VispaGreenError, OSError, psutil.Error) as error:
            self.failure = str(error)
        finally:
            self._started.set()

    def _account(self) -> None:
        from vispa_green.agent import assembly
        from vispa_green.agent.loop import Agent, run
        from vispa_green.agent.sampling import NodeReader
        from vispa_green.agent.spool import Spool
        from vispa_green.agent.watch import JobWatch

        session, host = self._session, self._session.host()
        spool = Spool(session.spool_dir, self._job_id)
        agent = Agent(
            NodeReader(host, assembly.meters(session, host)),
            JobWatch([OwnProcess(self._job_id)]),
            assembly.accountant(session.config, host.name),
            spool,
            lambda: session.ledger(create=True),
        )
        try:
            run(agent, assembly.pace(session.config, PACE_S), self._now, self._wait)
            with closing(session.ledger(create=True)) as ledger:
                ledger.append_job_facts([self._fact(host.name)], self._now().utc)
            spool.remove_if_empty()
        finally:
            agent.close()

    def _wait(self, seconds: float) -> bool:
        self._started.set()
        return self._stop.wait(seconds)

    def _fact(self, node: str) -> JobFact:
        start = self._start.utc
        return JobFact(
            job_id=self._job_id,
            display_id=self._job_id,
            user=getpass.getuser(),
            account="",
            partition="",
            name=self._name,
            state="COMPLETED",
            nodes=(node,),
            submit=start,
            eligible=start,
            start=start,
            end=self._now().utc,
            time_limit=None,
            cpus=None,
        )


def cost_of(session: Session, segment: Segment, until: datetime | None, failure: str = "") -> Cost:
    """Ask the ledger what a segment cost; ``until`` ends one whose end nobody wrote down.

    A requeued job keeps its id, so the intervals of one id are cut to the segment's times.
    """
    source = f"ledger, Slurm job {segment.account_id}" if segment.account == "slurm" else "local meter"
    if failure:
        return Cost(f"{source}: {failure}")
    try:
        postings, intensity = _asked(session, segment.account_id)
    except VispaGreenError as error:
        return Cost(f"{source}: {error}")
    end = moment(segment.end) if segment.end else until
    if segment.account == "slurm":
        postings = clipped(postings, moment(segment.start), end)
    if not postings:
        return Cost(f"{source}: nothing in the account yet; `vispa-green jobs check` asks again")
    from vispa_green.energy.jobs import energy_parts, worst

    carbon = carbon_of(postings, intensity) if intensity else None
    quality = worst(posting.quality for posting in postings)
    return Cost(
        source,
        energy_parts(postings).total_uj,
        quality.value if quality else None,
        carbon.grams if carbon and carbon.covered_uj else None,
        (carbon.covered_fraction or 0.0) if carbon else 0.0,
        max(posting.end for posting in postings).isoformat(),
    )


def _asked(session: Session, job_id: JobId) -> tuple[list[JobPosting], GridSignal | None]:
    """Return what the job was charged and the grid's carbon intensity meanwhile; Slurm need not be asked."""
    from vispa_green.answers.jobs import JobChoice, collect

    without_slurm = session.config.model_copy(update={"slurm": SlurmSection(enabled=False)})
    material = collect(replace(session, config=without_slurm), JobChoice(job_ids=(job_id,)))
    return without_overlap(p for p in material.postings if p.job_id == job_id), material.grid.intensity


def clipped(postings: list[JobPosting], start: datetime, end: datetime | None) -> list[JobPosting]:
    """Cut postings to ``[start, end)``; energy within one interval is taken to be even."""
    kept = []
    for posting in postings:
        first, last = max(posting.start, start), min(posting.end, end) if end else posting.end
        if last <= first:
            continue
        part = (last - first) / (posting.end - posting.start)
        busy, idle = int(posting.busy_uj * part), int(posting.idle_uj * part)
        kept.append(replace(posting, start=first, end=last, busy_uj=busy, idle_uj=idle))
    return kept
