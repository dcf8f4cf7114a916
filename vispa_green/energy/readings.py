"""What the readings of a counter can be believed to say. Pure integer arithmetic.

A counter wraps, its driver is loaded anew, a register gives garbage. The value alone does not tell which;
what a device can draw does. A difference counts only if the device could have used it in that time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vispa_green.errors import ImplausibleReading
from vispa_green.model import Component, Quality

SLACK_NS = 500_000_000
"""Counters are refreshed up to 100 ms late, and read up to as late: so much longer may the time have been."""


@dataclass(frozen=True, slots=True)
class DeviceReading:
    """One meter's answer in one pass; ``value_uj`` is ``None`` when it failed, and ``failure`` says why.

    ``taken_ns`` (monotonic) is the pass in which it was asked: an earlier one for an answer that came late.
    """

    component: Component
    device: str
    quality: Quality
    modulus_uj: int | None
    gpu_index: int | None
    max_watts: int
    value_uj: int | None
    taken_ns: int
    failure: str = ""

    @property
    def wraps_at_uj(self) -> int | None:
        """The modulus, if it can be one: a range of 0 or 1 is a driver that does not know it."""
        return self.modulus_uj if self.modulus_uj is not None and self.modulus_uj > 2 else None

    @property
    def in_range(self) -> bool:
        """Whether the counter can show such a value at all."""
        return self.value_uj is not None and 0 <= self.value_uj < (self.wraps_at_uj or self.value_uj + 1)


@dataclass(frozen=True, slots=True)
class Point:
    """What a counter showed and when (monotonic)."""

    value_uj: int
    taken_ns: int


@dataclass(frozen=True, slots=True)
class LastReading:
    """The last good point of a counter, and a later one that does not fit to it: garbage, or a counter set anew.

    Which of the two it was, the next reading tells: it goes on from the one or from the other.
    """

    good: Point
    odd: Point | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """Energy since an earlier reading."""

    energy_uj: int
    since_ns: int


def difference(last: LastReading, reading: DeviceReading) -> Difference:
    """Return the energy since the last reading; raise `ImplausibleReading` if there is none to believe."""
    found = _believed(last, reading)
    if found is None:
        raise ImplausibleReading(_why_not(last.good, reading))
    return found


def remembered(last: LastReading | None, reading: DeviceReading) -> LastReading | None:
    """Return what the next reading is to be compared with."""
    if reading.value_uj is None or not reading.in_range:
        return last
    now = Point(reading.value_uj, reading.taken_ns)
    if last is None or _believed(last, reading) or _may_have_wrapped_often(last.good, reading):
        return LastReading(now)
    return LastReading(last.good, now)


def possible_uj(max_watts: int, elapsed_ns: int) -> int:
    """Return what a device can have used in that time."""
    return max_watts * max(0, elapsed_ns + SLACK_NS) // 1000 if elapsed_ns >= 0 else 0


def _believed(last: LastReading, reading: DeviceReading) -> Difference | None:
    return next(_plausible(last, reading), None)


def _plausible(last: LastReading, reading: DeviceReading) -> Iterator[Difference]:
    """Yield what the reading can mean, the surest first; nothing that could be too much.

    From the good point onwards comes before onwards from the odd one: after a reset the counter shows all
    that was used since, which is more than the difference. A wrap comes last: a reset looks like one.
    """
    value_uj, modulus_uj = reading.value_uj, reading.wraps_at_uj
    if value_uj is None or not reading.in_range:
        return
    for point in (last.good, last.odd):
        if point is None or _may_have_wrapped_often(point, reading):
            continue
        if 0 <= value_uj - point.value_uj <= _bound_uj(point, reading):
            yield Difference(value_uj - point.value_uj, point.taken_ns)
    if modulus_uj is not None and value_uj < last.good.value_uj and not _may_have_wrapped_often(last.good, reading):
        wrapped_uj = modulus_uj - last.good.value_uj + value_uj
        if wrapped_uj <= _bound_uj(last.good, reading):
            yield Difference(wrapped_uj, last.good.taken_ns)


def _bound_uj(since: Point, reading: DeviceReading) -> int:
    return possible_uj(reading.max_watts, reading.taken_ns - since.taken_ns)


def _may_have_wrapped_often(since: Point, reading: DeviceReading) -> bool:
    return reading.wraps_at_uj is not None and _bound_uj(since, reading) >= reading.wraps_at_uj


def _why_not(good: Point, reading: DeviceReading) -> str:
    value_uj, elapsed_s = reading.value_uj or 0, (reading.taken_ns - good.taken_ns) / 1e9
    if not reading.in_range:
        return f"it shows {value_uj} µJ, which is outside of its own range (0 to {(reading.wraps_at_uj or 0) - 1} µJ)"
    if _may_have_wrapped_often(good, reading):
        return f"unread for {elapsed_s:.0f} s, it may have wrapped more than once"
    if value_uj < good.value_uj:
        return f"it went back from {good.value_uj} to {value_uj} µJ: it was set anew, or one of the two is false"
    grown_j = (value_uj - good.value_uj) / 1e6
    return (
        f"it grew by {grown_j:.0f} J in {elapsed_s:.1f} s, more than the {reading.max_watts} W its device may draw:"
        " it was set anew, or one of the two readings is false"
    )
