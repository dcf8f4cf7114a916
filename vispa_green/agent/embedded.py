"""An account of processes of this machine, kept by a thread of this very program: without Slurm, without an agent.

`vispa-green run`, ``measured`` and the bundled jobs use it. Nothing of ours may stand in the way of what is measured:
whatever fails is a sentence in `EmbeddedAccount.failure`, and what was measured goes to the first place that takes
it: the site's spool and ledger, the user's own, a temporary one.
"""

from __future__ import annotations

import os
import resource
import tempfile
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from vispa_green import host
from vispa_green.agent import assembly
from vispa_green.agent.loop import Agent, run
from vispa_green.agent.sampling import NodeReader
from vispa_green.agent.spool import Spool
from vispa_green.agent.watch import JobWatch
from vispa_green.config import Config, SlurmSection
from vispa_green.energy.jobs import JobEnergy
from vispa_green.errors import ConfigError, SpoolError, VispaGreenError
from vispa_green.host import state_directory, user_name
from vispa_green.model import Binding, Instant, JobFact, JobId, Ledger, Origin
from vispa_green.session import Session, open_session
from vispa_green.units import UJ_PER_WH

PACE_S = 1.0
DELIVER_S = 0.2
START_LIMIT_S = 2.0
"""So long the work waits for the first reading; then it begins without."""
END_LIMIT_S = 5.0
"""So long its end waits for the last reading and for the ledger."""


class ProcessTree:
    """A `Tracker` of what this process has started, reaped processes included, and of itself if that is wanted."""

    def __init__(self, job_id: JobId, *, with_itself: bool) -> None:
        self._job_id, self._with_itself = job_id, with_itself
        self._root = psutil.Process()
        self._before_s = self._reaped_s()

    def present(self) -> Collection[JobId]:
        """Return the one job there is."""
        return (self._job_id,)

    def places(self) -> Collection[str]:
        """Return nothing: the kernel does not tell of processes."""
        return ()

    def usage(self) -> Mapping[JobId, int]:
        """Return the CPU time since this was made, in ns."""
        total_s = self._reaped_s() - self._before_s
        for process in self._root.children(recursive=True):
            try:
                times = process.cpu_times()
            except psutil.Error:  # gone meanwhile: its time is, or will be, its parent's
                continue
            total_s += times.user + times.system + times.children_user + times.children_system
        return {self._job_id: round(total_s * 1e9)}

    def binding(self, job_id: JobId) -> Binding:
        """Return the owner; without Slurm nothing of the machine is reserved, and no card is its own."""
        return Binding(os.getuid(), None, ())

    def _reaped_s(self) -> float:
        whose = (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF) if self._with_itself else (resource.RUSAGE_CHILDREN,)
        used = [resource.getrusage(who) for who in whose]
        return sum(usage.ru_utime + usage.ru_stime for usage in used)


