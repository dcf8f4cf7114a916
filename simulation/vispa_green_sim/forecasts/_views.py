"""Views as signals of the policy layer, and when the service issues what."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from vispa_green.errors import NotCovered
from vispa_green.model import Quantity

BERLIN = ZoneInfo("Europe/Berlin")
EVENING = time(18)
"""ENTSO-E has tomorrow's wind and sun by then; energy-charts' forecast reaches to the end of tomorrow."""
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class View:
    """Equal steps of values from ``start``; a `vispa_green.model.Signal`."""

    quantity: Quantity
    start: datetime
    step_s: int
    values: Floats = field(repr=False)
    edges: tuple[datetime, ...] = field(init=False, repr=False)
    # A policy asks for hundreds of means a job: Python's own floats cost a third of numpy's scalars.
    _step: timedelta = field(init=False, repr=False)
    _value: list[float] = field(init=False, repr=False)
    _area: list[float] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        step = timedelta(seconds=self.step_s)
        object.__setattr__(self, "_step", step)
        object.__setattr__(self, "edges", tuple(self.start + n * step for n in range(len(self.values) + 1)))
        object.__setattr__(self, "_value", self.values.tolist())
        object.__setattr__(self, "_area", [0.0, *np.cumsum(self.values).tolist()])

    @property
    def end(self) -> datetime:
        """Where knowledge ends."""
        return self.edges[-1]

    def mean(self, start: datetime, end: datetime) -> float:
        """Return the time mean over ``[start, end)``, the value at ``start`` if they are equal.

        Raise `NotCovered` if any of it is unknown.
        """
        first, last, steps = (start - self.start) / self._step, (end - self.start) / self._step, len(self._value)
        if first < 0 or last > steps or (first == last == steps):
            raise NotCovered(
                f"{self.quantity}: known {self.start:%Y-%m-%d %H:%M} .. {self.end:%Y-%m-%d %H:%M} UTC only"
            )
        if first == last:
            return self._value[int(first)]
        before, until = min(int(first), steps - 1), min(int(last), steps - 1)
        area_until = self._area[until] + (last - until) * self._value[until]
        area_before = self._area[before] + (first - before) * self._value[before]
        return (area_until - area_before) / (last - first)


@dataclass(frozen=True, slots=True)
class Issue:
    """One publication: when it came, when the next one comes, and up to where it reaches."""

    at: datetime
    until: datetime
    horizon: datetime


def issue_at(moment: datetime) -> Issue:
    """Return the publication in force at a moment; its day and its 18:00 are German ones, summer time included."""
    here = moment.astimezone(BERLIN)
    today, tomorrow = here.date(), here.date() + timedelta(days=1)
    midnight, evening = datetime.combine(tomorrow, time(0), BERLIN), datetime.combine(today, EVENING, BERLIN)
    if here.time() >= EVENING:
        after_tomorrow = datetime.combine(tomorrow + timedelta(days=1), time(0), BERLIN)
        return Issue(evening.astimezone(UTC), midnight.astimezone(UTC), after_tomorrow.astimezone(UTC))
    morning = datetime.combine(today, time(0), BERLIN)
    return Issue(morning.astimezone(UTC), evening.astimezone(UTC), midnight.astimezone(UTC))
