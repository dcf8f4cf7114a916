"""Idle nodes fall asleep and wake up for jobs: the rule, and the pool that follows it.

Nodes of a counted machine are alike, so only numbers are kept: groups of nodes that became idle
together, the latest first to be used again, and ONE timer for the group that has been idle longest.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Collection, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import IntEnum

from simpy.events import Event

from vispa_green_sim.errors import PowerError
from vispa_green_sim.machine import Machine


@dataclass(frozen=True, slots=True)
class Sleep:
    """Switch nodes off that were idle for ``after_s``, but keep ``spare`` idle ones awake."""

    after_s: int
    spare: int = 0

    def __post_init__(self) -> None:
        if self.after_s < 1 or self.spare < 0:
            raise PowerError(f"nodes cannot sleep after {self.after_s} s with {self.spare} spare; take 1 s or more")


@dataclass(frozen=True, slots=True)
class Timer:
    """The engine's clock as a pool of nodes needs it."""

    begin_s: int
    after: Callable[[int, Callable[[Event], None]], None]
    """``after(delay_s, do)``"""


class State(IntEnum):
    """What a node does. An idle node that waits for the others of its job to boot is idle."""

    IDLE = 0
    ACTIVE = 1
    OFF = 2
    BOOT = 3
    SHUTDOWN = 4


BEGIN, END, WAKE, UP, DOWN, GONE = range(6)
CHANGES = (
    (State.IDLE, State.ACTIVE),
    (State.ACTIVE, State.IDLE),
    (State.OFF, State.BOOT),
    (State.BOOT, State.ACTIVE),
    (State.IDLE, State.SHUTDOWN),
    (State.SHUTDOWN, State.OFF),
)
"""What nodes go through, by the six numbers above: from one state to another."""


class StateLog:
    """At ``times_s[i]``, ``nodes[i]`` nodes make the change ``CHANGES[changes[i]]``; all begin idle at ``begin_s``.

    Not in order of time: what is known to come is written ahead. ``classes[i]`` is the node class; the
    column is empty for a machine of one class.
    """

    __slots__ = ("begin_s", "changes", "classes", "nodes", "times_s")

    def __init__(self, begin_s: int) -> None:
        """Begin empty."""
        self.begin_s = begin_s
        self.times_s, self.nodes = array("q"), array("i")
        self.changes, self.classes = array("b"), array("b")

    def add(self, time_s: int, change: int, nodes: int) -> None:
        """Write one change of nodes of the only class."""
        self.times_s.append(time_s)
        self.changes.append(change)
        self.nodes.append(nodes)

    def add_of_class(self, time_s: int, change: int, nodes: int, kind: int) -> None:
        """Write one change of nodes of one class of several."""
        self.add(time_s, change, nodes)
        self.classes.append(kind)


class Sleepers:
    """The nodes of a machine of one class, as numbers."""

    __slots__ = ("_after", "_awake", "_idle", "_is_armed", "_off", "_power", "_rule", "log")

    def __init__(self, machine: Machine, rule: Sleep, timer: Timer) -> None:
        """Begin with all nodes idle."""
        if len(machine.classes) != 1 or machine.classes[0].cpus != 1:
            raise PowerError("nodes of several classes or sizes sleep one by one: take the scheduler slurm_like")
        now = timer.begin_s
        self.log = StateLog(now)
        self._power = machine.classes[0].power
        self._rule, self._after = rule, timer.after
        self._idle: deque[list[int]] = deque([[now, machine.nodes]])  # [idle since, nodes], the latest at the right
        self._off: deque[list[int]] = deque()  # [off from, nodes], the earliest at the left
        self._awake = machine.nodes
        self._is_armed = False
        self._arm(now)

    def boot_delay(self, nodes: int, now: int) -> int:
        """Return how long ``nodes`` nodes taken now would have to wake up."""
        missing = nodes - self._awake
        if missing <= 0:
            return 0
        last = 0
        for since, count in self._off:
            last = since
            missing -= count
            if missing <= 0:
                break
        return max(0, last - now) + self._power.boot_s

    def take(self, nodes: int, now: int) -> int:
        """Give nodes to a job; return for how long they boot. Those idle last go first."""
        if nodes <= self._awake:
            self._take_idle(nodes)
            self.log.add(now, BEGIN, nodes)
            return 0
        delay, awake = self.boot_delay(nodes, now), self._awake
        if awake:
            self._take_idle(awake)
            self.log.add(now + delay, BEGIN, awake)
        self._take_off(nodes - awake, now, delay)
        return delay

    def give(self, nodes: int, now: int) -> None:
        """Take nodes back from a job: they are idle from now."""
        if self._idle and self._idle[-1][0] == now:
            self._idle[-1][1] += nodes
        else:
            self._idle.append([now, nodes])
        self._awake += nodes
        self.log.add(now, END, nodes)
        if not self._is_armed:
            self._arm(now)

    def _take_idle(self, nodes: int) -> None:
        self._awake -= nodes
        while nodes:
            group = self._idle[-1]
            part = min(nodes, group[1])
            group[1] -= part
            nodes -= part
            if not group[1]:
                self._idle.pop()

    def _take_off(self, nodes: int, now: int, delay: int) -> None:
        """Wake nodes so that all are there after ``delay``; each boots as late as that allows."""
        begin = now + delay - self._power.boot_s
        self.log.add(begin, WAKE, nodes)
        self.log.add(now + delay, UP, nodes)
        while nodes:
            group = self._off[0]
            part = min(nodes, group[1])
            group[1] -= part
            nodes -= part
            if not group[1]:
                self._off.popleft()

    def _arm(self, now: int) -> None:
        """Set the one timer for the group that has been idle longest, if there is something for it to do."""
        if not self._is_armed and self._awake > self._rule.spare:
            self._is_armed = True
            self._after(max(0, self._idle[0][0] + self._rule.after_s - now), self._expire)

    def _expire(self, event: Event) -> None:
        now = int(event.env.now)
        self._is_armed = False
        while self._awake > self._rule.spare and self._idle[0][0] + self._rule.after_s <= now:
            group = self._idle[0]
            part = min(group[1], self._awake - self._rule.spare)
            self._switch_off(part, now)
            group[1] -= part
            if not group[1]:
                self._idle.popleft()
        self._arm(now)

    def _switch_off(self, nodes: int, now: int) -> None:
        off = now + self._power.shutdown_s
        self._awake -= nodes
        self.log.add(now, DOWN, nodes)
        self.log.add(off, GONE, nodes)
        self._off.append([off, nodes])


