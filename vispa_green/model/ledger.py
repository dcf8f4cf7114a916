"""What the account of a cluster promises: six books, one place where questions meet rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo
from enum import StrEnum
from typing import Protocol

from vispa_green.model.accounts import BalanceRow, JobFact, JobPosting, NodeEnergy
from vispa_green.model.energy import NodeInterval
from vispa_green.model.grid import GridValue, Quantity
from vispa_green.model.jobs import JobKey, Selection
from vispa_green.model.node import Component, JobId, Quality
from vispa_green.model.planning import Move, Promise
from vispa_green.model.preferences import PreferenceBook
from vispa_green.model.projects import ProjectBook


@dataclass(frozen=True, slots=True)
class Origin:
    """Where intervals come from: the cluster, and the spool that numbers them."""

    cluster: str
    spool_id: str


@dataclass(frozen=True, slots=True)
class SpooledInterval:
    """An interval with its number in the spool it comes from; that pair makes delivery idempotent."""

    sequence: int
    interval: NodeInterval = field(repr=False)


@dataclass(frozen=True, slots=True)
class Batch:
    """Intervals of one spool that are delivered together."""

    origin: Origin
    intervals: Sequence[SpooledInterval] = field(repr=False)


@dataclass(frozen=True, slots=True)
class JobStay:
    """A time without holes in which a job was on a node.

    ``metered_us`` is the part of ``present_us`` in which every counter that it pays for could be read;
    ``unwatched_us`` comes on top: it was there before and after, and nobody watched between.
    """

    node: str
    start: datetime
    end: datetime
    present_us: int
    metered_us: int
    unwatched_us: int
    cpu_ns: int
    reserved_us: int | None
    """CPUs × time that were its own, ``None`` where they are not known."""


@dataclass(frozen=True, slots=True)
class EnergySum:
    """What was charged for one component at one quality, in µJ."""

    component: Component
    quality: Quality
    busy_uj: int
    idle_uj: int


@dataclass(frozen=True, slots=True)
class Weighted:
    """A grid quantity weighted by energy: the energy whose quantity is known, and the sum of µJ × value."""

    known_uj: int = 0
    sum_uj: float = 0.0

    @property
    def mean(self) -> float | None:
        """The mean of the quantity, ``None`` where it is known for nothing."""
        return self.sum_uj / self.known_uj if self.known_uj else None

    def __add__(self, other: Weighted) -> Weighted:
        return Weighted(self.known_uj + other.known_uj, self.sum_uj + other.sum_uj)


@dataclass(frozen=True, slots=True)
class JobAccount:
    """One job as the ledger has it: facts, stays, sums, and the grid while it used its energy."""

    key: JobKey
    fact: JobFact | None
    uid: int | None
    stays: tuple[JobStay, ...] = ()
    sums: tuple[EnergySum, ...] = ()
    grid: Mapping[Quantity, Weighted] = field(default_factory=dict)
    tasks: int | None = None
    cpus_per_task: int | None = None
    tag: str | None = None
    """The project that somebody tagged it with, which counts before that of its fact."""


class Dimension(StrEnum):
    """What sums can be made by. Days, weeks and months are those of a time zone."""

    CLUSTER = "cluster"
    USER = "user"
    ACCOUNT = "account"
    PARTITION = "partition"
    PROJECT = "project"
    JOB = "job"
    NODE = "node"
    COMPONENT = "component"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Total:
    """One sum: what it is of, the energy by component and quality, and the grid where that was asked for."""

    group: Mapping[Dimension, str | date | JobKey]
    sums: tuple[EnergySum, ...]
    jobs: int | None
    """How many jobs it is made of, ``None`` where the sum was not made from jobs."""
    grid: Mapping[Quantity, Weighted] | None


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many raw rows were taken out; the roll-ups keep what they told."""

    intervals: int
    facts: int


@dataclass(frozen=True, slots=True)
class ChainHead:
    """The last link of a chain of digests over what a spool delivered; kept elsewhere, it proves all before it."""

    spool: str
    link: int
    ended: datetime
    """When the last of its intervals ended."""
    digest: str
    """SHA-256, in hexadecimal."""


