"""Free processors as predicted by requested ends: a step function of time into which jobs are laid."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence


class FreeProcessors:
    """``free[i]`` processors are free over ``[times_s[i], times_s[i + 1])``, the last value for ever."""

    __slots__ = ("free", "times_s")

    def __init__(self, times_s: list[int], free: list[int]) -> None:
        """Take over the two lists."""
        self.times_s = times_s
        self.free = free

    @classmethod
    def of_running(
        cls, now: int, free: int, running: Sequence[tuple[int, int]], processors: Sequence[int]
    ) -> FreeProcessors:
        """Return what running jobs alone leave free; one past its requested end counts as ending next second.

        Not now: what it holds is not free yet, and a job placed there could not start.
        """
        times, levels = [now], [free]
        for end, job in running:
            free += processors[job]
            if end > times[-1] or len(times) == 1:
                times.append(max(end, now + 1))
                levels.append(free)
            else:
                levels[-1] = free
        return cls(times, levels)

    def reserve(self, width: int, length_s: int) -> int:
        """Take ``width`` processors for ``length_s`` at the earliest time possible; return that time."""
        times, free = self.times_s, self.free
        first, last = self._hole(width, length_s)
        start = times[first]
        end = start + length_s
        if last == len(times) or times[last] != end:
            times.insert(last, end)
            free.insert(last, free[last - 1])
        for step in range(first, last):
            free[step] -= width
        return start

    def take(self, width: int, start_s: int, end_s: int) -> None:
        """Take ``width`` processors over a span that is known to have them; a negative width gives them back."""
        first, last = self._edge(start_s), self._edge(end_s)
        free = self.free
        for step in range(first, last):
            free[step] -= width

    def earlier(self, width: int, length_s: int, reserved_s: int) -> int:
        """Return the earliest start of a job that holds its processors from ``reserved_s``, at the latest that.

        Whatever it held it can use, and an earlier start ends inside of that, so only the steps before
        ``reserved_s`` (an edge, as every reservation makes one) have to have room.
        """
        times, free = self.times_s, self.free
        first = 0
        while times[first] < reserved_s:
            if free[first] < width:
                first += 1
                continue
            limit = min(reserved_s, times[first] + length_s)
            step = first + 1
            while times[step] < limit and free[step] >= width:
                step += 1
            if times[step] >= limit:
                return times[first]
            first = step + 1
        return reserved_s

    def advance(self, now: int) -> None:
        """Forget what was before ``now``."""
        times = self.times_s
        passed = bisect_right(times, now) - 1
        if passed > 0:
            del times[:passed], self.free[:passed]
        times[0] = now

    def _edge(self, moment: int) -> int:
        step = bisect_left(self.times_s, moment)
        if step == len(self.times_s) or self.times_s[step] != moment:
            self.times_s.insert(step, moment)
            self.free.insert(step, self.free[step - 1])
        return step

    def _hole(self, width: int, length_s: int) -> tuple[int, int]:
        """Return the step at which the earliest hole begins, and the first step at or after its end."""
        times, free = self.times_s, self.free
        steps = len(times)
        first = 0
        while True:
            while free[first] < width:
                first += 1
            end = times[first] + length_s
            step = first + 1
            while step < steps and times[step] < end:
                if free[step] < width:
                    break
                step += 1
            else:
                return first, step
            first = step + 1
