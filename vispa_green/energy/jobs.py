"""What each job cost: postings, presence, Slurm's facts and the grid joined into one row a job. Pure.

Quality is the worst of what a row is made of. ``gap`` also marks a job of whose run more than 5 % (and more
than two seconds on each node, the error of Slurm's whole seconds at both ends) is not in the account, so its true
energy is higher than its figure. A job without a single posting has no figure at all, because its counters
may have been unreadable. Quality is ``None`` only for a job that has not run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from vispa_green.energy.carbon import GridSignal, carbon_of, weighted_mean, without_overlap
from vispa_green.model import Component, JobFact, JobId, JobPosting, JobPresence, Quality

MISSING_IS_A_GAP = 0.05
ROUNDING_US = 2_000_000
HOLE = timedelta(minutes=1)
"""Slurm starts a requeued job after two minutes; a job that sleeps may be charged nothing for a shorter time."""
_MICROSECOND = timedelta(microseconds=1)
_NEVER = datetime.max.replace(tzinfo=UTC)
_SEVERITY = (Quality.MEASURED, Quality.ESTIMATED, Quality.GAP)


@dataclass(frozen=True, slots=True)
class EnergyParts:
    """Where a job's energy went: busy shares by component and the idle energy it was charged, in µJ.

    ``node_uj`` is what a whole-node counter alone knows; it is 0 wherever the parts are metered.
    """

    cpu_uj: int = 0
    dram_uj: int = 0
    gpu_uj: int = 0
    node_uj: int = 0
    idle_uj: int = 0

    @property
    def total_uj(self) -> int:
        """Everything the job is charged for."""
        return self.cpu_uj + self.dram_uj + self.gpu_uj + self.node_uj + self.idle_uj

    def __add__(self, other: EnergyParts) -> EnergyParts:
        return EnergyParts(
            self.cpu_uj + other.cpu_uj,
            self.dram_uj + other.dram_uj,
            self.gpu_uj + other.gpu_uj,
            self.node_uj + other.node_uj,
            self.idle_uj + other.idle_uj,
        )


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

    job_id: JobId
    display_id: str
    user: str
    account: str
    partition: str
    name: str
    state: str
    nodes: tuple[str, ...]
    submit: datetime | None
    start: datetime | None
    end: datetime | None
    cpus: int | None
    memory_mib: int | None
    peak_memory_mib: int | None
    cpu_time_ns: int
    cpu_efficiency: float | None
    """CPU time used of the CPU time reserved, while the job was seen."""
    parts: EnergyParts | None
    co2_g: float | None
    """Of the part of the energy for which the grid was known; see ``co2_coverage``."""
    co2_coverage: float
    renewable_share_pct: float | None
    quality: Quality | None
    coverage: float
    """The accounted part of the run on all its nodes, 0 to 1."""
    charged: tuple[ChargedSpan, ...]
    """Slurm keeps the times of a requeued job's last run only; these are of all its runs."""

    @property
    def energy_uj(self) -> int | None:
        """Everything the job is charged for, ``None`` if nobody saw it."""
        return None if self.parts is None else self.parts.total_uj


@dataclass(frozen=True, slots=True)
class GridBackground:
    """What is known of the grid, as two step functions; ``None`` where there is nothing."""

    intensity: GridSignal | None = None
    renewable_share: GridSignal | None = None


def job_energies(
    postings: Iterable[JobPosting],
    presence: Iterable[JobPresence],
    facts: Iterable[JobFact],
    grid: GridBackground,
    *,
    user_of: Callable[[int], str],
    running_until: datetime | None,
) -> list[JobEnergy]:
    """Return one row for each job that any argument knows, in order of start; the unstarted come last.

    ``running_until`` is the moment at which Slurm called its running jobs running; without it, a job
    without an end is taken to have run as long as it was seen.
    """
    charged: defaultdict[JobId, list[JobPosting]] = defaultdict(list)
    for posting in postings:
        charged[posting.job_id].append(posting)
    seen: defaultdict[JobId, list[JobPresence]] = defaultdict(list)
    for stay in presence:
        seen[stay.job_id].append(stay)
    known = {fact.job_id: fact for fact in facts}
    rows = [
        _row(job_id, without_overlap(charged[job_id]), seen[job_id], known.get(job_id), grid, user_of, running_until)
        for job_id in {*charged, *seen, *known}
    ]
    return sorted(rows, key=lambda row: (row.start is None, row.start or row.submit or _NEVER, _natural(row)))


def energy_parts(postings: Iterable[JobPosting]) -> EnergyParts:
    """Sum postings by component; idle energy is a part of its own, whatever it was measured in."""
    busy = dict.fromkeys(Component, 0)
    idle = 0
    for posting in postings:
        busy[posting.component] += posting.busy_uj
        idle += posting.idle_uj
    return EnergyParts(busy[Component.CPU], busy[Component.DRAM], busy[Component.GPU], busy[Component.NODE], idle)


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


def worst(qualities: Iterable[Quality]) -> Quality | None:
    """Return the least trustworthy of some qualities."""
    return max(qualities, key=_SEVERITY.index, default=None)


