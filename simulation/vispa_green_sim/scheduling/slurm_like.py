"""Like Slurm: multifactor priority, partitions, packing on nodes, and ``sched/backfill`` with its limits.

At each instant the main scheduler starts jobs by priority until the first of a partition has to wait
(no more than ``default_queue_depth``); at most every ``bf_interval_s`` backfill plans the first
``bf_max_job_test`` jobs ahead by their time limits and starts those that delay nobody planned before.
Not modelled: preemption, reservations, licences, heterogeneous jobs, limits of associations.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from vispa_green_sim.errors import MachineError
from vispa_green_sim.machine import Machine
from vispa_green_sim.scheduling import Scheduler, Setup
from vispa_green_sim.scheduling._free_groups import Amount, FreeGroups
from vispa_green_sim.scheduling._nodes import Nodes, Piece, needs_of, partitions_of, refuse_impossible
from vispa_green_sim.scheduling._priority import Priority, Weights
from vispa_green_sim.sleep import NodeSleepers, StateLog
from vispa_green_sim.workload import Workload

UNTRACKED_MIB = 1 << 50
"""What a group with nodes of unknown memory is planned with."""


@dataclass(frozen=True, slots=True)
class Options:
    """``SchedulerParameters`` under their own names, and the weights of priorities."""

    weights: Weights = field(default_factory=Weights)
    default_queue_depth: int = 100
    bf_max_job_test: int = 500
    bf_max_job_user: int = 0
    """0: no limit."""
    bf_window_s: int = 86_400
    bf_resolution_s: int = 60
    bf_interval_s: int = 30


class SlurmLike:
    """Priorities, nodes, and a plan made anew at each backfill."""

    def __init__(self, setup: Setup) -> None:
        """Begin with an empty queue; raise `MachineError` for a job that fits nowhere."""
        workload, machine = setup.workload, setup.machine
        self._options = setup.options if isinstance(setup.options, Options) else Options()
        self._workload, self._start = workload, setup.start
        self._nodes = Nodes(machine)
        self._needs = needs_of(workload)
        self._among = partitions_of(machine)
        self._homes = _homes(workload, machine)
        refuse_impossible(workload, self._needs, self._homes, machine)
        self._group_of, self._groups = _groups(self._among, machine.nodes)
        self._priority = Priority(workload, machine, self._options.weights)
        self._sleepers = NodeSleepers(machine, setup.sleep, setup.timer) if setup.sleep else None
        self.queue: list[int] = []
        self.running: list[tuple[int, int]] = []
        self.free = machine.processors
        self._held: dict[int, tuple[list[Piece], int, int]] = {}  # job: pieces, start, predicted end
        self._backfilled_s: int | None = None

    @property
    def log(self) -> StateLog | None:
        """What nodes went through."""
        return self._sleepers.log if self._sleepers else None

    def enqueue(self, job: int) -> None:
        """Put a job among those that wait."""
        insort(self.queue, job)

    def complete(self, job: int, now: int) -> None:
        """Free a job's pieces of nodes and charge its user."""
        pieces, start, end = self._held.pop(job)
        del self.running[bisect_left(self.running, (end, job))]
        self.free += self._workload.processors[job]
        emptied = self._nodes.give(pieces)
        if self._sleepers is not None:
            self._sleepers.give(emptied, now)
        self._priority.charge(job, (now - start) * self._workload.processors[job], now)

    def start_jobs(self, now: int) -> int | None:
        """Start by priority, then fill in; return when backfill wants its turn if it is not due yet."""
        if not self.queue:
            return None
        order = self._priority.ordered(self.queue, now)
        started = self._start_first(order[: self._options.default_queue_depth], now)
        if not self.queue or not self.free:
            return None
        if self._backfilled_s is not None and now < self._backfilled_s + self._options.bf_interval_s:
            return self._backfilled_s + self._options.bf_interval_s
        self._backfilled_s = now
        self._backfill([job for job in order if job not in started], now)
        return None

    def _start_first(self, order: Sequence[int], now: int) -> set[int]:
        """Start jobs in order; one that has to wait blocks its partition's nodes for those after it."""
        blocked: set[str] = set()
        started: set[int] = set()
        for job in order:
            home = self._homes[job]
            if home in blocked:
                continue
            if self._begin(job, now):
                started.add(job)
            else:
                blocked |= {other for other in self._groups if set(self._groups[other]) & set(self._groups[home])}
        return started

    def _begin(self, job: int, now: int) -> bool:
        """Start a job if there is room on its partition's nodes."""
        if self._needs[job].cpus > self.free:
            return False
        off = self._sleepers.off if self._sleepers is not None else frozenset()
        pieces = self._nodes.place(self._needs[job], self._among[self._homes[job]], off)
        if pieces is None:
            return False
        fresh = self._nodes.take(pieces)
        used = [node for node, *_ in pieces]
        delay = self._sleepers.take(used, fresh, now) if self._sleepers is not None else 0
        end = now + delay + self._workload.request_s[job]
        self._held[job] = (pieces, now + delay, end)
        insort(self.running, (end, job))
        self.queue.remove(job)
        self.free -= self._workload.processors[job]
        self._start(job, delay)
        return True

    def _backfill(self, order: Sequence[int], now: int) -> None:
        options, ahead = self._options, self._free_ahead(now)
        tested: dict[str, int] = defaultdict(int)
        for job in order[: options.bf_max_job_test]:
            if not self.free:
                return
            user = self._workload.user[job] if len(self._workload.user) else ""
            tested[user] += 1
            if options.bf_max_job_user and tested[user] > options.bf_max_job_user:
                continue
            self._plan_one(job, ahead, now)

    def _plan_one(self, job: int, ahead: FreeGroups, now: int) -> None:
        """Reserve for a job, and start it if that is now; if nodes are too fragmented it waits for an end."""
        options, need = self._options, self._needs[job]
        groups = self._groups[self._homes[job]]
        length = _up(self._workload.request_s[job], options.bf_resolution_s)
        latest = now + options.bf_window_s
        fits = (
            need.cpus <= self.free and self._nodes.place(need, self._among[self._homes[job]], frozenset()) is not None
        )
        start = ahead.reserve(need, groups, length, now if fits else now + 1, latest)
        if start == now:
            self._begin(job, now)

    def _free_ahead(self, now: int) -> FreeGroups:
        """Return the plan of what runs, ends rounded up to ``bf_resolution``."""
        free: list[list[int]] = [[0, 0, 0] for _ in range(max(self._group_of) + 1)]
        for node, group in enumerate(self._group_of):
            here = self._amount(node, self._nodes.cpus[node], self._nodes.memory_mib[node], self._nodes.gpus[node])
            free[group] = [have + more for have, more in zip(free[group], here, strict=True)]
        step = self._options.bf_resolution_s
        ends = [(max(now + 1, now + _up(end - now, step)), self._back(job)) for end, job in self.running]
        return FreeGroups(now, [(f[0], f[1], f[2]) for f in free], ends)

    def _back(self, job: int) -> dict[int, Amount]:
        back: dict[int, Amount] = {}
        for node, cpus, memory, gpus in self._held[job][0]:
            group = self._group_of[node]
            have = back.get(group, (0, 0, 0))
            back[group] = (have[0] + cpus, have[1] + memory, have[2] + gpus)
        return back

    def _amount(self, node: int, cpus: int, memory_mib: int, gpus: int) -> Amount:
        return cpus, memory_mib if self._nodes.is_tracked[node] else UNTRACKED_MIB, gpus


