"""The machine that is simulated: classes of equal nodes, and partitions over them. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field

from vispa_green_sim.errors import MachineError


@dataclass(frozen=True, slots=True)
class NodePowerModel:
    """What one node draws, in mW, and what its changes of state take. Integers, so that sums are exact.

    A running job adds its own dynamic power to ``idle_mw``. The figures of a real node can be measured
    with ``vispa-green energy``; the default is Grid'5000's Taurus (2 × 6 cores) as Batsim documents it.
    """

    idle_mw: int = 95_000
    off_mw: int = 9_750
    boot_mw: int = 125_200
    boot_s: int = 152
    shutdown_mw: int = 101_000
    shutdown_s: int = 7
    cpu_mw: int = 7_975
    """Of one processor at work, above idle."""
    gpu_mw: int = 0
    """Of one GPU at work, above idle."""

    def divided(self, parts: int) -> NodePowerModel:
        """Return the power of one of ``parts`` equal parts of the node, for machines counted in processors."""
        return NodePowerModel(
            round(self.idle_mw / parts),
            round(self.off_mw / parts),
            round(self.boot_mw / parts),
            self.boot_s,
            round(self.shutdown_mw / parts),
            self.shutdown_s,
            self.cpu_mw,
            self.gpu_mw,
        )


@dataclass(frozen=True, slots=True)
class NodeClass:
    """``count`` equal nodes; ``names`` may be left empty."""

    name: str
    count: int
    cpus: int
    memory_mib: int = 0
    """0: memory is not tracked."""
    gpus: int = 0
    power: NodePowerModel = NodePowerModel()
    names: tuple[str, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        if self.count < 1 or self.cpus < 1 or self.gpus < 0 or self.memory_mib < 0:
            raise MachineError(f"node class {self.name}: needs at least one node with one processor")


@dataclass(frozen=True, slots=True)
class Partition:
    """A queue over some nodes: ``nodes`` are pairs of a class's index and a node's number in the class."""

    name: str
    nodes: tuple[tuple[int, int], ...] = field(repr=False)
    max_time_s: int | None = None
    default_time_s: int | None = None
    priority_tier: int = 1
    priority_job_factor: int = 1
    is_default: bool = False


@dataclass(frozen=True, slots=True)
class Machine:
    """Everything that jobs can run on. Without partitions every job may use every node."""

    classes: tuple[NodeClass, ...]
    partitions: tuple[Partition, ...] = ()

    @classmethod
    def of_processors(cls, processors: int, power: NodePowerModel | None = None) -> Machine:
        """Return a machine that is only counted: each processor is a node of its own.

        ``power`` is that of one processor; take `NodePowerModel.divided` for a node of several.
        """
        if processors < 1:
            raise MachineError(f"a machine of {processors} processors runs nothing; give its size with --processors")
        return cls((NodeClass("processor", processors, 1, power=power or NodePowerModel().divided(12)),))

    @property
    def processors(self) -> int:
        """The processors of all nodes."""
        return sum(kind.count * kind.cpus for kind in self.classes)

    @property
    def nodes(self) -> int:
        """The number of nodes."""
        return sum(kind.count for kind in self.classes)
