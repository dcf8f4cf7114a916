"""The same accounting for one command without Slurm: its process tree is the job."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

import psutil

from vispa_green.agent import assembly
from vispa_green.agent.loop import Agent, Pace
from vispa_green.agent.loop import run as run_loop
from vispa_green.agent.sampling import NodeReader
from vispa_green.agent.spool import Spool
from vispa_green.agent.watch import JobWatch
from vispa_green.errors import UsageError
from vispa_green.model import Binding, Instant, JobFact, JobId
from vispa_green.session import Session


class ProcessTree:
    """A `Tracker` of one command: all processes that descend from it, and those already reaped."""

    def __init__(self, job_id: JobId, process: subprocess.Popen[bytes], uid: int) -> None:
        self._job_id, self._root, self._uid = job_id, psutil.Process(process.pid), uid
        self._before_s = _reaped_s()

    def jobs(self) -> Mapping[JobId, int]:
        """Return the command's CPU time; after its end, that of everything it waited for."""
        total_s = _reaped_s() - self._before_s
        for process in self._members():
            try:
                times = process.cpu_times()
            except psutil.Error:  # gone meanwhile: its time is, or will be, its parent's
                continue
            total_s += times.user + times.system + times.children_user + times.children_system
        return {self._job_id: round(total_s * 1e9)}

    def binding(self, job_id: JobId) -> Binding:
        """Return the owner; a command without Slurm has the whole machine and no card of its own."""
        return Binding(self._uid, None, ())

    def _members(self) -> list[psutil.Process]:
        try:
            return [self._root, *self._root.children(recursive=True)]
        except psutil.Error:
            return []


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended."""

    job_id: JobId
    exit_code: int
    start: Instant
    end: Instant


def account(
    session: Session, command: Sequence[str], pace: Pace, now: Callable[[], Instant], uid: int, user: str
) -> Outcome:
    """Run ``command`` with our own standard streams and account it; raise `UsageError` if it cannot start."""
    host = session.host()
    meters = assembly.meters(session, host)
    start = now()
    job_id = f"run-{start.utc:%Y%m%dT%H%M%S}-{start.monotonic_ns // 1000 % 1_000_000:06d}"
    spool = Spool(session.spool_dir, job_id)
    try:
        process = subprocess.Popen(command)
    except OSError as error:
        raise UsageError(f"{command[0]}: {error.strerror}; give a command as you would to `time`") from error
    agent = Agent(
        NodeReader(host, meters),
        JobWatch([ProcessTree(job_id, process, uid)]),
        assembly.accountant(session.config, host.name),
        spool,
        lambda: session.ledger(create=True),
    )
    try:
        run_loop(agent, pace, now, lambda seconds: _ended(process, seconds))
        end = now()
        with closing(session.ledger(create=True)) as ledger:
            fact = _fact(job_id, user, command, process.returncode, start, end, host.name)
            ledger.append_job_facts([fact], end.utc)
        spool.remove_if_empty()
    finally:
        agent.close()
    return Outcome(job_id, process.returncode, start, end)


def _ended(process: subprocess.Popen[bytes], within_s: float) -> bool:
    try:
        process.wait(timeout=within_s)
    except subprocess.TimeoutExpired:
        return False
    except KeyboardInterrupt:  # the terminal sent it to the command as well: wait how that ends
        return False
    return True


def _fact(
    job_id: JobId, user: str, command: Sequence[str], exit_code: int, start: Instant, end: Instant, node: str
) -> JobFact:
    return JobFact(
        job_id=job_id,
        display_id=job_id,
        user=user,
        account="",
        partition="",
        name=command[0].rpartition("/")[2],
        state="COMPLETED" if exit_code == 0 else "FAILED",
        nodes=(node,),
        submit=start.utc,
        eligible=start.utc,
        start=start.utc,
        end=end.utc,
        time_limit=None,
        cpus=None,
    )


def _reaped_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
