"""The power plant of the lab: turns the real processor time of Slurm jobs into energy of fake nodes.

    python -m lab.power_plant --node n1=/tmp/lab/n1 --node n2=/tmp/lab/n2 --cpus 8

Below each directory stands a fake host (`lab.hosttree`) whose energy counters and `proc/stat` move by a known power
model, and `truth.json` with what really was added. With GPUs, `nvml.txt` is the state file of `lab.nvml`, and a job
makes GPU 0 busy by writing "1.0 $$" (load, then the processes that use it) into `gpu_busy/0`.
"""

import argparse
import json
import os
import signal
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from lab.atomic import replace_text
from lab.hosttree import HostTree
from lab.job_cpu import CgroupJobCpu, JobCpu, JobReading, ProcJobCpu
from lab.nvml import GpuState, write_state

GPU_PROCESS_BYTES = 1 << 30


@dataclass(frozen=True)
class PowerModel:
    """What a node draws: idle watts per package, and watts per busy core shared evenly by the packages."""

    package_idle_w: float = 20.0
    core_w: float = 8.0
    dram_idle_w: float = 3.0
    dram_core_w: float = 1.0
    system_cores: float = 0.05


@dataclass(frozen=True)
class GpuModel:
    """How many GPUs a node has, and what each draws idle and on top of that under full load."""

    count: int = 0
    idle_w: float = 50.0
    busy_w: float = 250.0


class NodePlant:
    """Drives one fake host; the caller says how much time went by and what the jobs used."""

    def __init__(self, tree: HostTree, model: PowerModel, cpus: int, packages: int) -> None:
        self._tree = tree
        self._model = model
        self._cpus = cpus
        self._packages = packages
        self._seen: Mapping[int, int] | None = None
        self._job_ns: dict[int, int] = {}
        self._elapsed_ns = 0

    def tick(self, dt_ns: int, reading: JobReading) -> None:
        """Let `dt_ns` go by, in which the jobs reached what `reading` says."""
        self._elapsed_ns += dt_ns
        self._count_jobs(reading.cpu_ns)
        # Everything below follows from totals, so that what is rounded off in one tick comes back in the next.
        self._add_cpu()
        self._add_energy()
        self.write_truth()

    @property
    def busy_ns(self) -> int:
        """Processor time so far: the jobs' and the constant load of the system."""
        return sum(self._job_ns.values()) + int(self._model.system_cores * self._elapsed_ns)

    def _count_jobs(self, cpu_ns: Mapping[int, int]) -> None:
        if self._seen is None:  # what ran before the plant is no energy of ours
            self._seen = cpu_ns
        for job_id, now_ns in cpu_ns.items():
            before_ns = self._seen.get(job_id, 0)
            # A requeued job starts again from zero in a new control group.
            used_ns = now_ns - before_ns if now_ns >= before_ns else now_ns
            self._job_ns[job_id] = self._job_ns.get(job_id, 0) + used_ns
        self._seen = cpu_ns

    def _add_cpu(self) -> None:
        truth = self._tree.truth
        idle_ns = self._cpus * self._elapsed_ns - self.busy_ns
        # Slurm's counters may run ahead of our clock by a tick; idle time waits rather than run backwards.
        self._tree.add_cpu(self.busy_ns - truth.busy_ns, max(0, idle_ns - truth.idle_ns))

    def _add_energy(self) -> None:
        model, truth = self._model, self._tree.truth.energy_uj
        for package in range(self._packages):
            for device, idle_w, core_w in (
                (f"package-{package}", model.package_idle_w, model.core_w),
                (f"dram-{package}", model.dram_idle_w, model.dram_core_w),
            ):
                total_nj = idle_w * self._elapsed_ns + core_w * self.busy_ns / self._packages
                self._tree.add_energy(device, int(total_nj / 1000) - truth[device])

    def write_truth(self) -> None:
        """Publish the books beside the tree."""
        truth = self._tree.truth
        books = {
            "node": self._tree.node,
            "elapsed_ns": self._elapsed_ns,
            "energy_uj": dict(truth.energy_uj),
            "busy_ns": truth.busy_ns,
            "idle_ns": truth.idle_ns,
            "job_cpu_ns": self._job_ns,
            "model": asdict(self._model),
        }
        replace_text(self._tree.root / "truth.json", json.dumps(books, indent=1) + "\n")


class GpuPlant:
    """Drives the GPUs of one node through the state file of the stand-in NVML."""

    def __init__(self, root: Path, node: str, model: GpuModel) -> None:
        self._model = model
        self._state = root / "nvml.txt"
        self._busy = root / "gpu_busy"
        self._busy.mkdir(parents=True, exist_ok=True)
        self._uuids = [f"GPU-{uuid.uuid5(uuid.NAMESPACE_DNS, f'{node}-gpu{gpu}')}" for gpu in range(model.count)]
        self._energy_nj = [0.0] * model.count

    def tick(self, dt_ns: int) -> None:
        """Let `dt_ns` go by under the load that the busy files say now."""
        gpus = []
        for index, identity in enumerate(self._uuids):
            load, pids = busy_gpu(self._busy / str(index))
            power_w = self._model.idle_w + load * self._model.busy_w
            self._energy_nj[index] += power_w * dt_ns
            energy_mj, power_mw = int(self._energy_nj[index] / 1e6), int(power_w * 1000)
            process_bytes = dict.fromkeys(pids, GPU_PROCESS_BYTES)
            gpus.append(GpuState(identity, energy_mj, power_mw, minor=index, process_bytes=process_bytes))
        write_state(self._state, gpus)


