"""One user's week: energy by day and component, CO2, how green it was, and one sentence of advice. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from vispa_green.energy.advice import MemoryNeed, advice
from vispa_green.energy.jobs import JobEnergy
from vispa_green.energy.parts import EnergyParts, GridFigures, energy_parts
from vispa_green.errors import UsageError
from vispa_green.model import Dimension, JobAccount, Quality, Quantity, Total, Weighted

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
class WeekRecord:
    """What a weekly report is made of: the user's jobs, wholly and within the week, and sums by day."""

    rows: Sequence[JobEnergy]
    """The whole runs of the jobs that touch the week."""
    inside: Sequence[JobAccount]
    """The same jobs, with what they were charged in the week."""
    days: Sequence[Total]
    """By day, of the week and the one before."""
    grid_share_pct: float | None
    """The mean renewable share of the week as far as it is known."""
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


def weekly_report(user: str, week: Week, record: WeekRecord, now: datetime) -> WeeklyReport:
    """Return the report on one user's week."""
    figures = _figures(record.days, week)
    before = _figures(record.days, week.before)
    ran = [row for row in record.rows if row.has_run and _ran_in(row, week)]
    known = [row for row in ran if row.parts is not None]
    return WeeklyReport(
        user=user,
        week=week,
        is_over=week.end <= now,
        days_begun=sum(day <= now.astimezone(week.zone).date() for day in week.days),
        figures=figures,
        before=before if before.parts.total_uj else None,
        grid_share_pct=record.grid_share_pct,
        jobs=len(ran),
        top=_top(ran, record.inside, figures.parts.total_uj),
        estimated_jobs=sum(row.quality is Quality.ESTIMATED for row in known),
        gap_jobs=sum(row.quality is Quality.GAP for row in known),
        unseen_jobs=len(ran) - len(known),
        coverage=_coverage(known),
        advice=advice(figures.idle_share, figures.grid.renewable_share_pct, record.grid_share_pct, ran, record.needs),
    )


def _figures(days: Sequence[Total], week: Week) -> WeekFigures:
    of_day = {total.group[Dimension.DAY]: total for total in days}
    totals = [of_day[day] for day in week.days if day in of_day]
    sums = [one for total in totals for one in total.sums]
    parts = energy_parts(sums)
    grid = {
        quantity: sum(((total.grid or {}).get(quantity, Weighted()) for total in totals), Weighted())
        for quantity in Quantity
    }
    return WeekFigures(
        tuple(energy_parts(of_day[day].sums) if day in of_day else EnergyParts() for day in week.days),
        parts,
        GridFigures.of(grid, parts.total_uj),
    )


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
