"""Weeks and months as people in a zone live them, by their names. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from vispa_green.energy.weekly import Week
from vispa_green.errors import UsageError

_MONTH = re.compile(r"(\d{4})-(\d{2})$")


@dataclass(frozen=True, slots=True)
class Period:
    """Some whole days, from one on and before another."""

    name: str
    first: date
    after: date
    zone: tzinfo

    @classmethod
    def of_week(cls, week: Week) -> Period:
        """Return the days of a week."""
        return cls(week.name, week.monday, week.monday + timedelta(days=7), week.zone)

    @classmethod
    def month(cls, text: str, zone: tzinfo) -> Period:
        """Return the month called e.g. ``2026-11``; raise `UsageError` for anything else."""
        match = _MONTH.match(text.strip())
        try:
            first = date(int(match[1]), int(match[2]), 1) if match else None
        except ValueError:
            first = None
        if first is None or first.year == date.max.year:
            raise UsageError(f"{text!r} is no month; write it like 2026-11")
        return cls(f"{first:%Y-%m}", first, _next_month(first), zone)

    @property
    def before(self) -> Period:
        """The week or month before."""
        if (self.after - self.first).days == 7:
            return Period.of_week(Week(self.first, self.zone).before)
        return Period.month(f"{self.first - timedelta(days=1):%Y-%m}", self.zone)

    @property
    def start(self) -> datetime:
        """Its first midnight in the zone, in UTC."""
        return datetime.combine(self.first, time(), self.zone).astimezone(UTC)

    @property
    def end(self) -> datetime:
        """The midnight after it, in UTC."""
        return datetime.combine(self.after, time(), self.zone).astimezone(UTC)


def last_month(now: datetime, zone: tzinfo) -> Period:
    """Return the last month that is over."""
    return Period.month(f"{now.astimezone(zone).date().replace(day=1) - timedelta(days=1):%Y-%m}", zone)


def _next_month(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1)
