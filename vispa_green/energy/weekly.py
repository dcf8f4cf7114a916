"""One user's week: energy by day and component, CO2, how green it was, and one sentence of advice. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from vispa_green.energy.advice import Advice, Ground, MemoryNeed, advice
from vispa_green.energy.jobs import JobEnergy
from vispa_green.energy.parts import EnergyParts, GridFigures, energy_parts
from vispa_green.energy.waste import Waste, gpu_idle_uj, waste_of
from vispa_green.errors import UsageError
from vispa_green.model import UJ_PER_KWH, Dimension, JobAccount, JobKey, Quality, Quantity, Total, Weighted

JOBS_THAT_MATTERED = 5
EARLIER_WEEKS = 4
"""A week is told beside so many of the same user's before it."""
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

    def earlier(self, weeks: int) -> Week:
        """Return the week that many weeks before."""
        return Week(self.monday - timedelta(days=7 * weeks), self.zone)

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
    grid: GridFigures

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
class EarlierWeek:
    """What was used in a week before."""

    name: str
    energy_uj: int
    co2_g: float | None


@dataclass(frozen=True, slots=True)
class ProjectShare:
    """What a project was charged in the week; work of no project has an empty name."""

    name: str
    energy_uj: int
    co2_g: float | None


@dataclass(frozen=True, slots=True)
class Shifted:
    """What came of green submissions whose jobs ended in the week, each beside a start at its submission."""

    jobs: int = 0
    better: int = 0
    worse: int = 0
    saved_g: float = 0.0
    """Of those of which it is known; what got worse is taken off."""
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class WeekRecord:
    """What a weekly report is made of: the user's jobs, wholly and within the week, and sums."""

    rows: Sequence[JobEnergy]
    """The whole runs of the jobs that touch the week."""
    inside: Sequence[JobAccount]
    """The same jobs, with what they were charged in the week."""
    days: Sequence[Total]
    """By day of the week."""
    grid_share_pct: float | None
    """The mean renewable share of the week as far as it is known."""
    weeks: Sequence[Total] = ()
    """By week, of the `EARLIER_WEEKS` before."""
    projects: Sequence[Total] = ()
    """By project, of the week."""
    grid_g_per_kwh: float | None = None
    """The mean intensity of the week as far as it is known."""
    limits: Mapping[JobKey, timedelta | None] = field(default_factory=dict)
    """How long jobs might have run."""
    shifted: Shifted = Shifted()
    needs: Sequence[MemoryNeed] = ()
    """What memory the jobs of the week and those like them need."""


@dataclass(frozen=True, slots=True)
class WeeklyReport:
    """All that a weekly mail says."""

    user: str
    week: Week
    is_over: bool
    days_begun: int
    figures: WeekFigures
    earlier: tuple[EarlierWeek, ...]
    """The weeks before in which something was used, the last one first."""
    projects: tuple[ProjectShare, ...]
    """The most first."""
    shifted: Shifted
    waste: Waste
    grid_share_pct: float | None
    jobs: int
    top: tuple[JobInWeek, ...]
    estimated_jobs: int
    gap_jobs: int
    unseen_jobs: int
    coverage: float | None
    advice: Advice

    @property
    def mark(self) -> str:
        """What it is kept by: ``2026-W47``, or ``2026-W47-so-far`` while the week is not over."""
        return self.week.name if self.is_over else f"{self.week.name}-so-far"

    @property
    def usual_uj(self) -> float | None:
        """The mean energy of the weeks before in which something was used; ``None`` if there was none."""
        return sum(week.energy_uj for week in self.earlier) / len(self.earlier) if self.earlier else None

    @property
    def change(self) -> float | None:
        """The energy relative to the weeks before, e.g. -0.12; ``None`` if there was none."""
        return None if not self.usual_uj else self.figures.parts.total_uj / self.usual_uj - 1


def weekly_report(user: str, week: Week, record: WeekRecord, now: datetime) -> WeeklyReport:
    """Return the report on one user's week."""
    figures = _figures(record.days, week)
    ran = [row for row in record.rows if row.has_run and _ran_in(row, week)]
    known = [row for row in ran if row.parts is not None]
    return WeeklyReport(
        user=user,
        week=week,
        is_over=week.end <= now,
        days_begun=sum(day <= now.astimezone(week.zone).date() for day in week.days),
        figures=figures,
        earlier=_earlier(record.weeks, week),
        projects=_projects(record.projects),
        shifted=record.shifted,
        waste=waste_of(ran, record.inside, record.limits),
        grid_share_pct=record.grid_share_pct,
        jobs=len(ran),
        top=_top(ran, record.inside, figures.parts.total_uj),
        estimated_jobs=sum(row.quality is Quality.ESTIMATED for row in known),
        gap_jobs=sum(row.quality is Quality.GAP for row in known),
        unseen_jobs=len(ran) - len(known),
        coverage=_coverage(known),
        advice=advice(_ground(figures, record, ran)),
    )