def scheduler(setup: Setup) -> Scheduler:
    """Return the scheduler; ``setup.options`` may be `Options`."""
    return SlurmLike(setup)


def _up(value: int, step: int) -> int:
    return -(-value // step) * step


def _homes(workload: Workload, machine: Machine) -> list[str]:
    """Return each job's partition; the default one is the empty name."""
    if not machine.partitions or not len(workload.partition):
        return [""] * len(workload)
    known = {p.name for p in machine.partitions}
    for job, name in enumerate(workload.partition):
        if name not in known and name not in {"", "-1"}:
            raise MachineError(
                f"job {workload.job_id[job]} wants partition {name!r}; the machine has {', '.join(sorted(known))}: "
                "add it to slurm.conf or rename the job's"
            )
    return [name if name in known else "" for name in workload.partition]


def _groups(among: dict[str, list[int]], nodes: int) -> tuple[list[int], dict[str, list[int]]]:
    """Return the group of each node (equal partitions, equal group) and the groups of each partition."""
    member: list[list[str]] = [[] for _ in range(nodes)]
    for name, numbers in sorted(among.items()):
        for node in numbers:
            member[node].append(name)
    numbers_of: dict[tuple[str, ...], int] = {}
    group_of = [numbers_of.setdefault(tuple(names), len(numbers_of)) for names in member]
    return group_of, {name: sorted({group_of[node] for node in numbers}) for name, numbers in among.items()}