class EnergyBook(Protocol):
    """What was measured and whom it was charged to: raw rows, and the roll-ups that are kept for ever."""

    def append(self, origin: Origin, intervals: Sequence[SpooledInterval], received: datetime) -> int:
        """Add what is not there yet, with its roll-ups, all or nothing; return how many were new.

        Raises `IntervalRefused` for one that breaks the account's rules; then nothing was added.
        """

    def append_all(self, batches: Sequence[Batch], received: datetime) -> list[int]:
        """Add what is not there yet of several batches, all or nothing; return how many of each were new.

        Raises `IntervalRefused` where `append` would for one of them, which is found by adding them alone.
        """

    def balance(self) -> list[BalanceRow]:
        """Return the sums by node and component."""

    def verify(self, heads: Sequence[ChainHead] = ()) -> list[str]:
        """Return every disagreement between rows, roll-ups and chains as a sentence; none in a sound ledger.

        ``heads`` were told by `heads` on an earlier day: each has to be in its chain still.
        """

    def heads(self) -> list[ChainHead]:
        """Return the last link of each spool's chain."""

    def prune(self, before: datetime) -> Pruned:
        """Take out the raw rows of whole quarter-hours that ended before; roll-ups stay."""

    def node_energy(self, start: datetime, end: datetime) -> Iterable[NodeEnergy]:
        """Yield what nodes measured in the intervals that overlap ``[start, end)``, in order of time."""

    def postings(self, selection: Selection) -> Iterable[JobPosting]:
        """Yield what jobs were charged, in order of time, as finely as it is still kept.

        A whole-node counter is left out for intervals in which the node's parts were metered: it contains them.
        """

    def jobs(self, selection: Selection, *, whole: bool = True) -> list[JobAccount]:
        """Return the selected jobs; with their whole runs, or only with what they were charged in the span."""

    def totals(
        self, selection: Selection, by: Sequence[Dimension], zone: tzinfo, *, with_grid: bool = True
    ) -> list[Total]:
        """Return sums of what the selected jobs were charged in the span; adjacent spans add up to their union."""


class GridBook(Protocol):
    """Every issue of every grid value."""

    def append(self, values: Sequence[GridValue]) -> int:
        """Add values that say something new; return how many."""

    def values(self, quantity: Quantity, start: datetime, end: datetime) -> list[GridValue]:
        """Return, of each kind and source, the latest issue of every value that overlaps the span."""

    def unmeasured(self, quantity: Quantity, start: datetime, end: datetime) -> tuple[datetime, datetime] | None:
        """Return from when to when quarter-hours of a span have no measured value, ``None`` if all have one."""

    def prefer(self, sources: Sequence[str]) -> None:
        """Keep which source counts where several tell of a time, the best first; all sums follow."""

    def asked(self, source: str, start: datetime, end: datetime, at: datetime) -> None:
        """Keep that a source was asked for a span, whatever it answered."""

    def last_asked(self, source: str, start: datetime, end: datetime) -> datetime | None:
        """Return when a source was last asked for all of a span."""


class PromiseBook(Protocol):
    """What green submissions promised, and how planned starts were moved."""

    def append(self, promise: Promise) -> None:
        """Keep what a green submission promised; the first promise of a job holds."""

    def promises(self, selection: Selection) -> list[Promise]:
        """Return the promises of these jobs, oldest first; times select by submission."""

    def append_moves(self, moves: Sequence[Move]) -> None:
        """Keep how planned starts were changed; raise `LedgerError` where nothing can be kept, also without any."""

    def moves(self, selection: Selection) -> list[Move]:
        """Return the moves of these jobs in the order in which they were made."""


class FactBook(Protocol):
    """What the batch system said of jobs."""

    def append(self, cluster: str, facts: Sequence[JobFact], recorded: datetime) -> tuple[str, ...]:
        """Add what is new about jobs; return, in a sentence each, the facts that are not believed.

        A fact that names another user than the one whose processes the agent saw is not believed.
        """

    def facts(self, selection: Selection) -> list[tuple[JobKey, JobFact]]:
        """Return the latest facts of the selected jobs."""

    def unfinished(self, cluster: str, since: datetime) -> dict[JobId, bool]:
        """Return the jobs whose end was never told, those that were there last first, back to ``since``.

        The value says whether anything was told of a job.
        """

    def imported(self, cluster: str, until: datetime) -> None:
        """Keep until when all that the batch system tells of a cluster's jobs is in this book."""

    def imported_until(self, cluster: str) -> datetime | None:
        """Return what was kept last so, ``None`` where nothing was."""


class Ledger(Protocol):
    """The append-only account of a cluster."""

    @property
    def energy(self) -> EnergyBook:
        """What was measured, and whom it was charged to."""

    @property
    def grid(self) -> GridBook:
        """What the grid was and will be."""

    @property
    def promises(self) -> PromiseBook:
        """What was promised."""

    @property
    def facts(self) -> FactBook:
        """What Slurm said."""

    @property
    def projects(self) -> ProjectBook:
        """What work was for."""

    @property
    def preferences(self) -> PreferenceBook:
        """What users want."""

    def close(self) -> None:
        """Release the ledger."""
