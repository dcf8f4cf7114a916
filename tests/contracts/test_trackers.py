"""Laws of every tracker: each finds the jobs of its own layout, on its own node, with their CPU time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from lab.hosttree import HostTree, Layout

from vispa_green.host import Host
from vispa_green.trackers import TRACKERS

ENVIRON = {"SLURM_JOB_ID": "42", "SLURMD_NODENAME": "n1", "SLURM_JOB_GPUS": "1,3"}


def tree_for(name: str, directory: Path, layout: Layout | None = None) -> HostTree:
    tree = HostTree(directory, cgroup="v2" if name == "cgroup_v2" else "v1", layout=layout)
    if name != "process_environ":
        tree.start_job(42, 1001, "0-3,6")
        tree.burn(42, 2_500_000_000)
        tree.set_process(900, ENVIRON, job_id=42, uid=1001)
    else:
        tree.set_process(900, ENVIRON, uid=1001, cpu_ns=2_500_000_000)
    return tree


def host_of(tree: HostTree, name: str = "n1") -> Host:
    return Host(name, tree.sysfs_root, tree.procfs_root, tree.cgroup_root)


@pytest.mark.parametrize("name", TRACKERS.names())
def test_a_job_is_found_with_its_cpu_time_and_gpus(name: str, tmp_path: Path) -> None:
    tracker = TRACKERS.load(name)(host_of(tree_for(name, tmp_path)))
    assert tracker.jobs() == {"42": 2_500_000_000}
    assert tracker.binding("42").gpus == (1, 3)


@pytest.mark.parametrize("name", TRACKERS.names())
def test_another_nodes_jobs_are_not_ours(name: str, tmp_path: Path) -> None:
    assert TRACKERS.load(name)(host_of(tree_for(name, tmp_path), "n2")).jobs() == {}


@pytest.mark.parametrize("name", TRACKERS.names())
def test_a_bare_host_has_no_jobs(name: str, tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    tracker = TRACKERS.load(name)(Host("n1", tmp_path / "sys", tmp_path / "proc", tmp_path / "cgroup"))
    assert tracker.jobs() == {}
    assert tracker.binding("42").gpus is None


@pytest.mark.parametrize("name", ["cgroup_v1", "cgroup_v2"])
def test_a_slurmd_that_is_alone_on_its_host_leaves_the_node_out_of_the_path(name: str, tmp_path: Path) -> None:
    tree = tree_for(name, tmp_path, Layout(single_slurmd=True))
    assert set(TRACKERS.load(name)(host_of(tree)).jobs()) == {"42"}


@pytest.mark.parametrize("name", ["cgroup_v1", "cgroup_v2"])
def test_allocated_cpus_are_those_of_the_cpuset(name: str, tmp_path: Path) -> None:
    tracker = TRACKERS.load(name)(host_of(tree_for(name, tmp_path)))
    tracker.jobs()
    assert tracker.binding("42").allocated_cpus == 5


def test_a_directory_named_by_sluid_is_resolved_by_a_process_in_it(tmp_path: Path) -> None:
    tree = HostTree(tmp_path, cgroup="v2")
    tree.start_job(42, 1001, "0-3", sluid="s8FXKTA79XAR00")
    tree.burn(42, 1_000_000_000)
    tree.set_process(900, ENVIRON, job_id=42)
    assert TRACKERS.load("cgroup_v2")(host_of(tree)).jobs() == {"42": 1_000_000_000}


@pytest.fixture
def processes(tmp_path: Path) -> tuple[HostTree, Callable[[], int]]:
    tree = HostTree(tmp_path)
    tracker = TRACKERS.load("process_environ")(host_of(tree))
    return tree, lambda: tracker.jobs().get("42", 0)


def test_the_time_of_a_child_is_kept_when_a_stranger_reaps_it(processes: tuple[HostTree, Callable[[], int]]) -> None:
    tree, cpu_ns = processes
    tree.set_process(900, ENVIRON, cpu_ns=1_000_000_000)
    tree.set_process(901, ENVIRON, ppid=1, cpu_ns=500_000_000)
    assert cpu_ns() == 1_500_000_000
    tree.remove_process(901)
    assert cpu_ns() == 1_500_000_000


def test_a_fork_that_becomes_a_job_is_noticed(processes: tuple[HostTree, Callable[[], int]]) -> None:
    tree, cpu_ns = processes
    tree.set_process(900, {"PATH": "/bin"}, cpu_ns=1_000_000_000)
    assert cpu_ns() == 0
    tree.set_process(900, ENVIRON, cpu_ns=1_000_000_000)
    assert cpu_ns() == 1_000_000_000