def _ground(figures: WeekFigures, record: WeekRecord, ran: Sequence[JobEnergy]) -> Ground:
    grid, energy_uj = figures.grid, figures.parts.total_uj
    known_uj = grid.co2_coverage * energy_uj
    shown = {row.key: row.display_id for row in ran}
    idle_gpus = {shown[one.key]: gpu_idle_uj(one) for one in record.inside if one.key in shown}
    return Ground(
        energy_uj=energy_uj,
        share_pct=grid.renewable_share_pct,
        grid_share_pct=record.grid_share_pct,
        mean_g_per_kwh=None if grid.co2_g is None or not known_uj else grid.co2_g / known_uj * UJ_PER_KWH,
        grid_g_per_kwh=record.grid_g_per_kwh,
        jobs=ran,
        needs=record.needs,
        idle_gpu_uj={name: idle_uj for name, idle_uj in idle_gpus.items() if idle_uj},
    )


def _figures(days: Sequence[Total], week: Week) -> WeekFigures:
    by_day = tuple([total for total in days if total.group[Dimension.DAY] == day] for day in week.days)
    in_week = [total for totals in by_day for total in totals]
    parts = energy_parts(one for total in in_week for one in total.sums)
    each = tuple(energy_parts(one for total in totals for one in total.sums) for totals in by_day)
    return WeekFigures(each, parts, GridFigures.of(_grid(in_week), parts.total_uj))


def _grid(totals: Iterable[Total]) -> dict[Quantity, Weighted]:
    found = dict.fromkeys(Quantity, Weighted())
    for total in totals:
        for quantity, weighted in (total.grid or {}).items():
            found[quantity] += weighted
    return found


def _earlier(totals: Sequence[Total], week: Week) -> tuple[EarlierWeek, ...]:
    found = []
    for weeks in range(1, EARLIER_WEEKS + 1):
        one = week.earlier(weeks)
        own = [total for total in totals if total.group[Dimension.WEEK] == one.monday]
        energy_uj = energy_parts(part for total in own for part in total.sums).total_uj
        if energy_uj:
            found.append(EarlierWeek(one.name, energy_uj, GridFigures.of(_grid(own), energy_uj).co2_g))
    return tuple(found)


def _projects(totals: Sequence[Total]) -> tuple[ProjectShare, ...]:
    found = []
    for name in sorted({str(total.group[Dimension.PROJECT]) for total in totals}):
        own = [total for total in totals if total.group[Dimension.PROJECT] == name]
        energy_uj = energy_parts(part for total in own for part in total.sums).total_uj
        found.append(ProjectShare(name, energy_uj, GridFigures.of(_grid(own), energy_uj).co2_g))
    return tuple(sorted(found, key=lambda share: -share.energy_uj))


def _top(rows: Iterable[JobEnergy], inside: Iterable[JobAccount], total_uj: int) -> tuple[JobInWeek, ...]:
    of_job = {account.key: account for account in inside}
    found: list[JobInWeek] = []
    for row in rows:
        account = of_job.get(row.key)
        energy_uj = energy_parts(account.sums).total_uj if account else 0
        grid = GridFigures.of(dict(account.grid) if account else {}, energy_uj)
        found.append(JobInWeek(row, energy_uj, grid.co2_g, energy_uj / (total_uj or 1)))
    found.sort(key=lambda item: -item.energy_uj)
    return tuple(item for item in found[:JOBS_THAT_MATTERED] if item.energy_uj)


def _ran_in(row: JobEnergy, week: Week) -> bool:
    return row.start is not None and row.start < week.end and (row.end is None or row.end > week.start)


def _coverage(rows: Sequence[JobEnergy]) -> float | None:
    """Return the mean coverage, weighted by the length of the runs."""
    weights = [max(1.0, row.elapsed.total_seconds() if row.elapsed else 1.0) * max(1, len(row.nodes)) for row in rows]
    pairs = zip(rows, weights, strict=True)
    return sum(row.coverage * weight for row, weight in pairs) / sum(weights) if weights else None
