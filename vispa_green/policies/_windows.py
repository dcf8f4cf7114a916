"""What policies share: the starts worth comparing, means that may be unknown, and the answer "at once"."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from vispa_green.errors import NotCovered
from vispa_green.model import GreenWindow

if TYPE_CHECKING:
    from vispa_green.model import JobRequest, Signal

TIE = 1e-9
"""Means that differ relatively by less are one: running sums leave such differences between equal windows."""

TOO_LATE = "starts at once: even so it may not be done by the deadline"
NOTHING_GREENER = "starts at once: no later start before the deadline is greener"


def candidates(earliest: datetime, latest: datetime, length: timedelta, signal: Signal) -> list[datetime]:
    """Return the starts among which there is an optimum, ascending.

    The mean of a moving window over a step function is piecewise linear in the start and bends only
    where the window's start or end meets an edge; so one of those starts, or a limit, is an optimum.
    """
    return sorted({earliest, latest, *_bends(earliest, latest, length, signal)})


def mean(signal: Signal, start: datetime, length: timedelta) -> float | None:
    """Return the mean over a window, ``None`` if any of it is unknown."""
    try:
        return signal.mean(start, start + length)
    except NotCovered:
        return None


def sign(signal: Signal) -> int:
    """Return what to multiply a value with so that smaller is greener."""
    return 1 if signal.quantity.lower_is_greener else -1


def is_greener(signal: Signal, one: float, other: float) -> bool:
    """Say whether one mean is greener than another by more than rounding."""
    return sign(signal) * (other - one) > TIE * max(1.0, abs(other))


def at_once(request: JobRequest, signal: Signal, reason: str) -> GreenWindow:
    """Return the window that starts at ``request.earliest``."""
    now_mean = mean(signal, request.earliest, request.duration)
    end = request.earliest + request.duration
    return GreenWindow(request.earliest, end, now_mean, now_mean, signal.quantity, reason)


def at(start: datetime, request: JobRequest, signal: Signal, reason: str) -> GreenWindow:
    """Return the window that starts then, with its means."""
    then, now = mean(signal, start, request.duration), mean(signal, request.earliest, request.duration)
    return GreenWindow(start, start + request.duration, then, now, signal.quantity, reason)


def unknown(request: JobRequest, signal: Signal) -> str:
    """Return why nothing could be compared."""
    if not signal.edges or signal.edges[-1] <= request.earliest:
        return "starts at once: no grid data for the time ahead"
    return "starts at once: the grid data do not cover any window as long as the job before the deadline"


def _bends(earliest: datetime, latest: datetime, length: timedelta, signal: Signal) -> Iterator[datetime]:
    edges = signal.edges
    first = bisect_left(edges, earliest)
    yield from edges[first : bisect_right(edges, latest)]
    first = bisect_left(edges, earliest + length)
    for edge in edges[first : bisect_right(edges, latest + length)]:
        yield edge - length
