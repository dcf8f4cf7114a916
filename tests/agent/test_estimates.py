"""Where no counter can be read the energy is a declared estimate, and every row says so."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from lab.hosttree import HostTree
from lab.node import EPOCH, LabNode, configuration
from lab.privilege import file_permissions_hold

from vispa_green.agent.sampling import find_meters
from vispa_green.config import Config
from vispa_green.errors import ConfigError
from vispa_green.host import Host
from vispa_green.model import Component, Instant, Quality, Selection


def test_without_counters_every_posting_is_estimated(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tree = HostTree(tmp_path / "host", packages=0, dram=False)
    meters: dict[str, object] = {"enabled": ["rapl", "estimate"], "estimate": {"idle_watts": 40, "watts_per_core": 5}}
    with caplog.at_level(logging.INFO):
        node = LabNode(tree, configuration(tree, tmp_path, meters=meters))
    assert "energy is estimated" in caplog.text
    tree.start_job(1, 0, "0-3")
    node.agent.read(node.at)
    node.work(10, {}, {1: 30.0})
    node.agent.read(node.at)
    node.agent.deliver(node.at)
    ledger = node.ledger()
    [row] = ledger.energy.balance()
    assert (row.measured_uj, row.difference_uj) == (40 * 10_000_000 + 5 * 30_000_000, 0)
    assert {posting.quality for posting in ledger.energy.postings(Selection())} == {Quality.ESTIMATED}


def test_with_counters_nothing_is_estimated(tmp_path: Path) -> None:
    tree = HostTree(tmp_path / "host")
    node = LabNode(tree, configuration(tree, tmp_path, meters={"enabled": ["rapl", "estimate"]}))
    tree.start_job(1, 0, "0-3")
    node.agent.read(node.at)
    node.work(10, {"package-0": 100.0}, {1: 30.0})
    node.agent.read(node.at)
    node.agent.deliver(node.at)
    assert {posting.quality for posting in node.ledger().energy.postings(Selection())} == {Quality.MEASURED}


def test_without_any_meter_the_agent_says_what_to_do(tmp_path: Path) -> None:
    tree = HostTree(tmp_path / "host", packages=0, dram=False)
    with pytest.raises(ConfigError, match="none of the enabled meters"):
        LabNode(tree, configuration(tree, tmp_path))


def test_counters_that_only_root_may_read_are_estimated_for_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tree = HostTree(tmp_path / "host")
    for zone in tree.sysfs_root.rglob("energy_uj"):
        zone.chmod(0)
    host = Host("n1", tree.sysfs_root, tree.procfs_root, tree.cgroup_root)
    caplog.set_level(logging.INFO)
    with file_permissions_hold():
        meters = find_meters(host, Config(), Instant(EPOCH, 0))
    assert [(meter.component, meter.quality) for meter in meters] == [(Component.CPU, Quality.ESTIMATED)]
    assert "cannot be read: cpu energy is estimated" in caplog.text
