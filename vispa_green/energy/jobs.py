"""What each job cost: its account, Slurm's facts and the grid joined into one row a job. Pure.

Quality is the worst of what a row is made of. ``gap`` also marks a job of whose run more than 5 % (and more
than two seconds on each node, the error of Slurm's whole seconds at both ends) is not in the account, so its true
energy is higher than its figure. A job without any energy has no figure at all, because its counters may have
been unreadable. Quality is ``None`` only for a job that has not run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from vispa_green.energy.carbon import GridSignal, carbon_of
from vispa_green.energy.parts import EnergyParts, GridFigures, energy_parts, worst
from vispa_green.model import JobAccount, JobFact, JobId, JobKey, JobPosting, JobStay, Quality

MISSING_IS_A_GAP = 0.05
ROUNDING_US = 2_000_000
HOLE = timedelta(minutes=1)
"""Slurm starts a requeued job after two minutes; a job that sleeps may be charged nothing for a shorter time."""
_MICROSECOND = timedelta(microseconds=1)
_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ChargedSpan:
    """Time in which a job was charged with no longer hole; one that was requeued has several."""

    start: datetime
    end: datetime
    energy_uj: int
    co2_g: float | None
    """``None`` unless the grid was known for some of it."""


@dataclass(frozen=True, slots=True)
class JobEnergy:
    """One row: who ran what where, and what it cost. ``None`` is unknown, never zero."""

    key: JobKey
    display_id: str
    user: str
    account: str
    partition: str
    project: str
    """What it counts for: its last tag, else what it was submitted for."""
    wckey: str
    qos: str
    name: str
    state: str
    exit_code: str
    comment: str
    nodes: tuple[str, ...]
    submit: datetime | None
    start: datetime | None
    end: datetime | None
    elapsed: timedelta | None
    """How long it ran, without suspension, as far as Slurm or the agents know; of a running job, until now."""
    has_run: bool
    cpus: int | None
    tasks: int | None
    cpus_per_task: int | None
    memory_mib: int | None
    peak_memory_mib: int | None
    cpu_time_ns: int
    cpu_efficiency: float | None
    """CPU time used of the CPU time reserved, while the job was seen."""
    parts: EnergyParts | None
    grid: GridFigures
    quality: Quality | None
    coverage: float
    """The accounted part of the run on all its nodes, 0 to 1."""
    charged: tuple[ChargedSpan, ...]
    """Slurm keeps the times of a requeued job's last run only; these are of all its runs."""

    @property
    def job_id(self) -> JobId:
        """Slurm's own number."""
        return self.key.job_id

    @property
    def energy_uj(self) -> int | None:
        """Everything the job is charged for, ``None`` if nobody saw it."""
        return None if self.parts is None else self.parts.total_uj

    @property
    def co2_g(self) -> float | None:
        """Grams of CO2 of the energy for which the grid is known."""
        return self.grid.co2_g


def job_energies(
    accounts: Iterable[JobAccount],
    *,
    user_of: Callable[[int], str],
    running_until: datetime | None,
    spans: Mapping[JobKey, tuple[ChargedSpan, ...]] | None = None,
) -> list[JobEnergy]:
    """Return one row for each account, in order of start; the unstarted come last.

    ``running_until`` is the moment at which Slurm called its running jobs running; without it, a job
    without an end is taken to have run as long as it was seen. ``spans`` are those of jobs with several runs.
    """
    rows = [_row(account, user_of, running_until, (spans or {}).get(account.key)) for account in accounts]
    return sorted(rows, key=lambda row: (row.start is None, row.start or row.submit or _NEVER, _natural(row)))


def runs_of(account: JobAccount) -> list[tuple[datetime, datetime]]:
    """Return the times in which a job was on any node, parted where it was on none for more than `HOLE`."""
    runs: list[tuple[datetime, datetime]] = []
    for stay in sorted(account.stays, key=lambda stay: stay.start):
        if runs and stay.start - runs[-1][1] <= HOLE:
            runs[-1] = runs[-1][0], max(runs[-1][1], stay.end)
        else:
            runs.append((stay.start, stay.end))
    return runs


def charged_spans(postings: Iterable[JobPosting], intensity: GridSignal | None) -> tuple[ChargedSpan, ...]:
    """Split what a job was charged where nothing was charged for more than `HOLE`, on any node."""
    spans: list[list[JobPosting]] = []
    until = _NEVER
    for posting in sorted(postings, key=lambda posting: posting.start):
        if not spans or posting.start - until > HOLE:
            spans.append([])
            until = posting.end
        spans[-1].append(posting)
        until = max(until, posting.end)
    return tuple(_span(span, intensity) for span in spans)


def _span(postings: Sequence[JobPosting], intensity: GridSignal | None) -> ChargedSpan:
    carbon = carbon_of(postings, intensity) if intensity else None
    return ChargedSpan(
        min(posting.start for posting in postings),
        max(posting.end for posting in postings),
        energy_parts(postings).total_uj,
        carbon.grams if carbon and carbon.covered_uj else None,
    )


