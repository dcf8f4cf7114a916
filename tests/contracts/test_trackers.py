"""Laws of every tracker: each finds the jobs of its own layout, on its own node, with their CPU time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lab.hosttree import HostTree, Layout

from tests.contracts.nodes import ENVIRON, host_of, with_control_groups
from tests.contracts.standing_in import StandIn, stand_in_of
from vispa_green.agent.changes import Changes
from vispa_green.host import now
from vispa_green.model import Tracker
from vispa_green.trackers import TRACKERS
from vispa_green.trackers._spent import Spent


def found(tracker: Tracker) -> dict[str, int]:
    present = set(tracker.present())
    usage = dict(tracker.usage())
    assert present <= set(usage)
    return usage


@pytest.fixture(params=TRACKERS.names())
def name(request: pytest.FixtureRequest) -> str:
    variant: str = request.param
    return variant


@pytest.fixture
def busy(name: str, tmp_path: Path) -> Iterator[StandIn]:
    with stand_in_of(name).healthy(tmp_path) as there:
        yield there


def test_a_job_is_found_with_its_cpu_time_and_gpus(name: str, busy: StandIn) -> None:
    tracker = TRACKERS.make(name, busy.host, {name: busy.table})
    assert found(tracker) == {"42": 2_500_000_000}
    assert tracker.binding("42").gpus == (1, 3)


def test_another_nodes_jobs_are_not_ours(name: str, busy: StandIn) -> None:
    assert busy.host is not None
    assert TRACKERS.make(name, replace(busy.host, name="n2"), {name: busy.table}).present() == set()


def test_a_bare_host_has_no_jobs(name: str, tmp_path: Path) -> None:
    there = stand_in_of(name).absent(tmp_path)
    tracker = TRACKERS.make(name, there.host, {name: there.table})
    assert found(tracker) == {}
    assert tracker.binding("42").gpus is None


VERSIONS: tuple[Literal["v1", "v2"], ...] = ("v1", "v2")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_slurmd_that_is_alone_on_its_host_leaves_the_node_out_of_the_path(
    version: Literal["v1", "v2"], tmp_path: Path
) -> None:
    tree = with_control_groups(tmp_path, version, Layout(single_slurmd=True))
    assert set(TRACKERS.make(f"cgroup_{version}", host_of(tree), {}).present()) == {"42"}


@pytest.mark.parametrize("version", VERSIONS)
def test_allocated_cpus_are_those_of_the_cpuset(version: Literal["v1", "v2"], tmp_path: Path) -> None:
    tracker = TRACKERS.make(f"cgroup_{version}", host_of(with_control_groups(tmp_path, version)), {})
    tracker.present()
    assert tracker.binding("42").allocated_cpus == 5


def test_a_directory_named_by_sluid_is_resolved_by_a_process_in_it(tmp_path: Path) -> None:
    tree = HostTree(tmp_path, cgroup="v2")
    tree.start_job(42, 1001, "0-3", sluid="s8FXKTA79XAR00")
    tree.burn(42, 1_000_000_000)
    tree.set_process(900, ENVIRON, job_id=42)
    assert found(TRACKERS.make("cgroup_v2", host_of(tree), {})) == {"42": 1_000_000_000}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_kernel_tells_of_a_job_in_the_trackers_places(version: Literal["v1", "v2"], tmp_path: Path) -> None:
    tree = with_control_groups(tmp_path, version)
    tracker = TRACKERS.make(f"cgroup_{version}", host_of(tree), {})
    changes = Changes()

    def is_told() -> bool:
        begun = now()
        changes.wait(20, tracker.places())
        return now().monotonic_ns - begun.monotonic_ns < 10_000_000_000

    tracker.present()
    assert is_told()  # these places were not followed before
    for job_id, uid in ((43, 1001), (44, 1002)):
        tree.start_job(job_id, uid, "0-3")
        assert is_told()
        tracker.present()
        changes.wait(0, tracker.places())
    for job_id in (43, 44, 42):
        tree.end_job(job_id)
        assert is_told()
        tracker.present()
        changes.wait(0, tracker.places())


@pytest.mark.parametrize("version", VERSIONS)
def test_what_a_job_used_after_its_last_reading_is_told_by_the_directory_above(
    version: Literal["v1", "v2"], tmp_path: Path
) -> None:
    tree = with_control_groups(tmp_path, version)
    tree.start_job(43, 1001, "4-5")
    tracker = TRACKERS.make(f"cgroup_{version}", host_of(tree), {})
    assert found(tracker) == {"42": 2_500_000_000, "43": 0}
    tree.burn(42, 1_000_000_000)
    tree.burn(43, 400_000_000)
    tree.end_job(42)
    assert set(tracker.present()) == {"43"}
    assert tracker.usage() == {"42": 3_500_000_000, "43": 400_000_000}
    assert tracker.usage() == {"43": 400_000_000}


@given(
    first=st.dictionaries(st.sampled_from("abcd"), st.integers(0, 10**12)),
    used=st.dictionaries(st.sampled_from("abcd"), st.integers(0, 10**12)),
    ended=st.sets(st.sampled_from("abcd")),
    total_ns=st.integers(0, 10**12),
)
def test_ended_jobs_share_what_nobody_else_used_and_no_more(
    first: dict[str, int], used: dict[str, int], ended: set[str], total_ns: int
) -> None:
    spent = Spent(lambda _: None)
    spent.after(total_ns, first, first)
    later = {job: ns + used.get(job, 0) for job, ns in first.items()}
    present = {job: ns for job, ns in later.items() if job not in ended}
    usage = spent.after(total_ns + sum(later.values()) - sum(first.values()), present, present)
    assert {job: usage[job] for job in present} == present
    assert sum(usage.values()) == sum(later.values()) if set(first) & ended else usage == present


@pytest.fixture
def processes(tmp_path: Path) -> tuple[HostTree, Callable[[], int]]:
    tree = HostTree(tmp_path)
    tracker = TRACKERS.make("process_environ", host_of(tree), {})
    return tree, lambda: found(tracker).get("42", 0)


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
