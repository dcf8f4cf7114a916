"""The backfill plan of a machine with partitions: free CPUs, memory and GPUs ahead, by group of nodes.

A group is all nodes with the same partitions; within it only sums are planned, so a plan can be too
hopeful where nodes are fragmented. Starting a job needs real room on real nodes all the same.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence

from vispa_green_sim.scheduling._nodes import Need

Amount = tuple[int, int, int]
"""CPUs, MiB, GPUs"""


class FreeGroups:
    """A step function of time: what is free in each group."""

    __slots__ = ("free", "times_s")

    def __init__(self, now: int, free: Sequence[Amount], ends: Iterable[tuple[int, Mapping[int, Amount]]]) -> None:
        """Begin with what is free now; ``ends`` are ``(time, what comes back to each group)``, ascending."""
        self.times_s = [now]
        self.free = [[list(amount) for amount in free]]
        for end, back in ends:
            if end > self.times_s[-1]:
                self.times_s.append(end)
                self.free.append([list(amount) for amount in self.free[-1]])
            for group, amount in back.items():
                for kind in range(3):
                    self.free[-1][group][kind] += amount[kind]

    def reserve(self, need: Need, groups: Sequence[int], length_s: int, earliest_s: int, latest_s: int) -> int | None:
        """Take what a job needs at the earliest time possible; return it, or ``None`` if that is too late."""
        for first, start in enumerate(self.times_s):
            if start < earliest_s:
                continue
            if start > latest_s:
                return None
            if sum(self.free[first][group][0] for group in groups) < need.cpus:
                continue
            share = self._share(need, groups, first, bisect_left(self.times_s, start + length_s))
            if share is not None:
                self.take(share, start, start + length_s)
                return start
        return None

    def take(self, share: Mapping[int, Amount], start_s: int, end_s: int) -> None:
        """Take amounts of groups over a span."""
        first, last = self._edge(start_s), self._edge(end_s)
        for step in range(first, last):
            for group, amount in share.items():
                for kind in range(3):
                    self.free[step][group][kind] -= amount[kind]

    def _share(self, need: Need, groups: Sequence[int], first: int, last: int) -> dict[int, Amount] | None:
        """Split a need over groups by what is free throughout the steps; ``None`` if it is not."""
        wanted = [need.cpus, need.memory_mib, need.gpus]
        share: dict[int, Amount] = {}
        for group in groups:
            part = [
                min(wanted[kind], max(0, min(self.free[step][group][kind] for step in range(first, last))))
                for kind in range(3)
            ]
            share[group] = (part[0], part[1], part[2])
            wanted = [left - here for left, here in zip(wanted, part, strict=True)]
            if not any(wanted):
                return share
        return None

    def _edge(self, moment: int) -> int:
        step = bisect_left(self.times_s, moment)
        if step == len(self.times_s) or self.times_s[step] != moment:
            self.times_s.insert(step, moment)
            self.free.insert(step, [list(amount) for amount in self.free[step - 1]])
        return step
