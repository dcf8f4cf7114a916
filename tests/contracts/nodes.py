"""Nodes for the stand-ins of meters and trackers: files under other roots, and roots with nothing below."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from lab.hosttree import HostTree, Layout

from tests.contracts.standing_in import StandIn
from vispa_green.host import Host

ENVIRON = {"SLURM_JOB_ID": "42", "SLURMD_NODENAME": "n1", "SLURM_JOB_GPUS": "1,3"}


def host_of(tree: HostTree, name: str = "n1") -> Host:
    """Return the host whose kernel shows itself in a tree."""
    return Host(name, tree.sysfs_root, tree.procfs_root, tree.cgroup_root)


def bare(directory: Path) -> StandIn:
    """Return a node without any file."""
    (directory / "proc").mkdir(exist_ok=True)
    return StandIn(Host("n1", directory / "sys", directory / "proc", directory / "cgroup"))


@contextmanager
def working(directory: Path) -> Iterator[StandIn]:
    """Yield a node whose counters move when told."""
    tree = HostTree(directory, first_uj=1000)

    def work() -> None:
        tree.add_energy("package-0", 10)
        tree.add_cpu(1_000_000_000, 1_000_000_000)

    yield StandIn(host_of(tree), work=work)


def with_control_groups(directory: Path, version: Literal["v1", "v2"], layout: Layout | None = None) -> HostTree:
    """Return a node on which Slurm has put job 42 into control groups."""
    tree = HostTree(directory, cgroup=version, layout=layout)
    tree.start_job(42, 1001, "0-3,6")
    tree.burn(42, 2_500_000_000)
    tree.set_process(900, ENVIRON, job_id=42, uid=1001)
    return tree


def with_processes(directory: Path) -> HostTree:
    """Return a node on which nothing but a process tells of job 42."""
    tree = HostTree(directory)
    tree.set_process(900, ENVIRON, uid=1001, cpu_ns=2_500_000_000)
    return tree
