"""The greenest pieces of the time ahead: for jobs that can be interrupted, and to start in one for others.

"k lowest slots" (Wiesner et al., Let's wait awhile, 2021): a job that can be suspended uses the greenest
steps of the grid's series, wherever they lie. One that cannot starts where the greenest step begins
("lowest slot" of GAIA, 2024), which is worse than the best mean for jobs longer than a step.
"""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

from vispa_green.policies._windows import (
    NOTHING_GREENER,
    TOO_LATE,
    at,
    at_once,
    is_greener,
    mean,
    sign,
    unknown,
)

if TYPE_CHECKING:
    from vispa_green.host import Host
    from vispa_green.model import GreenWindow, JobRequest, Outlook, Policy, Signal
    from vispa_green.registry import NoOptions

Slot = tuple[datetime, datetime]


class LowestSlots:
    """Chooses by single steps of the grid's series instead of means over the job's length."""

    looks_at_queue = False

    def slots(self, request: JobRequest, signal: Signal) -> tuple[Slot, ...]:
        """Return the greenest pieces before the deadline that together are as long as the job, in order of time.

        Nothing if what is known ahead is shorter than the job. The last piece chosen is cut at its end.
        """
        left = request.duration
        chosen: list[Slot] = []
        for _, start, end in sorted(_steps(request.earliest, request.finish_by, signal)):
            used = min(left, end - start)
            chosen.append((start, start + used))
            left -= used
            if not left:
                return tuple(_joined(sorted(chosen)))
        return ()

    def choose(self, request: JobRequest, signal: Signal, outlook: Outlook | None = None) -> GreenWindow:
        """Return the window that starts with the greenest step, if that makes it greener than at once."""
        latest = request.finish_by - request.duration
        if latest < request.earliest:
            return at_once(request, signal, TOO_LATE)
        now = mean(signal, request.earliest, request.duration)
        seen = False
        for _, start, _ in sorted(_steps(request.earliest, request.finish_by, signal)):
            value = mean(signal, start, request.duration) if start <= latest else None
            if value is None:
                continue
            seen = True
            if start > request.earliest and (now is None or is_greener(signal, value, now)):
                return at(start, request, signal, "begins with the greenest step of the time ahead")
            break
        return at_once(request, signal, NOTHING_GREENER if seen else unknown(request, signal))


def make(host: Host | None, options: NoOptions) -> Policy:
    """Return the policy."""
    return LowestSlots()


def _steps(start: datetime, end: datetime, signal: Signal) -> list[tuple[float, datetime, datetime]]:
    """Return the known steps of a span as ``(value, start, end)``, a smaller value being greener."""
    inner = [edge for edge in signal.edges if start < edge < end]
    direction = sign(signal)
    return [
        (direction * value, first, second)
        for first, second in pairwise((start, *inner, end))
        if second > first and (value := mean(signal, first, second - first)) is not None
    ]


def _joined(slots: list[Slot]) -> list[Slot]:
    joined: list[Slot] = []
    for start, end in slots:
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined
