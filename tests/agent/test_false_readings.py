"""Whatever a node's files show, the agent lives, its account balances, and no energy is made up."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lab.hosttree import HostTree, Layout
from lab.node import LabNode, configuration

from vispa_green.model import JobStay, NodeInterval, Quality, Selection

ZONE = "class/powercap/intel-rapl:0"


def node_in(directory: Path, **layout: int) -> LabNode:
    tree = HostTree(directory / "host", packages=1, dram=False, layout=Layout(**layout))  # type: ignore[arg-type]
    node = LabNode(tree, configuration(tree, directory))
    tree.start_job(1, 1000, "0-3")
    node.agent.read(node.at)
    return node


def live(node: LabNode, intervals: int) -> None:
    """Use 100 J in each ten seconds, and read."""
    for _ in range(intervals):
        node.work(10, {"package-0": 100}, {1: 20})
        node.agent.read(node.at)


def measured(node: LabNode) -> int:
    node.agent.deliver(node.pass_time(10))
    rows = node.ledger().energy.balance()
    assert [row.difference_uj for row in rows] == [0] * len(rows)
    return sum(row.measured_uj for row in rows)


def stays(node: LabNode) -> list[JobStay]:
    return [stay for job in node.ledger().energy.jobs(Selection()) for stay in job.stays]


def waiting(node: LabNode) -> list[NodeInterval]:
    return [item.interval for item in node.agent._spool.waiting(1000)]


def show(name: str, text: str) -> Callable[[LabNode], None]:
    def write(node: LabNode) -> None:
        (node.tree.sysfs_root / ZONE / name).write_text(text)

    return write


FALSE = {
    "garbage above its range": show("energy_uj", "262143328851\n"),
    "all bits set": show("energy_uj", f"{2**64 - 1}\n"),
    "text": show("energy_uj", "energy\n"),
    "nothing": show("energy_uj", ""),
    "zero": show("energy_uj", "0\n"),
    "a jump": show("energy_uj", "150000000000\n"),
}


@pytest.mark.parametrize("false", FALSE.values(), ids=FALSE.keys())
def test_one_false_reading_loses_nothing(false: Callable[[LabNode], None], tmp_path: Path) -> None:
    node = node_in(tmp_path)
    live(node, 2)
    node.work(10, {"package-0": 100}, {1: 20})
    false(node)
    node.agent.read(node.at)
    live(node, 1)
    [*_, gap, _] = waiting(node)
    assert [(e.quality, e.measured_uj) for e in gap.entries] == [(Quality.GAP, None)]
    assert gap.entries[0].reason
    assert measured(node) == 400_000_000


@pytest.mark.parametrize("range_uj", ["0", "1", "", "x", "262143328850"])
def test_a_counter_that_is_set_anew_costs_one_interval(range_uj: str, tmp_path: Path) -> None:
    node = node_in(tmp_path)
    show("max_energy_range_uj", f"{range_uj}\n")(node)
    node.restart()
    node.agent.read(node.pass_time(1))
    live(node, 3)
    node.work(10, {"package-0": 100}, {1: 20})
    node.tree.set_counter("package-0", 40_000_000)
    node.agent.read(node.at)
    live(node, 2)
    qualities = [interval.entries[0].quality for interval in waiting(node)][-6:]
    assert qualities == [Quality.MEASURED] * 3 + [Quality.GAP] + [Quality.MEASURED] * 2
    assert measured(node) == 500_000_000


def test_a_restart_after_a_false_reading_goes_on(tmp_path: Path) -> None:
    node = node_in(tmp_path)
    live(node, 2)
    show("energy_uj", "262143328851\n")(node)
    node.agent.read(node.pass_time(10))
    for _ in range(3):
        node.restart()
        node.agent.read(node.pass_time(1))
    live(node, 2)
    assert measured(node) == 400_000_000


TEXTS = st.one_of(
    st.integers(-5, 2**65).map(str),
    st.integers(0, 300_000_000).map(str),
    st.text(max_size=8),
    st.sampled_from(["cpu  1 2", "cpu  x", "usage_usec", "usage_usec 5\n", "", "\0"]),
)
FILES = st.sampled_from(
    [
        f"sys/{ZONE}/energy_uj",
        "proc/stat",
        "cgroup/cpuacct/slurm_n1/uid_1000/job_1/cpuacct.usage",
        "cgroup/cpuacct/slurm_n1/cpuacct.usage",
        "cgroup/cpuset/slurm_n1/uid_1000/job_1/cpuset.cpus",
    ]
)
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("show"), FILES, TEXTS),
        st.tuples(st.sampled_from(["live", "look", "kill", "set anew"]), st.just(""), st.just("")),
    ),
    max_size=12,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(events=EVENTS)
def test_no_content_of_its_files_stops_the_agent_or_makes_energy(events: list[tuple[str, str, str]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        node = node_in(Path(name), max_power_w=20)
        began_ns = node.at.monotonic_ns
        for kind, path, text in events:
            if kind == "show":
                (node.tree.root / path).write_text(text, errors="replace")
            elif kind == "live":
                live(node, 1)
            elif kind == "look":
                node.agent.look(node.pass_time(0.25))
            elif kind == "kill":
                node.restart()
            else:
                node.tree.set_counter("package-0", 7)
        live(node, 3)
        assert waiting(node)[-1].entries[0].quality is Quality.MEASURED
        elapsed_s = (node.at.monotonic_ns - began_ns) / 1e9
        readings = len(waiting(node)) + 1
        assert measured(node) <= 41 * (elapsed_s + 0.5 * readings) * 1e6
        for stay in stays(node):
            assert stay.cpu_ns <= 8 * (elapsed_s + 0.5 * readings) * 1e9


def test_a_forbidden_counter_is_said_once_and_its_time_is_a_gap(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    node = node_in(tmp_path)
    with caplog.at_level(logging.INFO):
        show("energy_uj", "not for you\n")(node)
        for _ in range(3):
            node.agent.read(node.pass_time(10))
        live(node, 1)
    assert [record.levelname for record in caplog.records if "intel-rapl:0" in record.message] == ["WARNING", "INFO"]
    assert "no energy is recorded of it" in caplog.text


@pytest.mark.parametrize("step_s", [3600.0, -3600.0])
def test_a_set_clock_is_said_and_costs_nothing(step_s: float, tmp_path: Path) -> None:
    node = node_in(tmp_path)
    live(node, 1)
    node.work(10, {"package-0": 100}, {1: 20})
    node.pass_time(0, wall_step_s=step_s)
    node.agent.read(node.at)
    live(node, 1)
    before, stepped, after = waiting(node)
    assert (before.reason, after.reason) == ("", "")
    assert stepped.reason == f"the clock was set by {step_s:+.0f} s"
    assert {one.duration_us for one in (before, stepped, after)} == {10_000_000}
    assert stepped.end - stepped.start == timedelta(seconds=10)
    assert {one.quality for one in (before, stepped, after)} == {Quality.MEASURED}
    assert measured(node) == 300_000_000


def test_the_end_of_a_long_job_is_not_lost_between_two_readings(tmp_path: Path) -> None:
    node = node_in(tmp_path)
    live(node, 3)
    for _ in range(16):  # four seconds after a reading, looked at but not read
        node.work(0.25, {"package-0": 10}, {1: 0.5})
        node.agent.look(node.at)
    node.tree.end_job(1)
    node.agent.look(node.pass_time(0.25))
    node.agent.read(node.pass_time(5))
    measured(node)
    [seen] = stays(node)
    assert seen.cpu_ns == node.tree.truth.job_cpu_ns[1] == 68_000_000_000
