"""The values this software speaks of, and what its replaceable parts promise. No I/O, no clock.

Energies are integers of microjoules, spans of time half-open and in UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from vispa_green.errors import UnbalancedEntry

UJ_PER_KWH = 3_600_000_000_000

JobId = str
"""Slurm's raw job id as text (``sacct -o JobIDRaw``), or ``run-…`` for a command without Slurm."""


class Component(StrEnum):
    """What an energy counter covers. ``NODE`` contains the others: never sum it with its parts."""

    CPU = "cpu"
    DRAM = "dram"
    GPU = "gpu"
    NODE = "node"


class Quality(StrEnum):
    """How an energy figure came about."""

    MEASURED = "measured"
    ESTIMATED = "estimated"
    GAP = "gap"


@dataclass(frozen=True, slots=True)
class Instant:
    """One moment on both clocks: UTC for stamps, monotonic for durations."""

    utc: datetime
    monotonic_ns: int


# ---- what is read on a node ------------------------------------------------------------------------


class Meter(Protocol):
    """One energy counter of a node."""

    @property
    def component(self) -> Component:
        """What the counter covers."""

    @property
    def device(self) -> str:
        """A name unique on the node, e.g. ``intel-rapl:0`` or ``gpu-0``."""

    @property
    def quality(self) -> Quality:
        """``measured`` for a hardware counter, ``estimated`` for a power model."""

    @property
    def modulus_uj(self) -> int | None:
        """The counter's value is the energy modulo this; ``None`` if it never wraps."""

    @property
    def gpu_index(self) -> int | None:
        """The minor number of the GPU it belongs to, ``None`` for anything else."""

    def read_uj(self, at: Instant) -> int:
        """Return the counter now, in µJ; raise `MeterError` where it cannot be read."""


@dataclass(frozen=True, slots=True)
class CpuTime:
    """Cumulative CPU time of a whole node: ``busy_ns`` of ``total_ns`` (all CPUs)."""

    busy_ns: int
    total_ns: int


@dataclass(frozen=True, slots=True)
class Binding:
    """What of a node belongs to a job; ``None`` where that is unknown. GPUs are minor numbers."""

    uid: int | None = None
    allocated_cpus: int | None = None
    gpus: tuple[int, ...] | None = None

    def or_else(self, other: Binding) -> Binding:
        """Return this binding with its unknowns filled from ``other``."""
        return Binding(
            other.uid if self.uid is None else self.uid,
            other.allocated_cpus if self.allocated_cpus is None else self.allocated_cpus,
            other.gpus if self.gpus is None else self.gpus,
        )


class Tracker(Protocol):
    """Finds the jobs of this node and what they use."""

    def jobs(self) -> Mapping[JobId, int]:
        """Return the cumulative CPU time in ns of every job present now."""

    def binding(self, job_id: JobId) -> Binding:
        """Return what is known here of a job's hold on the node; asked once for each job."""


# ---- what is accounted -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class JobActivity:
    """What one job did on a node during one interval."""

    job_id: JobId
    cpu_ns: int
    present_us: int
    binding: Binding = Binding()


@dataclass(frozen=True, slots=True)
class NodeActivity:
    """What a whole node did during one interval; ``None`` where the node's CPU time was unreadable."""

    duration_us: int
    cpus: int | None
    busy_ns: int | None
    total_ns: int | None
    jobs: tuple[JobActivity, ...]


@dataclass(frozen=True, slots=True)
class EnergySplit:
    """Exact parts of one energy: busy energy by job, the rest idle or system (all µJ)."""

    jobs_uj: Mapping[JobId, int]
    idle_uj: int
    system_uj: int


class AttributionModel(Protocol):
    """Splits the energy of a shared component (CPU, DRAM) among jobs, idle and system."""

    def split(self, energy_uj: int, component: Component, activity: NodeActivity) -> EnergySplit:
        """Return parts that sum to ``energy_uj`` exactly, none negative."""


class IdlePolicy(Protocol):
    """Decides who carries a node's idle energy."""

    def shares(self, idle_uj: int, activity: NodeActivity) -> tuple[Mapping[JobId, int], int]:
        """Return the idle energy charged to each job and what stays idle; together ``idle_uj``."""


@dataclass(frozen=True, slots=True)
class JobShare:
    """One job's part of one entry: what it used and the idle energy charged to it (µJ)."""

    job_id: JobId
    busy_uj: int
    idle_uj: int = 0


@dataclass(frozen=True, slots=True)
class EnergyEntry:
    """One balanced transaction: the energy of one device of a node over one interval.

    ``measured_uj`` is ``None`` where nothing could be read: a gap without a figure.
    """

    component: Component
    device: str
    quality: Quality
    measured_uj: int | None
    idle_uj: int = 0
    system_uj: int = 0
    jobs: tuple[JobShare, ...] = ()
    reason: str = ""

    def __post_init__(self) -> None:
        parts = [self.idle_uj, self.system_uj, *(j.busy_uj for j in self.jobs), *(j.idle_uj for j in self.jobs)]
        if min(parts) < 0 or sum(parts) != (self.measured_uj or 0):
            raise UnbalancedEntry(f"{self.device}: measured {self.measured_uj} µJ, parts sum to {sum(parts)} µJ")

    @property
    def jobs_uj(self) -> int:
        """Everything charged to jobs, their idle shares included."""
        return sum(j.busy_uj + j.idle_uj for j in self.jobs)