def busy_gpu(path: Path) -> tuple[float, tuple[int, ...]]:
    """Read a busy file, "load [pid ...]"; the load is over when every process that it names has ended."""
    try:
        words = path.read_text().split()
        load, pids = float(words[0]), [int(word) for word in words[1:]]
    except (FileNotFoundError, IndexError, ValueError):  # IndexError: a shell has opened the file, not yet written
        return 0.0, ()
    alive = tuple(pid for pid in pids if Path(f"/proc/{pid}").exists())
    return (0.0, ()) if pids and not alive else (load, alive)


def link_processes(procfs_root: Path, pids: frozenset[int]) -> None:
    """Show exactly these processes of the real `/proc` in the fake one."""
    shown = {int(path.name) for path in procfs_root.iterdir() if path.name.isdigit() and path.is_symlink()}
    for pid in pids - shown:
        (procfs_root / str(pid)).symlink_to(f"/proc/{pid}")
    for pid in shown - pids:
        (procfs_root / str(pid)).unlink()


class Plant:
    """All nodes of this machine, driven from one reader."""

    def __init__(self, nodes: Mapping[str, Path], jobs: JobCpu, options: argparse.Namespace) -> None:
        self._jobs = jobs
        # A new plant counts from zero: to whoever watches, that is another boot of the node.
        self.trees = {
            node: HostTree(root, node=node, cpus=options.cpus, packages=options.packages, boot_id=str(uuid.uuid4()))
            for node, root in nodes.items()
        }
        model = PowerModel(
            options.idle_watts,
            options.core_watts,
            options.dram_idle_watts,
            options.dram_core_watts,
            options.system_cores,
        )
        self._nodes = {
            node: NodePlant(tree, model, options.cpus, options.packages) for node, tree in self.trees.items()
        }
        gpus = GpuModel(options.gpus, options.gpu_idle_watts, options.gpu_busy_watts)
        self._gpus = [GpuPlant(root, node, gpus) for node, root in nodes.items()] if gpus.count else []

    def tick(self, dt_ns: int) -> None:
        """Let `dt_ns` go by on every node."""
        readings = self._jobs.read()
        for node, plant in self._nodes.items():
            plant.tick(dt_ns, readings[node])
            link_processes(self.trees[node].procfs_root, readings[node].pids)
        for gpus in self._gpus:
            gpus.tick(dt_ns)

    def run(self, stopped: threading.Event, tick_s: float) -> None:
        """Tick on the real clock until told to stop; one last tick books the rest."""
        before_ns = time.monotonic_ns()
        while True:
            over = stopped.wait(tick_s)
            now_ns = time.monotonic_ns()
            self.tick(now_ns - before_ns)
            before_ns = now_ns
            if over:
                return


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m lab.power_plant", description="Drive fake nodes from real Slurm jobs."
    )
    parser.add_argument("--node", action="append", required=True, metavar="NAME=DIR", help="one for each node")
    parser.add_argument("--cpus", type=int, default=8, help="CPUs of each fake node (8)")
    parser.add_argument("--packages", type=int, default=2)
    for name, default in asdict(PowerModel()).items():
        option = name.replace("package_", "").replace("_", "-")
        option = option.removesuffix("-w") + "-watts" if option.endswith("-w") else option
        parser.add_argument(f"--{option}", type=float, default=default, help=f"({default})")
    parser.add_argument("--source", choices=("auto", "cgroup", "proc"), default="auto", help="where jobs are read")
    parser.add_argument("--cgroup-root", type=Path, default=Path("/sys/fs/cgroup"))
    parser.add_argument("--proc-root", type=Path, default=Path("/proc"))
    parser.add_argument("--tick-seconds", type=float, default=0.1)
    parser.add_argument("--gpus", type=int, default=0, help="GPUs of each node (0)")
    parser.add_argument("--gpu-idle-watts", type=float, default=GpuModel.idle_w)
    parser.add_argument("--gpu-busy-watts", type=float, default=GpuModel.busy_w)
    return parser.parse_args(arguments)


def reader(options: argparse.Namespace, nodes: Mapping[str, Path]) -> JobCpu:
    """Choose how jobs are read: control groups where root has them, processes otherwise."""
    cgroups = os.geteuid() == 0 and (options.cgroup_root / "cpuacct").is_dir()
    if options.source == "cgroup" or (options.source == "auto" and cgroups):
        return CgroupJobCpu(options.cgroup_root, nodes)
    return ProcJobCpu(options.proc_root, nodes)


def node_roots(options: argparse.Namespace) -> Iterator[tuple[str, Path]]:
    """Read the NAME=DIR pairs."""
    for pair in options.node:
        name, separator, directory = pair.partition("=")
        if not (name and separator and directory):
            raise SystemExit(f"--node wants NAME=DIR, not {pair!r}")
        yield name, Path(directory)


def main(arguments: list[str] | None = None) -> None:
    """Run until SIGTERM or SIGINT; "ready" on standard output says that every tree is there."""
    options = parse(arguments)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    nodes = dict(node_roots(options))
    plant = Plant(nodes, reader(options, nodes), options)
    plant.tick(0)
    with suppress(BrokenPipeError):
        print("ready", flush=True)
    plant.run(stopped, options.tick_seconds)


if __name__ == "__main__":
    main()