def _row(
    account: JobAccount,
    user_of: Callable[[int], str],
    running_until: datetime | None,
    spans: tuple[ChargedSpan, ...] | None,
) -> JobEnergy:
    fact, stays, key = account.fact, account.stays, account.key
    parts = energy_parts(account.sums) if account.sums else None
    grid = GridFigures.of(dict(account.grid), parts.total_uj if parts else 0)
    elapsed = _elapsed(fact, stays, running_until)
    coverage, is_partial = _coverage(account, elapsed)
    qualities = [*(one.quality for one in account.sums), *([Quality.GAP] if is_partial else [])]
    cpu_time_ns = sum(stay.cpu_ns for stay in stays)
    runs = runs_of(account)
    if spans is None:
        total_uj = parts.total_uj if parts else 0
        spans = tuple(ChargedSpan(*run, total_uj, grid.co2_g) for run in runs) if len(runs) == 1 and parts else ()
    return JobEnergy(
        key=key,
        display_id=fact.display_id if fact else key.job_id,
        user=fact.user if fact and fact.user else "" if account.uid is None else user_of(account.uid),
        account=fact.account if fact else "",
        partition=fact.partition if fact else "",
        project=account.tag or (fact.project if fact else ""),
        wckey=fact.wckey if fact else "",
        qos=fact.qos if fact else "",
        name=fact.name if fact else "",
        state=fact.state if fact else "",
        exit_code=fact.exit_code if fact else "",
        comment=fact.comment if fact else "",
        nodes=(fact.nodes if fact else ()) or tuple(sorted({stay.node for stay in stays})),
        submit=key.submitted or (fact.submit if fact else None),
        start=fact.start if fact else min((stay.start for stay in stays), default=None),
        end=fact.end if fact else max((stay.end for stay in stays), default=None),
        elapsed=elapsed,
        has_run=bool(stays) or (fact is not None and fact.has_run),
        cpus=fact.cpus if fact else None,
        tasks=account.tasks,
        cpus_per_task=account.cpus_per_task,
        memory_mib=fact.memory_mib if fact else None,
        peak_memory_mib=fact.peak_memory_mib if fact else None,
        cpu_time_ns=cpu_time_ns,
        cpu_efficiency=_efficiency(cpu_time_ns, stays, fact),
        parts=parts,
        grid=grid,
        quality=worst(qualities),
        coverage=coverage,
        charged=spans,
    )


def _elapsed(fact: JobFact | None, stays: Sequence[JobStay], running_until: datetime | None) -> timedelta | None:
    """Return how long the last run lasted; where only agents know, by their own steady clocks."""
    if fact is None or (fact.start is None and stays):
        by_node: dict[str, int] = {}
        for stay in stays:
            by_node[stay.node] = by_node.get(stay.node, 0) + stay.present_us + stay.unwatched_us
        return max(by_node.values()) * _MICROSECOND if by_node else None
    if not fact.has_run:
        return None
    assert fact.start is not None
    if fact.elapsed is not None and (fact.end is not None or running_until is None):
        return fact.elapsed
    end = fact.end or running_until or max((stay.end for stay in stays), default=fact.start)
    return max(timedelta(0), end - fact.start)


def _coverage(account: JobAccount, elapsed: timedelta | None) -> tuple[float, bool]:
    """Return the accounted part of the run, and whether what is missing is worth a warning."""
    fact, stays = account.fact, account.stays
    if fact is not None and not fact.has_run and not stays:
        return 0.0, False
    accounted_us = sum(stay.metered_us for stay in stays)
    nodes = len({stay.node for stay in stays})
    if fact is not None and fact.start is not None and elapsed is not None:
        nodes = len(fact.nodes) or 1
        earlier_us = sum(stay.present_us for stay in stays if stay.end <= fact.start)
        elapsed_us = elapsed // _MICROSECOND * nodes + earlier_us
    else:
        elapsed_us = sum(stay.present_us + stay.unwatched_us for stay in stays)
    missing_us = max(0, elapsed_us - accounted_us)
    coverage = min(1.0, accounted_us / elapsed_us) if elapsed_us else float(bool(account.sums))
    is_partial = missing_us > MISSING_IS_A_GAP * elapsed_us and missing_us > ROUNDING_US * nodes
    return coverage, not account.sums or is_partial


def _efficiency(cpu_time_ns: int, stays: Sequence[JobStay], fact: JobFact | None) -> float | None:
    if stays and all(stay.reserved_us is not None for stay in stays):
        reserved_ns = 1000 * sum(stay.reserved_us or 0 for stay in stays)
    elif fact is None or not fact.cpus or not stays:
        return None
    else:
        reserved_ns = 1000 * sum(stay.present_us for stay in stays) * fact.cpus // (len(fact.nodes) or 1)
    return cpu_time_ns / reserved_ns if reserved_ns else None


def _natural(row: JobEnergy) -> tuple[int, str]:
    return (int(row.job_id) if row.job_id.isdecimal() else 0, row.job_id)
