"""A node of the lab: a fake host tree, the production agent on it, and a clock that moves when told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lab.hosttree import HostTree
from vispa_green.agent import assembly
from vispa_green.agent.loop import Agent
from vispa_green.agent.watch import BindingSource
from vispa_green.config import Config, parse
from vispa_green.ledgers import open_ledger
from vispa_green.model import Instant, Ledger
from vispa_green.session import Session

EPOCH = datetime(2026, 6, 21, 12, 0, tzinfo=UTC)


def configuration(tree: HostTree, directory: Path, **sections: dict[str, object]) -> Config:
    """Return a configuration for the tree, with spool and ledger in ``directory``."""
    content: dict[str, dict[str, object]] = {
        "host": {
            "name": tree.node,
            "sysfs_root": str(tree.sysfs_root),
            "procfs_root": str(tree.procfs_root),
            "cgroup_root": str(tree.cgroup_root),
        },
        "agent": {"spool_dir": str(directory / "spool")},
        "ledger": {"url": f"sqlite://{directory / 'ledger.sqlite'}"},
        "meters": {"enabled": ["rapl"]},
        "attribution": {"idle_policy": "idle"},
    }
    for name, section in sections.items():
        content[name] = {**content.get(name, {}), **section}
    return parse(content, "the lab's configuration")


class LabNode:
    """One node; ``tree`` is its hardware, ``pass_time`` its clock."""

    def __init__(self, tree: HostTree, config: Config, bindings: Sequence[BindingSource] = ()) -> None:
        self.tree, self.config = tree, config
        self.at = Instant(EPOCH, 1_000_000_000_000)
        self._bindings = list(bindings)
        self.agent = self._start()

    def pass_time(self, seconds: float, *, wall_step_s: float = 0.0) -> Instant:
        """Let time go by on both clocks; ``wall_step_s`` is what somebody set the wall clock by meanwhile."""
        self.at = Instant(
            self.at.utc + timedelta(seconds=seconds + wall_step_s), self.at.monotonic_ns + round(seconds * 1e9)
        )
        return self.at

    def work(
        self, seconds: float, joules: dict[str, float], jobs_cpu_s: dict[int, float], system_s: float = 0
    ) -> None:
        """Let the node work: energy on its devices, CPU time by job and by the system, the rest unused."""
        for device, energy in joules.items():
            self.tree.add_energy(device, round(energy * 1e6))
        for job_id, cpu_s in jobs_cpu_s.items():
            self.tree.burn(job_id, round(cpu_s * 1e9))
        busy_s = sum(jobs_cpu_s.values()) + system_s
        self.tree.add_cpu(round(busy_s * 1e9), round((8 * seconds - busy_s) * 1e9))
        self.pass_time(seconds)

    def restart(self) -> None:
        """Stop the agent without a last word, as kill -9 does, and start another."""
        self.agent.close()
        self.agent = self._start()

    def ledger(self) -> Ledger:
        """Open the ledger the agent delivers to."""
        return open_ledger(self.config.ledger.url)

    def _start(self) -> Agent:
        return assembly.assemble(Session(self.config, self.at), self._bindings)
