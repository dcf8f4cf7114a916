"""Grid series as step functions, and energy to grams of CO2 with them. Pure; what is unknown is never a zero."""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from vispa_green.errors import NotCovered
from vispa_green.model import UJ_PER_KWH, GridKind, Quantity

if TYPE_CHECKING:
    from vispa_green.model import GridValue, JobPosting, Signal

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class GridSignal:
    """One quantity of the grid as a step function of time; a `vispa_green.model.Signal`.

    Means come from running sums, so they cost two bisections however long the span is.
    """

    quantity: Quantity
    edges: tuple[datetime, ...]
    _starts_us: tuple[int, ...]
    _ends_us: tuple[int, ...]
    _values: tuple[float, ...]
    _area_before: tuple[float, ...]
    """Sum of value × µs of all steps before each step."""
    _known_before_us: tuple[int, ...]

    @classmethod
    def from_values(
        cls, values: Iterable[GridValue], quantity: Quantity, provider_order: Sequence[str] = ()
    ) -> GridSignal:
        """Make one function of values that may overlap; where none is, knowledge has a gap.

        At each time a measured value wins over a forecast, then the provider named first in
        ``provider_order`` (unnamed ones come last), then the latest issue, then the shortest step.
        Values of other quantities are ignored.
        """
        steps = _resolve([value for value in values if value.quantity is quantity], provider_order)
        starts, ends = tuple(s for s, _, _ in steps), tuple(e for _, e, _ in steps)
        lengths = [end - start for start, end in zip(starts, ends, strict=True)]
        areas = (value * length for (_, _, value), length in zip(steps, lengths, strict=True))
        return cls(
            quantity,
            tuple(_EPOCH + us * _MICROSECOND for us in sorted({*starts, *ends})),
            starts,
            ends,
            tuple(value for _, _, value in steps),
            tuple(accumulate(areas, initial=0.0)),
            tuple(accumulate(lengths, initial=0)),
        )

    def mean(self, start: datetime, end: datetime) -> float:
        """Return the time mean over ``[start, end)``, the value at ``start`` if they are equal.

        Raise `NotCovered` if any part of it is unknown.
        """
        mean, fraction = self.known_part(start, end)
        if mean is None or fraction < 1:
            raise NotCovered(
                f"{self.quantity}: not known throughout {start:%Y-%m-%d %H:%M} .. {end:%Y-%m-%d %H:%M} UTC"
            )
        return mean

    def covers(self, start: datetime, end: datetime) -> bool:
        """Say whether all of ``[start, end)`` is known."""
        return self.known_part(start, end)[1] >= 1

    def known_part(self, start: datetime, end: datetime) -> tuple[float | None, float]:
        """Return the mean over what is known of ``[start, end)`` (`None`: nothing) and the known fraction of it."""
        start_us, end_us = _us(start), _us(end)
        if end_us < start_us:
            raise ValueError(f"the span ends ({end}) before it starts ({start})")
        if end_us == start_us:
            step = bisect_right(self._starts_us, start_us) - 1
            known = step >= 0 and start_us < self._ends_us[step]
            return (self._values[step], 1.0) if known else (None, 0.0)
        area_until_end, known_until_end = self._sums(end_us)
        area_until_start, known_until_start = self._sums(start_us)
        known_us = known_until_end - known_until_start
        if known_us == 0:
            return None, 0.0
        # The exact comparison matters: rounded to 1, a missing microsecond would pass for complete.
        fraction = 1.0 if known_us == end_us - start_us else min(known_us / (end_us - start_us), 1 - 1e-12)
        return (area_until_end - area_until_start) / known_us, fraction

    def _sums(self, moment_us: int) -> tuple[float, int]:
        """Return the area and the known time before a moment."""
        step = bisect_right(self._starts_us, moment_us) - 1
        if step < 0:
            return 0.0, 0
        into_us = min(moment_us, self._ends_us[step]) - self._starts_us[step]
        return self._area_before[step] + self._values[step] * into_us, self._known_before_us[step] + into_us