@dataclass(frozen=True, slots=True)
class NodeInterval:
    """All entries of one node over one span of time; what an agent spools and the ledger keeps."""

    node: str
    boot_id: str
    start: datetime
    end: datetime
    duration_us: int
    quality: Quality
    entries: tuple[EnergyEntry, ...]
    jobs: tuple[JobActivity, ...] = ()
    reason: str = ""


# ---- what the ledger tells -------------------------------------------------------------------------


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
    max_rss_mib: int | None = None
    comment: str = ""


# ---- the grid --------------------------------------------------------------------------------------


class Quantity(StrEnum):
    """A property of the grid's mix, with its unit in its name."""

    CARBON_INTENSITY = "gco2_per_kwh"
    RENEWABLE_SHARE = "renewable_share_pct"

    @property
    def lower_is_greener(self) -> bool:
        """Whether a smaller value means a greener grid."""
        return self is Quantity.CARBON_INTENSITY


class GridKind(StrEnum):
    """Whether a grid value was seen or foreseen."""

    MEASURED = "measured"
    FORECAST = "forecast"


@dataclass(frozen=True, slots=True)
class GridValue:
    """One value of a grid series over ``[start, end)``, with where it came from and when."""

    quantity: Quantity
    kind: GridKind
    start: datetime
    end: datetime
    value: float
    source: str
    issued_at: datetime
    fetched_at: datetime


class GridProvider(Protocol):
    """A source of German grid data."""

    @property
    def name(self) -> str:
        """The provider's registered name; stored with each of its values."""

    def fetch(self, start: datetime, end: datetime, now: datetime) -> Sequence[GridValue]:
        """Return what is known of ``[start, end)``; raise `GridError` when nothing usable came.

        A value that the service does not have is left out, never a zero.
        """


# ---- planning --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What a user asks of the planner: so long, not before, finished by, on so many CPUs."""

    duration: timedelta
    earliest: datetime
    finish_by: datetime
    cpus: int = 1
    is_held: bool = False
    """Asked again: the job was held before, so on release it would stand before those who came later."""


@dataclass(frozen=True, slots=True)
class GreenWindow:
    """Where a policy would start a job; the means are over the job's length, ``None`` if unknown."""

    start: datetime
    end: datetime
    mean: float | None
    mean_if_started_now: float | None
    quantity: Quantity
    reason: str


class Signal(Protocol):
    """A grid series as a step function, seen by a policy."""

    @property
    def quantity(self) -> Quantity:
        """What the values are."""

    @property
    def edges(self) -> Sequence[datetime]:
        """Every time at which the value changes or knowledge begins or ends, ascending."""

    def mean(self, start: datetime, end: datetime) -> float:
        """Return the time mean over ``[start, end)``; raise `NotCovered` if any of it is unknown."""


class Outlook(Protocol):
    """The machine ahead as far as it is known now: who runs, who waits, who is held for later."""

    @property
    def cpus(self) -> int:
        """The CPUs of the machine."""

    @property
    def reserve_cpus(self) -> int:
        """CPUs that moved work should leave to those who have not asked yet."""

    def earliest(self, cpus: int, duration: timedelta) -> datetime:
        """Return when a job let in now would start, behind everything that is known."""

    def crowding(self, cpus: int, start: datetime, end: datetime) -> float:
        """Return the part (0..1) of a job's CPU time for which there is no room beside the reserve."""


class Policy(Protocol):
    """Chooses when a job should start. Production and simulation run the same objects."""

    @property
    def looks_at_queue(self) -> bool:
        """Whether an outlook changes what it says; then it is worth being made, and asking again pays."""

    def choose(self, request: JobRequest, signal: Signal, outlook: Outlook | None = None) -> GreenWindow:
        """Return the window; it starts at ``request.earliest`` when nothing better is known.

        Without an ``outlook`` nothing is known of the queue.
        """


@dataclass(frozen=True, slots=True)
class Promise:
    """What a green submission told its user, kept to be compared with what came."""

    job_id: JobId
    user: str
    submitted: datetime
    planned_start: datetime
    duration: timedelta
    finish_by: datetime | None
    quantity: Quantity
    mean: float | None
    mean_if_started_now: float | None
    policy: str
    reason: str


# ---- ledger ----------------------------------------------------------------------------------------


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

    def append_job_facts(self, facts: Sequence[JobFact], recorded: datetime) -> int:
        """Add what is new about jobs; return how many."""

    def job_facts(self, selection: Selection) -> list[JobFact]:
        """Return the latest facts of the selected jobs.

        Here ids may also be those shown to users: ``12_3``, or ``12`` for all of an array or het job.
        """

    def close(self) -> None:
        """Release the ledger."""
