"""Start where the mean over the job's whole length is greenest: the exact optimum, not a grid search."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import datetime, timedelta

from vispa_green.errors import NotCovered
from vispa_green.model import GreenWindow, JobRequest, Policy, Signal

TIE = 1e-9
"""Means that differ relatively by less are one: running sums leave such differences between equal windows."""


class BestMean:
    """Chooses among all starts in ``[earliest, finish_by - duration]`` whose windows are wholly known."""

    def choose(self, request: JobRequest, signal: Signal) -> GreenWindow:
        """Return the greenest window, the earliest of equals; at ``request.earliest`` if none is better.

        The mean of a moving window over a step function is piecewise linear in the start and bends only
        where the window's start or end meets an edge, so one of those starts (or a limit) is an optimum.
        """
        latest = request.finish_by - request.duration
        now_mean = _mean(signal, request.earliest, request.duration)
        if latest < request.earliest:
            return _at_once(request, signal, now_mean, "starts at once: even so it may not be done by the deadline")
        known = [
            (start, mean)
            for start in sorted(set(_candidates(request, latest, signal)))
            if (mean := _mean(signal, start, request.duration)) is not None
        ]
        if not known:
            return _at_once(request, signal, now_mean, _unknown(request, signal))
        sign = 1 if signal.quantity.lower_is_greener else -1
        best = min(sign * mean for _, mean in known)
        tolerance = TIE * max(1.0, abs(best))
        start, mean = next((start, mean) for start, mean in known if sign * mean <= best + tolerance)
        if start == request.earliest:
            return _at_once(request, signal, mean, "starts at once: no later start before the deadline is greener")
        reason = "the greenest time before the deadline"
        if now_mean is None:
            reason += ", among those the grid data cover"
        return GreenWindow(start, start + request.duration, mean, now_mean, signal.quantity, reason)


def policy() -> Policy:
    """Return the policy."""
    return BestMean()


def _candidates(request: JobRequest, latest: datetime, signal: Signal) -> Iterator[datetime]:
    yield request.earliest
    yield latest
    edges = signal.edges
    first = bisect_left(edges, request.earliest)
    yield from edges[first : bisect_right(edges, latest)]
    first = bisect_left(edges, request.earliest + request.duration)
    for edge in edges[first : bisect_right(edges, request.finish_by)]:
        yield edge - request.duration


def _mean(signal: Signal, start: datetime, duration: timedelta) -> float | None:
    try:
        return signal.mean(start, start + duration)
    except NotCovered:
        return None


def _at_once(request: JobRequest, signal: Signal, mean: float | None, reason: str) -> GreenWindow:
    end = request.earliest + request.duration
    return GreenWindow(request.earliest, end, mean, mean, signal.quantity, reason)


def _unknown(request: JobRequest, signal: Signal) -> str:
    if not signal.edges or signal.edges[-1] <= request.earliest:
        return "starts at once: no grid data for the time ahead"
    return "starts at once: the grid data do not cover any window as long as the job before the deadline"