@dataclass(frozen=True, slots=True)
class Carbon:
    """The CO2 of some energy as far as the grid's intensity was known for it."""

    grams: float
    covered_uj: int
    total_uj: int

    @property
    def covered_fraction(self) -> float | None:
        """The part of the energy that ``grams`` stands for; ``None`` without any energy."""
        return self.covered_uj / self.total_uj if self.total_uj else None

    @property
    def mean_g_per_kwh(self) -> float | None:
        """The mean intensity, weighted by energy, of the covered part."""
        return self.grams * UJ_PER_KWH / self.covered_uj if self.covered_uj else None


def grams(energy_uj: int, start: datetime, end: datetime, signal: Signal) -> float:
    """Return the CO2 in grams of energy used evenly over ``[start, end)``; raise `NotCovered` if unknown."""
    if signal.quantity is not Quantity.CARBON_INTENSITY:
        raise ValueError(f"grams need {Quantity.CARBON_INTENSITY}, not {signal.quantity}")
    return energy_uj / UJ_PER_KWH * signal.mean(start, end)


def carbon_of(postings: Iterable[JobPosting], signal: GridSignal, moved_by: timedelta = timedelta(0)) -> Carbon:
    """Return the CO2 of what jobs were charged, idle shares included, had it been used ``moved_by`` later.

    Of an interval that is known in part, that part of its energy counts.
    """
    if signal.quantity is not Quantity.CARBON_INTENSITY:
        raise ValueError(f"grams need {Quantity.CARBON_INTENSITY}, not {signal.quantity}")
    total, covered, sum_g = 0, 0, 0.0
    for posting in postings:
        energy_uj = posting.busy_uj + posting.idle_uj
        mean, fraction = signal.known_part(posting.start + moved_by, posting.end + moved_by)
        total += energy_uj
        if mean is not None:
            known_uj = energy_uj if fraction >= 1 else int(energy_uj * fraction)
            covered += known_uj
            sum_g += known_uj / UJ_PER_KWH * mean
    return Carbon(sum_g, covered, total)


def weighted_mean(postings: Iterable[JobPosting], signal: GridSignal | None) -> float | None:
    """Return the mean of a grid quantity, weighted by the energy used while it is known."""
    if signal is None:
        return None
    weight = weighted = 0.0
    for posting in postings:
        mean, fraction = signal.known_part(posting.start, posting.end)
        if mean is not None:
            known_uj = (posting.busy_uj + posting.idle_uj) * fraction
            weight += known_uj
            weighted += known_uj * mean
    return weighted / weight if weight else None


def _resolve(values: Sequence[GridValue], provider_order: Sequence[str]) -> list[tuple[int, int, float]]:
    """Return steps ``(start_us, end_us, value)`` without overlap, in order of time."""
    ranked = sorted(values, key=lambda value: _preference(value, provider_order))
    spans = [(_us(value.start), _us(value.end), value.value) for value in ranked]
    order = sorted(range(len(spans)), key=lambda rank: spans[rank][0])
    moments = sorted({moment for start, end, _ in spans for moment in (start, end)})
    steps: list[tuple[int, int, float]] = []
    active: list[int] = []  # a heap of ranks: its top is the most preferred value that has begun
    upcoming = 0
    for moment, following in pairwise(moments):
        while upcoming < len(order) and spans[order[upcoming]][0] <= moment:
            heapq.heappush(active, order[upcoming])
            upcoming += 1
        while active and spans[active[0]][1] <= moment:
            heapq.heappop(active)
        if active:
            steps.append((moment, following, spans[active[0]][2]))
    return steps


def _preference(value: GridValue, provider_order: Sequence[str]) -> tuple[bool, int, timedelta, timedelta]:
    place = provider_order.index(value.source) if value.source in provider_order else len(provider_order)
    return value.kind is not GridKind.MEASURED, place, _EPOCH - value.issued_at, value.end - value.start


def _us(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND
