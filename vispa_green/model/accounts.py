"""What the ledger tells and what it promises; what the batch system knows of a job."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from vispa_green.model.energy import NodeInterval
from vispa_green.model.grid import GridValue, Quantity
from vispa_green.model.node import Component, JobId, Quality
from vispa_green.model.planning import Move, Promise


@dataclass(frozen=True, slots=True)
class BalanceRow:
    """The sums of one node and component; ``difference_uj`` is 0 or the ledger is broken."""

    node: str
    component: Component
    measured_uj: int
    jobs_uj: int
    idle_uj: int
    system_uj: int

    @property
    def difference_uj(self) -> int:
        """Measured minus everything it was posted to."""
        return self.measured_uj - self.jobs_uj - self.idle_uj - self.system_uj


@dataclass(frozen=True, slots=True)
class NodeEnergy:
    """What one component of a node measured over one interval and where it was posted; no gaps without a figure.

    ``jobs_uj`` includes the idle energy that jobs carry.
    """

    node: str
    component: Component
    quality: Quality
    start: datetime
    end: datetime
    measured_uj: int
    jobs_uj: int
    idle_uj: int
    system_uj: int


@dataclass(frozen=True, slots=True)
class JobPosting:
    """What one job was charged for one device over one interval."""

    job_id: JobId
    node: str
    component: Component
    quality: Quality
    start: datetime
    end: datetime
    busy_uj: int
    idle_uj: int


@dataclass(frozen=True, slots=True)
class JobPresence:
    """When and how long a job was seen on a node, and the CPU time it used there."""

    job_id: JobId
    node: str
    uid: int | None
    first_seen: datetime
    last_seen: datetime
    present_us: int
    cpu_ns: int


@dataclass(frozen=True, slots=True)
class JobFact:
    """What the batch system knows of a job (`None`: it does not say). ``nodes`` are node names."""

    job_id: JobId
    display_id: str
    user: str
    account: str
    partition: str
    name: str
    state: str
    nodes: tuple[str, ...]
    submit: datetime | None
    eligible: datetime | None
    start: datetime | None
    end: datetime | None
    time_limit: timedelta | None
    cpus: int | None
    memory_mib: int | None = None
    peak_memory_mib: int | None = None
    """The most that all its tasks and steps can have held at once, an upper bound; ``None``: not known."""
    comment: str = ""
    uid: int | None = None
    qos: str = ""
    project: str = ""
    """Its workload characterisation key (``--wckey``)."""
    exit_code: str = ""
    elapsed: timedelta | None = None
    """Of the last run, without the time it was suspended."""

    @property
    def has_run(self) -> bool:
        """Whether it ever started; one that is cancelled while it waits has a start equal to its end."""
        return self.start is not None and self.start != self.end


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """A job, a task of an array or a component of a het job as the batch system's queue shows it now."""

    job_id: JobId
    display_id: str
    user: str
    state: str
    reason: str
    """Why it waits, in the batch system's word."""
    begin: datetime | None
    """It starts at this time or later."""
    cpus: int
    time_limit: timedelta | None
    """``None``: unlimited, or not known."""
    used: timedelta = timedelta(0)
    """How long it has been running, without the time it was suspended."""
    uid: int | None = None
    account: str = ""
    partition: str = ""
    qos: str = ""
    project: str = ""
    name: str = ""
    comment: str = ""
    submit: datetime | None = None
    nodes: tuple[str, ...] = ()
    tasks: int | None = None
    cpus_per_task: int | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """Which jobs a query is about: empty means all. Times select jobs that overlap ``[start, end)``."""

    job_ids: tuple[JobId, ...] = ()
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class SpooledInterval:
    """An interval with its number in the spool it comes from; that pair makes delivery idempotent."""

    sequence: int
    interval: NodeInterval = field(repr=False)


class Ledger(Protocol):
    """The append-only account of a cluster."""

    def append(self, spool_id: str, intervals: Sequence[SpooledInterval], received: datetime) -> int:
        """Add what is not there yet, all or nothing; return how many were new."""

    def balance(self) -> list[BalanceRow]:
        """Return the sums by node and component."""

    def node_energy(self, start: datetime, end: datetime) -> Iterable[NodeEnergy]:
        """Yield what nodes measured in the intervals that overlap ``[start, end)``, in order of time.

        Devices of one component and quality are summed; where nothing could be read, there is nothing.
        """

    def postings(self, selection: Selection) -> Iterable[JobPosting]:
        """Yield what jobs were charged, in order of time."""

    def presence(self, selection: Selection) -> list[JobPresence]:
        """Return where and how long jobs were seen."""

    def append_grid_values(self, values: Sequence[GridValue]) -> int:
        """Add values that say something new; return how many."""

    def grid_values(self, quantity: Quantity, start: datetime, end: datetime) -> list[GridValue]:
        """Return, of each kind and source, the latest issue of every value that overlaps the span."""

    def append_promise(self, promise: Promise) -> None:
        """Keep what a green submission promised."""

    def promises(self, job_ids: Sequence[JobId] = ()) -> list[Promise]:
        """Return the promises of these jobs, or all."""

    def append_moves(self, moves: Sequence[Move]) -> None:
        """Keep how planned starts were changed; raise `LedgerError` where nothing can be kept, also without any."""

    def moves(self, job_ids: Sequence[JobId] = ()) -> list[Move]:
        """Return the moves of these jobs, or all, in the order in which they were made."""

    def append_job_facts(self, facts: Sequence[JobFact], recorded: datetime) -> int:
        """Add what is new about jobs; return how many."""

    def job_facts(self, selection: Selection) -> list[JobFact]:
        """Return the latest facts of the selected jobs.

        Here ids may also be those shown to users: ``12_3``, or ``12`` for all of an array or het job.
        """

    def close(self) -> None:
        """Release the ledger."""
