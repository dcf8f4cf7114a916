"""The production agent on hardware whose true energy is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from lab.hosttree import HostTree, Layout
from lab.node import LabNode, configuration

from vispa_green.model import Component, JobStay, Quality, Selection

BOTH = {"package-0": 600.0, "package-1": 400.0, "dram-0": 50.0, "dram-1": 30.0}


@pytest.fixture(params=["v1", "v2"])
def make_node(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., LabNode]:
    def make(
        range_uj: int = 262_143_328_850,
        dram_range_uj: int = 65_712_999_613,
        max_power_w: int = 100,
        **sections: dict[str, object],
    ) -> LabNode:
        tree = HostTree(
            tmp_path / "host",
            cgroup=request.param,
            max_energy_range_uj=range_uj,
            dram_range_uj=dram_range_uj,
            layout=Layout(max_power_w=max_power_w),
        )
        return LabNode(tree, configuration(tree, tmp_path, **sections))

    return make


def energies(node: LabNode) -> dict[str, int]:
    """Return the busy CPU energy of each job, in µJ."""
    found: dict[str, int] = {}
    for posting in node.ledger().energy.postings(Selection()):
        if posting.component is Component.CPU:
            found[posting.key.job_id] = found.get(posting.key.job_id, 0) + posting.busy_uj
    return found


def totals(node: LabNode) -> dict[Component, tuple[int, int, int, int]]:
    rows = node.ledger().energy.balance()
    assert [row.difference_uj for row in rows] == [0] * len(rows)
    return {row.component: (row.measured_uj, row.jobs_uj, row.idle_uj, row.system_uj) for row in rows}


def stays(node: LabNode) -> tuple[JobStay, ...]:
    [account] = node.ledger().energy.jobs(Selection())
    return account.stays


def test_measured_is_the_truth_to_the_microjoule_also_over_a_wrap(make_node: Callable[..., LabNode]) -> None:
    node = make_node(range_uj=1_500_000_000, dram_range_uj=3_500_000_000, max_power_w=65)
    node.agent.read(node.at)
    for job_id in (11, 12, 13):
        node.tree.start_job(job_id, 1000 + job_id, "0-1")
    for _ in range(7):  # package-0 wraps at 1500 J: in the middle
        node.work(10, BOTH, {11: 20.0, 12: 12.0, 13: 8.0}, system_s=5)
        node.agent.read(node.at)
    node.agent.deliver(node.at)
    truth = node.tree.truth.energy_uj
    assert totals(node)[Component.CPU][0] == truth["package-0"] + truth["package-1"]
    assert totals(node)[Component.DRAM][0] == truth["dram-0"] + truth["dram-1"]


def test_half_of_the_busy_cpu_time_gets_half_of_the_busy_energy(make_node: Callable[..., LabNode]) -> None:
    node = make_node()
    node.agent.read(node.at)
    for job_id in (11, 12, 13):
        node.tree.start_job(job_id, 1000, "0-1")
    for _ in range(3):
        node.work(10, BOTH, {11: 20.0, 12: 12.0, 13: 8.0})
        node.agent.read(node.at)
    node.agent.deliver(node.at)
    measured, jobs, idle, system = totals(node)[Component.CPU]
    assert energies(node)["11"] == pytest.approx((measured - idle) / 2, abs=10)
    assert energies(node)["12"] == pytest.approx((measured - idle) * 0.3, abs=10)
    assert (jobs, system) == (measured - idle, 0)


def test_a_job_between_two_readings_is_not_lost(make_node: Callable[..., LabNode]) -> None:
    node = make_node()
    node.agent.read(node.at)
    node.work(4, {"package-0": 100}, {})
    node.agent.look(node.at)
    node.tree.start_job(7, 1000, "0-3")
    for _ in range(8):  # two seconds, looked at four times a second
        node.work(0.25, {"package-0": 50}, {7: 0.5})
        node.agent.look(node.at)
    node.tree.end_job(7)
    node.work(0.25, {"package-0": 5}, {})
    node.agent.look(node.at)
    node.work(4, {"package-0": 100}, {})
    node.agent.read(node.at)
    node.agent.deliver(node.at)
    [seen] = stays(node)
    assert seen.cpu_ns == 4_000_000_000
    # 0.5 of 2 CPU-seconds each time; but the first quarter second, before it was seen, is of a quiet interval.
    assert 7 * 50e6 / 4 < energies(node)["7"] < 8 * 50e6 / 4
    assert totals(node)[Component.CPU][0] == node.tree.truth.node_uj


def test_a_failed_read_is_a_gap_and_its_energy_comes_later(make_node: Callable[..., LabNode]) -> None:
    node = make_node()
    node.tree.start_job(1, 0, "0-7")
    node.agent.read(node.at)
    node.work(10, {"package-0": 100}, {1: 40})
    zone = node.tree.sysfs_root / "class/powercap/intel-rapl:0/energy_uj"
    hidden = zone.rename(zone.with_name("hidden"))
    node.agent.read(node.at)
    hidden.rename(zone)
    node.work(10, {"package-0": 100}, {1: 40})
    node.agent.read(node.at)
    node.work(10, {"package-0": 100}, {1: 40})
    node.agent.read(node.at)
    node.agent.deliver(node.at)
    measured, jobs, _, system = totals(node)[Component.CPU]
    assert measured == 300_000_000
    assert system == 200_000_000  # the two intervals that the failed reading touches: nobody knows whose
    assert jobs == 50_000_000


def test_a_killed_agent_marks_the_time_it_was_away(make_node: Callable[..., LabNode]) -> None:
    node = make_node()
    node.tree.start_job(1, 0, "0-7")
    node.agent.read(node.at)
    node.work(10, BOTH, {1: 40})
    node.agent.read(node.at)
    node.work(5, BOTH, {1: 20})
    node.restart()
    node.agent.read(node.at)
    node.work(10, BOTH, {1: 40})
    node.agent.read(node.at)
    node.agent.deliver(node.at)
    postings = [p for p in node.ledger().energy.postings(Selection()) if p.component is Component.CPU]
    gaps = [(p.end - p.start).total_seconds() for p in postings if p.quality is Quality.GAP]
    assert gaps == [5.0, 5.0]  # one for each package
    assert (
        totals(node)[Component.CPU][0]
        == node.tree.truth.energy_uj["package-0"] + node.tree.truth.energy_uj["package-1"]
    )
    [seen] = stays(node)
    assert (seen.present_us, seen.unwatched_us) == (20_000_000, 5_000_000)  # watched for 20 s of the 25


def test_after_a_reboot_nothing_is_claimed(make_node: Callable[..., LabNode]) -> None:
    node = make_node()
    node.agent.read(node.at)
    node.work(10, BOTH, {})
    node.agent.read(node.at)
    node.work(10, BOTH, {})
    node.tree.reboot("another-boot", 1_750_000_100)
    node.work(30, BOTH, {})
    node.restart()
    node.agent.read(node.at)
    node.work(10, BOTH, {})
    node.agent.read(node.at)
    node.agent.deliver(node.at)
    assert totals(node)[Component.CPU][0] == 2_000_000_000  # what lies before and after, not between


def test_a_counter_unread_for_too_long_is_not_guessed(make_node: Callable[..., LabNode]) -> None:
    node = make_node()
    node.agent.read(node.at)
    node.work(3600, BOTH, {})  # 262 kJ may be used in less than five minutes
    node.agent.read(node.at)
    node.agent.deliver(node.at)
    assert totals(node) == {}


def test_a_set_clock_changes_no_duration(make_node: Callable[..., LabNode]) -> None:
    node = make_node()
    node.tree.start_job(1, 0, "0-7")
    node.agent.read(node.at)
    for step_s in (-7200.0, 86400.0, 0.0):
        node.work(10, BOTH, {1: 40})
        node.pass_time(0, wall_step_s=step_s)
        node.agent.read(node.at)
    node.agent.deliver(node.at)
    for posting in node.ledger().energy.postings(Selection()):
        assert (posting.end - posting.start).total_seconds() == pytest.approx(10)
    [seen] = stays(node)
    assert (seen.present_us, seen.metered_us, seen.unwatched_us) == (30_000_000, 30_000_000, 0)


def test_a_full_disk_loses_detail_but_no_energy(make_node: Callable[..., LabNode]) -> None:
    node = make_node()
    node.tree.start_job(1, 0, "0-7")
    node.agent.read(node.at)
    for number in range(400):  # so many that their interval fills pages
        node.tree.start_job(100_000 + number, 0, "0-1")
    node.agent._spool._db.execute("PRAGMA max_page_count = 1")  # the file may not grow: as on a full disk
    for _ in range(3):
        node.work(10, BOTH, {1: 40})
        node.agent.read(node.at)
    assert node.agent._spool.backlog() == 0
    node.agent._spool._db.execute("PRAGMA max_page_count = 1000000")
    node.work(10, BOTH, {1: 40})
    node.agent.read(node.at)
    node.agent.deliver(node.at)
    truth = node.tree.truth.energy_uj
    assert totals(node)[Component.CPU][0] == truth["package-0"] + truth["package-1"]