def _row(
    job_id: JobId,
    postings: list[JobPosting],
    stays: list[JobPresence],
    fact: JobFact | None,
    grid: GridBackground,
    user_of: Callable[[int], str],
    running_until: datetime | None,
) -> JobEnergy:
    carbon = carbon_of(postings, grid.intensity) if grid.intensity else None
    uid = next((stay.uid for stay in stays if stay.uid is not None), None)
    first = min((stay.first_seen for stay in stays), default=None)
    last = max((stay.last_seen for stay in stays), default=None)
    coverage, is_partial = _coverage(postings, stays, fact, running_until)
    quality = worst([*(posting.quality for posting in postings), *([Quality.GAP] if is_partial else [])])
    cpu_time_ns = sum(stay.cpu_ns for stay in stays)
    return JobEnergy(
        job_id=job_id,
        display_id=fact.display_id if fact else job_id,
        user=fact.user if fact and fact.user else "" if uid is None else user_of(uid),
        account=fact.account if fact else "",
        partition=fact.partition if fact else "",
        name=fact.name if fact else "",
        state=fact.state if fact else "",
        nodes=(fact.nodes if fact else ()) or tuple(sorted({stay.node for stay in stays})),
        submit=fact.submit if fact else None,
        start=fact.start if fact else first,
        end=fact.end if fact else last,
        cpus=fact.cpus if fact else None,
        memory_mib=fact.memory_mib if fact else None,
        peak_memory_mib=fact.peak_memory_mib if fact else None,
        cpu_time_ns=cpu_time_ns,
        cpu_efficiency=_efficiency(cpu_time_ns, stays, fact),
        parts=energy_parts(postings) if postings else None,
        co2_g=carbon.grams if carbon and carbon.covered_uj else None,
        co2_coverage=(carbon.covered_fraction or 0.0) if carbon else 0.0,
        renewable_share_pct=weighted_mean(postings, grid.renewable_share),
        quality=quality,
        coverage=coverage,
        charged=charged_spans(postings, grid.intensity),
    )


def _span(postings: Sequence[JobPosting], intensity: GridSignal | None) -> ChargedSpan:
    carbon = carbon_of(postings, intensity) if intensity else None
    return ChargedSpan(
        min(posting.start for posting in postings),
        max(posting.end for posting in postings),
        energy_parts(postings).total_uj,
        carbon.grams if carbon and carbon.covered_uj else None,
    )


def _coverage(
    postings: Sequence[JobPosting],
    stays: Sequence[JobPresence],
    fact: JobFact | None,
    running_until: datetime | None,
) -> tuple[float, bool]:
    """Return the accounted part of the run, and whether what is missing is worth a warning."""
    by_node = {stay.node: [p for p in postings if p.node == stay.node] for stay in stays}
    accounted_us = sum(_accounted_us(stay, by_node[stay.node]) for stay in stays)
    elapsed_us = sum(_seen_run_us(stay, by_node[stay.node]) for stay in stays)
    nodes = len(stays)
    if fact is not None and fact.start is not None:
        end = fact.end or running_until or max((stay.last_seen for stay in stays), default=fact.start)
        nodes = len(fact.nodes) or 1
        earlier_us = sum(_union_us([p for p in own if p.end <= fact.start]) for own in by_node.values())
        elapsed_us = max(0, (end - fact.start) // _MICROSECOND) * nodes + earlier_us
    elif fact is not None and not stays:
        return 0.0, False
    missing_us = max(0, elapsed_us - accounted_us)
    coverage = min(1.0, accounted_us / elapsed_us) if elapsed_us else float(bool(postings))
    never_seen = not postings
    return coverage, never_seen or (missing_us > MISSING_IS_A_GAP * elapsed_us and missing_us > ROUNDING_US * nodes)


def _accounted_us(stay: JobPresence, postings: Sequence[JobPosting]) -> int:
    """Return for how long the job was both seen and metered on a node.

    A job that carries idle energy carries some in every metered interval, and so does a job with a
    GPU; intervals without a posting are then those whose counter could not be read.
    """
    metered = [stay.present_us] if postings else [0]
    for component in Component:
        own = [posting for posting in postings if posting.component is component]
        if any(posting.idle_uj for posting in own) or (own and component is Component.GPU):
            metered.append(_union_us(own))
    return min(metered)


def _seen_run_us(stay: JobPresence, postings: Sequence[JobPosting]) -> int:
    """Return how long a job ran, if nobody but the agents knows: its time in sight and the holes between.

    Not simply first to last sight, because those are the ends of whole intervals.
    """
    span_us = (stay.last_seen - stay.first_seen) // _MICROSECOND
    if not postings:
        return max(span_us, stay.present_us)
    posted_us = (max(p.end for p in postings) - min(p.start for p in postings)) // _MICROSECOND
    return max(stay.present_us, min(span_us, stay.present_us + posted_us - _union_us(postings)))


def _union_us(postings: Sequence[JobPosting]) -> int:
    total, until = timedelta(0), None
    for start, end in sorted({(posting.start, posting.end) for posting in postings}):
        begin = start if until is None or start > until else until
        if end > begin:
            total += end - begin
            until = end
    return total // _MICROSECOND


def _efficiency(cpu_time_ns: int, stays: Sequence[JobPresence], fact: JobFact | None) -> float | None:
    if fact is None or not fact.cpus or not stays:
        return None
    reserved_ns = 1000 * sum(stay.present_us for stay in stays) * fact.cpus / (len(fact.nodes) or 1)
    return cpu_time_ns / reserved_ns if reserved_ns else None


def _natural(row: JobEnergy) -> tuple[int, str]:
    return (int(row.job_id) if row.job_id.isdigit() else 0, row.job_id)