class EmbeddedAccount:
    """While it is entered, a process tree is accounted as one job; neither entering nor leaving ever raises.

    Afterwards ``cost`` is the job's row, or ``None`` with the reason in ``failure``.
    """

    def __init__(
        self, session: Session, name: str, now: Callable[[], Instant], *, job_id: JobId = "", with_itself: bool = True
    ) -> None:
        self.session = session
        """Where the account was kept; known after entering."""
        self.job_id = job_id or own_job_id(session.now)
        self.failure = ""
        self.cost: JobEnergy | None = None
        self.exit_code = 0
        """Of the work, for who knows it before leaving."""
        self._name, self._now, self._with_itself = name, now, with_itself
        self._stop, self._started = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="meter", daemon=True)

    def __enter__(self) -> Self:
        self._start = self._now()
        self._thread.start()
        self._started.wait(START_LIMIT_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.exit_code = self.exit_code or int(error is not None)
        self._end = self._now()
        self._stop.set()
        self._thread.join(END_LIMIT_S)
        if self._thread.is_alive():
            self.failure = self.failure or f"its account was not closed within {END_LIMIT_S:g} s"

    @property
    def energy_uj(self) -> int | None:
        """What was measured or estimated, ``None`` if nothing was."""
        return None if self.cost is None else self.cost.energy_uj

    @property
    def quality(self) -> str | None:
        """How the figure came about: measured, estimated or gap."""
        return None if self.cost is None or self.cost.quality is None else self.cost.quality.value

    @property
    def energy_wh(self) -> float | None:
        """The same in Wh."""
        return None if self.energy_uj is None else self.energy_uj / UJ_PER_WH

    @property
    def co2_g(self) -> float | None:
        """The CO2 of it, as far as the grid is known; ``None`` where it is not at all."""
        return None if self.cost is None else self.cost.co2_g

    def _run(self) -> None:
        try:
            self._account()
            self.cost = cost_of(replace(self.session, now=self._now()), self.job_id)
            if self.energy_uj is None:
                self.failure = "nothing came into the account"
        except Exception as error:  # noqa: BLE001 - whatever it is, the work that is measured goes on
            self.failure = str(error) or type(error).__name__
        finally:
            self._started.set()

    def _account(self) -> None:
        tree = ProcessTree(self.job_id, with_itself=self._with_itself)
        host = self.session.host()
        reader = NodeReader(host, assembly.meters(self.session, host))
        accountant = assembly.accountant(self.session.config, host.name)
        self.session, spool = _opened(self.session, self.job_id)
        cluster = self.session.config.cluster.name
        agent = Agent(reader, JobWatch([tree]), accountant, spool, lambda: self.session.ledger(create=True), cluster)
        try:
            # Nobody comes after a killed process to deliver its spool: each interval goes at once.
            pace = replace(assembly.pace(self.session.config, PACE_S), deliver_s=DELIVER_S)
            run(agent, pace, self._now, self._wait)
            with closing(self.session.ledger(create=True)) as ledger:
                ledger.facts.append(cluster, [self._fact(host.name)], self._end.utc)
            spool.remove_if_empty()
        finally:
            agent.close()

    def _wait(self, seconds: float) -> bool:
        self._started.set()
        return self._stop.wait(seconds)

    def _fact(self, node: str) -> JobFact:
        start = self._start.utc
        return JobFact(
            job_id=self.job_id,
            display_id=self.job_id,
            user=user_name(os.getuid()),
            account="",
            partition="",
            name=self._name,
            state="COMPLETED" if self.exit_code == 0 else "FAILED",
            nodes=(node,),
            submit=start,
            eligible=start,
            start=start,
            end=self._end.utc,
            time_limit=None,
            cpus=None,
            uid=os.getuid(),
        )


def account_of(config_file: Path | None, name: str, *, with_itself: bool) -> tuple[EmbeddedAccount, str]:
    """Return an account to enter; where the configuration cannot be used, one by the defaults, and why."""
    try:
        session, trouble = open_session(config_file), ""
    except ConfigError as error:
        session, trouble = Session(Config(), host.now()), str(error).splitlines()[0]
    return EmbeddedAccount(session, name, host.now, with_itself=with_itself), trouble


def own_job_id(at: Instant) -> JobId:
    """Return an id that no other run of this machine has."""
    return f"run-{at.utc:%Y%m%dT%H%M%S}-{at.monotonic_ns // 1000 % 1_000_000:06d}"


def places(session: Session) -> Iterator[Session]:
    """Yield where an account may be kept and found, best first: the configured place, then the user's own."""
    yield session
    own = state_directory(os.getuid(), os.environ)
    if session.state_dir != own or session.config.agent.spool_dir or session.config.ledger.url:
        yield replace(session, place=own)


def cost_of(session: Session, job_id: JobId) -> JobEnergy | None:
    """Ask the ledger of one place what a job cost; Slurm does not know it. Raise `LedgerError` if it cannot be."""
    from vispa_green.answers.jobs import JobChoice, jobs

    without_slurm = replace(session.config, slurm=SlurmSection(enabled=False))
    rows = jobs(replace(session, config=without_slurm), JobChoice(job_ids=(job_id,))).rows
    return rows[0] if rows else None


def _try_writing(ledger: Ledger, origin: Origin, now: datetime) -> None:
    """Write nothing, to every book that will be written to: raise `LedgerError` where something could not be."""
    ledger.promises.append_moves(())
    ledger.energy.append(origin, (), now)
    ledger.facts.append(origin.cluster, (), now)


def _opened(session: Session, job_id: JobId) -> tuple[Session, Spool]:
    """Return the first place whose spool and ledger take something, with the spool opened."""
    trouble = ""
    for place in (*places(session), None):
        try:
            at = place or replace(session, place=Path(tempfile.mkdtemp(prefix="vispa-green-")))
            spool = Spool(at.spool_dir, job_id)
        except (VispaGreenError, OSError) as error:
            trouble = str(error)
            continue
        try:
            with closing(at.ledger(create=True)) as ledger:
                _try_writing(ledger, Origin(at.config.cluster.name, spool.spool_id), at.now.utc)
        except VispaGreenError as error:
            spool.remove_if_empty()
            spool.close()
            trouble = str(error)
            continue
        return at, spool
    raise SpoolError(trouble)
