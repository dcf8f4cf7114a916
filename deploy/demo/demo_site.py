"""Everything the tour needs around the product: a cluster, its stand-in hardware, a grid service, agents."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from lab import nvml
from lab.cluster import Cluster, ClusterSpec
from lab.processes import LabError, wait_until

PROGRAMS = Path(sys.executable).parent
STEP_S = 1
"""How long a quarter-hour of the recorded day lasts in the tour."""
DAY_BEGINS_AT = timedelta(hours=7, minutes=15)
"""Where in the recorded day the tour starts: the sun is up, the green noon still ahead."""
CPUS, GPUS = 8, 2


@dataclass(frozen=True, slots=True)
class Node:
    """One virtual node, the files of its stand-in hardware and its agent's configuration."""

    name: str
    tree: Path
    config: Path


class DemoSite:
    """Started and stopped as one; what fails to start is named, and nothing stays behind."""

    def __init__(self, directory: Path, log: Path, users: Sequence[str] = ()) -> None:
        self._directory, self._log = directory, log
        self._exit = ExitStack()
        self.cluster = Cluster(ClusterSpec(directory / "slurm", cpus=CPUS, gpus=GPUS, users=tuple(users)))
        self.nodes = tuple(
            Node(name, directory / name, directory / f"{name}.toml") for name in self.cluster.node_names
        )
        self.ledger = directory / "ledger.sqlite"
        self.grid_origin = ""
        self._grid_url = ""
        self._agents: list[subprocess.Popen[str]] = []

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a user of this cluster: Slurm's, and the configuration of vispa-green."""
        path = f"{PROGRAMS}:{self.cluster.environment.get('PATH', os.environ['PATH'])}"
        return {
            **os.environ,
            **self.cluster.environment,
            "PATH": path,
            "VISPA_GREEN_CONFIG": str(self.nodes[0].config),
            "VISPA_GREEN_STATE": str(self._directory / "state"),
        }

    def __enter__(self) -> Self:
        try:
            self._exit.enter_context(self.cluster)
            self._start_plant()
            self._grid_url = self._start_grid()
            self._start_agents(f'[cluster]\nname = "demo"\n[ledger]\nurl = "sqlite://{self.ledger}"', "spool")
        except BaseException:
            self._exit.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit.close()

    @property
    def grid_tables(self) -> str:
        """The configuration of the grid's service."""
        return f"""[grid]
providers = ["energy_charts"]
refresh_s = {STEP_S}
[grid.energy_charts]
base_url = "{self._grid_url}"
"""

    def agents_deliver_to(self, tables: str) -> None:
        """Start the agents again, with the ledger that these tables of a configuration name."""
        for agent in self._agents:
            _stop(agent)
        self._start_agents(tables, "spool-2")

    def vispa_green(self, *words: str) -> str:
        """Run the command line as the user of the tour; return what it prints."""
        done = subprocess.run(
            ["vispa-green", *words], env=self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise LabError(f"vispa-green {' '.join(words)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def _start_plant(self) -> None:
        trees = [f"--node={node.name}={node.tree}" for node in self.nodes]
        source = "cgroup" if self.cluster.tracking == "cgroup_v1" else "proc"
        options = ["--cpus", str(CPUS), "--gpus", str(GPUS), "--source", source]
        plant = self.spawn("plant", [sys.executable, "-m", "lab.power_plant", *trees, *options])
        self._printed("plant", plant, lines=1)

    def _start_grid(self) -> str:
        now = datetime.now(UTC).replace(microsecond=0)
        midnight = now - DAY_BEGINS_AT / timedelta(minutes=15) * timedelta(seconds=STEP_S)
        options = ["--days", "2", "--start", midnight.isoformat(), "--step-seconds", str(STEP_S)]
        grid = self.spawn("grid", [sys.executable, "-m", "lab.gridserver", *options])
        url, self.grid_origin = self._printed("grid", grid, lines=2)
        return url

    def _start_agents(self, tables: str, spool: str) -> None:
        for node in self.nodes:
            self._configure(node, tables, spool)
        self._agents = [self._start_agent(node) for node in self.nodes]
        for node in self.nodes:
            self._await_agent(node)

    def _configure(self, node: Node, tables: str, spool: str) -> None:
        cgroup = "/sys/fs/cgroup" if self.cluster.tracking == "cgroup_v1" else node.tree / "cgroup"
        node.config.write_text(
            f"""# One node of the tour: its hardware is a stand-in, all else is as on a real cluster.
{tables}
[host]
name = "{node.name}"
sysfs_root = "{node.tree / "sys"}"
procfs_root = "{node.tree / "proc"}"
cgroup_root = "{cgroup}"
[agent]
interval_s = 1.0
deliver_s = 0.5
spool_dir = "{self._directory / spool}"
{self.grid_tables}
[mail]
domain = "cluster.example"
sender = "vispa-green@cluster.example"
"""
        )

    def _start_agent(self, node: Node) -> subprocess.Popen[str]:
        library = nvml.build(self._directory / "nvml")
        variables = {**self.environment, **nvml.environment(library, node.tree / "nvml.txt")}
        command = [str(PROGRAMS / "vispa-green"), "agent", "run", "--config", str(node.config)]
        return self.spawn(f"agent-{node.name}", command, variables)

    def _await_agent(self, node: Node) -> None:
        """Wait for the first reading: a job that ends before it is nobody's."""
        log = self._log / f"agent-{node.name}.log"
        if not wait_until(lambda: "first reading" in log.read_text(), timeout_s=30):
            raise LabError(f"the agent of {node.name} did not start: see {log}")

    def spawn(
        self, name: str, command: Sequence[str], variables: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Start a process that ends with the site; what it says on stderr is in a log."""
        errors = self._exit.enter_context((self._log / f"{name}.log").open("w"))
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), **(variables or self.environment)}
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True)
        self._exit.callback(_stop, process)
        return process

    def _printed(self, name: str, process: subprocess.Popen[str], *, lines: int) -> list[str]:
        """Return the first lines that a process prints."""
        assert process.stdout is not None
        printed = [process.stdout.readline().strip() for _ in range(lines)]
        if not printed[-1]:
            raise LabError(f"{name} did not start: see {self._log / f'{name}.log'}")
        return printed


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
