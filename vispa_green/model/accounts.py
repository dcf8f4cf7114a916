"""What the ledger tells; what the batch system knows of a job."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from vispa_green.model.jobs import JobKey
from vispa_green.model.node import Component, JobId, Quality


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
    """What a job was charged for a component over an interval, or a quarter-hour where that is all there is."""

    key: JobKey
    node: str
    component: Component
    quality: Quality
    start: datetime
    end: datetime
    busy_uj: int
    idle_uj: int


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
    """What it was submitted for (`vispa_green.energy.projects.told_project`); a tag of the ledger counts more."""
    exit_code: str = ""
    elapsed: timedelta | None = None
    """Of the last run, without the time it was suspended."""
    wckey: str = ""
    """Its workload characterisation key (``--wckey``)."""

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
    wckey: str = ""
    name: str = ""
    comment: str = ""
    submit: datetime | None = None
    nodes: tuple[str, ...] = ()
    tasks: int | None = None
    cpus_per_task: int | None = None
