"""One user's week: energy by day and component, CO2, how green it was, and one sentence of advice. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from vispa_green.energy.carbon import GridSignal, carbon_of, weighted_mean, without_overlap
from vispa_green.energy.jobs import (
    EnergyParts,
    GridBackground,
    JobEnergy,
    energy_parts,
)
from vispa_green.errors import UsageError
from vispa_green.model import JobId, JobPosting, Quality

JOBS_THAT_MATTERED = 5
_WEEK = re.compile(r"(\d{4})-?W(\d{1,2})$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Week:
    """An ISO week as people in ``zone`` live it: with a change of summer time it has 167 or 169 hours."""

    monday: date
    zone: tzinfo

    @classmethod
    def named(cls, text: str, zone: tzinfo) -> Week:
        """Return the week called e.g. ``2026-W47``; raise `UsageError` for anything else."""
        match = _WEEK.match(text.strip())
        year, number = (int(match[1]), int(match[2])) if match else (0, 0)
        try:
            return cls(date.fromisocalendar(year, number, 1), zone)
        except ValueError:
            raise UsageError(f"{text!r} is no ISO week; write it like 2026-W47") from None

    @classmethod
    def last_full(cls, now: datetime, zone: tzinfo) -> Week:
        """Return the last week that is over."""
        today = now.astimezone(zone).date()
        return cls(today - timedelta(days=today.weekday() + 7), zone)

    @property
    def name(self) -> str:
        """``2026-W47``."""
        year, number, _ = self.monday.isocalendar()
        return f"{year}-W{number:02}"

    @property
    def before(self) -> Week:
        """The week before."""
        return Week(self.monday - timedelta(days=7), self.zone)

    @property
    def days(self) -> tuple[date, ...]:
        """Monday to Sunday."""
        return tuple(self.monday + timedelta(days=i) for i in range(7))

    @property
    def start(self) -> datetime:
        """Monday 00:00 in the zone, in UTC."""
        return datetime.combine(self.monday, time(), self.zone).astimezone(UTC)

    @property
    def end(self) -> datetime:
        """The next Monday 00:00 in the zone, in UTC."""
        return datetime.combine(self.monday + timedelta(days=7), time(), self.zone).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class WeekFigures:
    """What was used in one week, and only in it."""

    days: tuple[EnergyParts, ...]
    parts: EnergyParts
    co2_g: float | None
    co2_coverage: float
    green_share_pct: float | None

    @property
    def idle_share(self) -> float:
        """The idle part of the energy."""
        return self.parts.idle_uj / self.parts.total_uj if self.parts.total_uj else 0.0


@dataclass(frozen=True, slots=True)
class JobInWeek:
    """A job, with what it used in the week alone."""

    job: JobEnergy
    energy_uj: int
    co2_g: float | None
    share: float


@dataclass(frozen=True, slots=True)
class WeeklyReport:
    """All that a weekly mail says."""

    user: str
    week: Week
    is_over: bool
    figures: WeekFigures
    before: WeekFigures | None
    grid_share_pct: float | None
    jobs: int
    top: tuple[JobInWeek, ...]
    estimated_jobs: int
    gap_jobs: int
    unseen_jobs: int
    coverage: float | None
    advice: str

    @property
    def name(self) -> str:
        """``2026-W47``, or ``2026-W47 so far`` while it is not over."""
        return self.week.name if self.is_over else f"{self.week.name} so far"

    @property
    def change(self) -> float | None:
        """The energy relative to the week before, e.g. -0.12; ``None`` if there was none."""
        if self.before is None or not self.before.parts.total_uj:
            return None
        return self.figures.parts.total_uj / self.before.parts.total_uj - 1


def weekly_report(
    user: str,
    week: Week,
    rows: Sequence[JobEnergy],
    postings: Iterable[JobPosting],
    grid: GridBackground,
    now: datetime,
) -> WeeklyReport:
    """Return the report; ``rows`` and ``postings`` are those of the user, of this week and the one before."""
    every = without_overlap(list(postings))
    mine = _in_week(every, week)
    figures = _figures(mine, week, grid)
    earlier = _in_week(every, week.before)
    ran = [row for row in rows if _ran_in(row, week)]
    known = [row for row in ran if row.parts is not None]
    share = _mean(grid.renewable_share, week)
    return WeeklyReport(
        user=user,
        week=week,
        is_over=week.end <= now,
        figures=figures,
        before=_figures(earlier, week.before, grid) if earlier else None,
        grid_share_pct=share,
        jobs=len(ran),
        top=_top(mine, ran, grid),
        estimated_jobs=sum(row.quality is Quality.ESTIMATED for row in known),
        gap_jobs=sum(row.quality is Quality.GAP for row in known),
        unseen_jobs=len(ran) - len(known),
        coverage=_coverage(known),
        advice=advice(figures, share, ran),
    )


def advice(figures: WeekFigures, grid_share_pct: float | None, jobs: Sequence[JobEnergy]) -> str:
    """Return the one sentence that helps most: idle CPUs first, then greener times, then memory, else thanks."""
    if (idle := _idle_advice(figures, jobs)) is not None:
        return idle
    share = figures.green_share_pct
    if share is not None and (share < 40 or (grid_share_pct is not None and share < grid_share_pct - 3)):
        return (
            f"Your jobs ran on {share:.0f} % renewable power; those that can wait find greener hours with"
            " `gsbatch --green-finish-by=tomorrow job.sh`."
        )
    if (memory := _memory_advice(jobs)) is not None:
        return memory
    if share is not None and grid_share_pct is not None and share > grid_share_pct + 3:
        points = share - grid_share_pct
        return f"Well timed: your energy was {points:.0f} points greener than the grid's mean. Thank you."
    return "Nothing stands out that would have saved energy. Thank you."


def _idle_advice(figures: WeekFigures, jobs: Sequence[JobEnergy]) -> str | None:
    lazy = [j for j in jobs if j.cpus and j.cpus > 1 and j.cpu_efficiency is not None and j.cpu_efficiency < 0.5]
    if figures.idle_share < 0.3 or not lazy:
        return None
    job = max(lazy, key=lambda j: j.parts.idle_uj if j.parts else 0)
    cpus, efficiency = job.cpus or 1, job.cpu_efficiency or 0.0
    wanted = max(1, round(cpus * efficiency + 0.49))
    return (
        f"{100 * figures.idle_share:.0f} % of your energy was idle power of reserved CPUs: job {job.display_id}"
        f" kept {cpus * efficiency:.1f} of its {cpus} CPUs busy; try `--cpus-per-task={wanted}`."
    )


def _memory_advice(jobs: Sequence[JobEnergy]) -> str | None:
    wasteful = [
        job
        for job in jobs
        if job.memory_mib and job.peak_memory_mib and job.memory_mib - 4 * job.peak_memory_mib >= 4096
    ]
    if not wasteful:
        return None
    job = max(wasteful, key=lambda j: (j.memory_mib or 0) - (j.peak_memory_mib or 0))
    used_gib = (job.peak_memory_mib or 0) / 1024
    return (
        f"Job {job.display_id} reserved {(job.memory_mib or 0) / 1024:.0f} GiB of memory and used {used_gib:.1f};"
        f" with `--mem={max(1, round(used_gib * 1.25 + 0.5))}G` others can share its node's idle power."
    )


def _in_week(postings: Iterable[JobPosting], week: Week) -> list[JobPosting]:
    """Keep each posting in the one week in which it starts, so that weeks add up."""
    start, end = week.start, week.end
    return [posting for posting in postings if start <= posting.start < end]


def _figures(postings: Sequence[JobPosting], week: Week, grid: GridBackground) -> WeekFigures:
    by_day: defaultdict[date, list[JobPosting]] = defaultdict(list)
    for posting in postings:
        by_day[posting.start.astimezone(week.zone).date()].append(posting)
    carbon = carbon_of(postings, grid.intensity) if grid.intensity else None
    return WeekFigures(
        days=tuple(energy_parts(by_day[day]) for day in week.days),
        parts=energy_parts(postings),
        co2_g=carbon.grams if carbon and carbon.covered_uj else None,
        co2_coverage=(carbon.covered_fraction or 0.0) if carbon else 0.0,
        green_share_pct=weighted_mean(postings, grid.renewable_share),
    )


def _top(postings: Sequence[JobPosting], rows: Sequence[JobEnergy], grid: GridBackground) -> tuple[JobInWeek, ...]:
    of_job: defaultdict[JobId, list[JobPosting]] = defaultdict(list)
    for posting in postings:
        of_job[posting.job_id].append(posting)
    total = sum(posting.busy_uj + posting.idle_uj for posting in postings) or 1
    found: list[JobInWeek] = []
    for row in rows:
        own = of_job[row.job_id]
        energy_uj = sum(posting.busy_uj + posting.idle_uj for posting in own)
        carbon = carbon_of(own, grid.intensity) if grid.intensity else None
        co2_g = carbon.grams if carbon and carbon.covered_uj else None
        found.append(JobInWeek(row, energy_uj, co2_g, energy_uj / total))
    found.sort(key=lambda item: -item.energy_uj)
    return tuple(item for item in found[:JOBS_THAT_MATTERED] if item.energy_uj)


def _ran_in(row: JobEnergy, week: Week) -> bool:
    return row.start is not None and row.start < week.end and (row.end is None or row.end > week.start)


def _mean(signal: GridSignal | None, week: Week) -> float | None:
    return signal.known_part(week.start, week.end)[0] if signal else None


def _coverage(rows: Sequence[JobEnergy]) -> float | None:
    """Return the mean coverage, weighted by the length of the runs."""
    weights = [
        max(1.0, (row.end - row.start).total_seconds() if row.start and row.end else 1.0) * max(1, len(row.nodes))
        for row in rows
    ]
    pairs = zip(rows, weights, strict=True)
    return sum(row.coverage * weight for row, weight in pairs) / sum(weights) if weights else None