class NodeSleepers:
    """The same for nodes with names and sizes of their own; which ones a job gets, its scheduler says.

    A node is idle when no job is on it; nodes of a job that boot are there together, as late as possible.
    """

    __slots__ = ("_after", "_idle_since", "_is_armed", "_kinds", "_off_from", "_powers", "_ready_s", "_rule", "log")

    def __init__(self, machine: Machine, rule: Sleep, timer: Timer) -> None:
        """Begin with all nodes idle; nodes are numbered through all classes in order."""
        self.log = StateLog(timer.begin_s)
        self._rule, self._after = rule, timer.after
        self._kinds = [index for index, kind in enumerate(machine.classes) for _ in range(kind.count)]
        self._powers = [kind.power for kind in machine.classes]
        self._idle_since = dict.fromkeys(range(machine.nodes), timer.begin_s)  # the longest idle first
        self._off_from: dict[int, int] = {}
        self._ready_s = [timer.begin_s] * machine.nodes
        """When a node's first job could run: another one that comes while it boots waits as long."""
        self._is_armed = False
        self._arm(timer.begin_s)

    @property
    def off(self) -> AbstractSet[int]:
        """The nodes that would have to boot."""
        return self._off_from.keys()

    def take(self, nodes: Collection[int], fresh: Collection[int], now: int) -> int:
        """Give nodes to a job, the ``fresh`` ones without a job until now; return for how long they boot.

        A node that another job keeps awake serves at once, but waits for those that boot.
        """
        off, powers, kinds = self._off_from, self._powers, self._kinds
        delay = max((max(0, off[n] - now) + powers[kinds[n]].boot_s for n in fresh if n in off), default=0)
        for node in fresh:
            kind = kinds[node]
            if off.pop(node, None) is None:
                del self._idle_since[node]
                self.log.add_of_class(now + delay, BEGIN, 1, kind)
                self._ready_s[node] = now + delay
            else:
                self.log.add_of_class(now + delay - powers[kind].boot_s, WAKE, 1, kind)
                self.log.add_of_class(now + delay, UP, 1, kind)
                self._ready_s[node] = now + delay
        return max(delay, *(self._ready_s[node] - now for node in nodes), 0)

    def give(self, nodes: Iterable[int], now: int) -> None:
        """Take back nodes on which no job is left."""
        for node in nodes:
            self._idle_since[node] = now
            self.log.add_of_class(now, END, 1, self._kinds[node])
        if not self._is_armed:
            self._arm(now)

    def _arm(self, now: int) -> None:
        if len(self._idle_since) > self._rule.spare:
            self._is_armed = True
            longest = next(iter(self._idle_since.values()))
            self._after(max(0, longest + self._rule.after_s - now), self._expire)

    def _expire(self, event: Event) -> None:
        now = int(event.env.now)
        self._is_armed = False
        while len(self._idle_since) > self._rule.spare:
            node, since = next(iter(self._idle_since.items()))
            if since + self._rule.after_s > now:
                break
            del self._idle_since[node]
            kind = self._kinds[node]
            self._off_from[node] = now + self._powers[kind].shutdown_s
            self.log.add_of_class(now, DOWN, 1, kind)
            self.log.add_of_class(self._off_from[node], GONE, 1, kind)
        self._arm(now)
