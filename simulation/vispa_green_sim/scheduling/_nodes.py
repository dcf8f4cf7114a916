"""Which nodes a job gets: the free CPUs, memory and GPUs of every node, and packing into them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from vispa_green_sim.errors import MachineError
from vispa_green_sim.machine import Machine
from vispa_green_sim.workload import Workload

Piece = tuple[int, int, int, int]
"""node, CPUs, MiB, GPUs"""


@dataclass(frozen=True, slots=True)
class Need:
    """What a job asks for; 0 nodes: any number."""

    cpus: int
    memory_mib: int
    gpus: int
    nodes: int

    def on_each(self) -> Need:
        """Return the part on each of the nodes asked for, rounded up."""
        n = self.nodes
        return Need(-(-self.cpus // n), -(-self.memory_mib // n), -(-self.gpus // n), 1)


def needs_of(workload: Workload) -> list[Need]:
    """Return what each job asks for; equal ones are one object."""
    zeros = [0] * len(workload)
    columns = (workload.processors, workload.memory_mib or zeros, workload.gpus or zeros, workload.nodes or zeros)
    seen: dict[tuple[int, int, int, int], Need] = {}
    return [seen.setdefault(row, Need(*row)) for row in zip(*columns, strict=True)]


class Nodes:
    """All nodes of a machine, numbered through its classes, with what is free on each."""

    __slots__ = ("cpus", "gpus", "is_tracked", "jobs", "memory_mib", "whole")

    def __init__(self, machine: Machine) -> None:
        """Begin with everything free."""
        kinds = [kind for kind in machine.classes for _ in range(kind.count)]
        self.cpus = [kind.cpus for kind in kinds]
        self.gpus = [kind.gpus for kind in kinds]
        self.is_tracked = [kind.memory_mib > 0 for kind in kinds]  # a node of unknown memory refuses nobody
        self.memory_mib = [kind.memory_mib for kind in kinds]
        self.whole = [(kind.cpus, kind.memory_mib, kind.gpus) for kind in kinds]
        self.jobs = [0] * len(kinds)

    def fits(self, node: int, need: Need) -> bool:
        """Say whether a node has room for all of this."""
        return (
            need.cpus <= self.cpus[node]
            and need.gpus <= self.gpus[node]
            and (need.memory_mib <= self.memory_mib[node] or not self.is_tracked[node])
        )

    def take(self, pieces: Iterable[Piece]) -> list[int]:
        """Take pieces of nodes; return the nodes that had no job before."""
        return self._change(pieces, 1)

    def give(self, pieces: Iterable[Piece]) -> list[int]:
        """Give pieces back; return the nodes that have no job any more."""
        return self._change(pieces, -1)

    def _change(self, pieces: Iterable[Piece], sign: int) -> list[int]:
        turned = []
        for node, cpus, memory, gpus in pieces:
            self.cpus[node] -= sign * cpus
            self.memory_mib[node] -= sign * memory
            self.gpus[node] -= sign * gpus
            if self.jobs[node] == (0 if sign > 0 else 1):
                turned.append(node)
            self.jobs[node] += sign
        return turned

    def place(self, need: Need, among: Sequence[int], off: AbstractSet[int]) -> list[Piece] | None:
        """Return pieces of nodes that together are what is needed, or ``None``.

        The fullest node that has room is taken first, awake ones before sleeping ones, so that large holes
        stay whole and idle nodes can sleep. A job that did not ask for a number of nodes goes on one if
        it can, else on as few as possible.
        """
        if need.nodes > 1:
            part = need.on_each()
            fitting = [node for node in among if self.fits(node, part)]
            if len(fitting) < need.nodes:
                return None
            fitting.sort(key=lambda node: (node in off, self.cpus[node], node))
            return [(node, part.cpus, part.memory_mib, part.gpus) for node in fitting[: need.nodes]]
        fitting = [node for node in among if self.fits(node, need)]
        if fitting:
            node = min(fitting, key=lambda node: (node in off, self.cpus[node], node))
            return [(node, need.cpus, need.memory_mib, need.gpus)]
        return None if need.nodes == 1 else self._spread(need, among, off)

    def _spread(self, need: Need, among: Sequence[int], off: AbstractSet[int]) -> list[Piece] | None:
        """Lay a job over several nodes, memory and GPUs in proportion to CPUs."""
        cpus, gpus, memory = need.cpus, need.gpus, need.memory_mib
        pieces: list[Piece] = []
        usable = [node for node in among if self.cpus[node] > 0]
        if sum(self.cpus[node] for node in usable) < cpus:
            return None
        for node in sorted(usable, key=lambda node: (node in off, -self.cpus[node], node)):
            share = min(self.cpus[node], cpus)
            if self.is_tracked[node] and need.memory_mib:
                share = min(share, self.memory_mib[node] * need.cpus // need.memory_mib)
            if need.gpus:
                share = min(share, self.gpus[node] * need.cpus // need.gpus)
            if share <= 0:
                continue
            here = (memory * share // cpus, gpus * share // cpus)
            pieces.append((node, share, *here))
            cpus, memory, gpus = cpus - share, memory - here[0], gpus - here[1]
            if cpus == 0:
                return pieces
        return None


def partitions_of(machine: Machine) -> dict[str, list[int]]:
    """Return the node numbers of each partition; the default one, or all nodes, under the empty name."""
    first, total = [], 0
    for kind in machine.classes:
        first.append(total)
        total += kind.count
    found = {p.name: [first[kind] + number for kind, number in p.nodes] for p in machine.partitions}
    default = next((p.name for p in machine.partitions if p.is_default), None)
    found[""] = list(range(total)) if default is None else found[default]
    return found


def refuse_impossible(workload: Workload, needs: Sequence[Need], homes: Sequence[str], machine: Machine) -> None:
    """Raise `MachineError` for the first job that not even the empty machine could place."""
    nodes, among = Nodes(machine), partitions_of(machine)
    seen: set[tuple[Need, str]] = set()
    for job, (need, home) in enumerate(zip(needs, homes, strict=True)):
        if (need, home) in seen:
            continue
        seen.add((need, home))
        if nodes.place(need, among[home], frozenset()) is None:
            raise MachineError(
                f"job {workload.job_id[job]} wants {need.cpus} CPUs, {need.memory_mib} MiB and {need.gpus} GPUs on "
                f"{need.nodes or 'any number of'} nodes, which partition {home or '(default)'!r} does not have even "
                "when empty; correct the job or the machine's description"
            )
