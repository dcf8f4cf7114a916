"""From spool to ledger: exactly once, whatever is away meanwhile; one agent to a node."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from lab.hosttree import HostTree
from lab.node import LabNode, configuration

from vispa_green.agent.spool import Spool
from vispa_green.errors import SpoolError
from vispa_green.model import Origin


@pytest.fixture
def node(tmp_path: Path) -> LabNode:
    tree = HostTree(tmp_path / "host")
    return LabNode(tree, configuration(tree, tmp_path))


def read_some(node: LabNode, times: int) -> None:
    for _ in range(times):
        node.work(10, {"package-0": 100.0}, {})
        node.agent.read(node.at)


def test_while_the_ledger_is_away_the_spool_keeps_everything(node: LabNode, tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").mkdir()  # nothing can be opened here
    read_some(node, 4)
    assert node.agent.deliver(node.at) == 0
    (tmp_path / "ledger.sqlite").rmdir()
    read_some(node, 1)
    assert node.agent.deliver(node.at) == 4
    assert (
        node.ledger().energy.balance()[0].measured_uj == node.tree.truth.node_uj - 100_000_000
    )  # the first is the baseline


def test_a_ledger_that_is_locked_for_long_is_asked_again(node: LabNode, tmp_path: Path) -> None:
    read_some(node, 2)
    node.agent.deliver(node.at)
    other = sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    node.agent._ledger._database.execute("PRAGMA busy_timeout = 10")  # type: ignore[union-attr]
    read_some(node, 2)
    assert node.agent.deliver(node.at) == 0
    other.execute("ROLLBACK")
    other.close()
    assert node.agent.deliver(node.pass_time(1)) == 0  # not yet: it is left alone for some seconds
    assert node.agent.deliver(node.pass_time(10)) == 2


def test_what_was_committed_but_not_forgotten_is_not_booked_twice(node: LabNode) -> None:
    read_some(node, 3)
    waiting = node.agent._spool.waiting(100)
    node.agent.deliver(node.at)
    before = node.ledger().energy.balance()
    origin = Origin(node.config.cluster.name, node.agent._spool.spool_id)
    assert node.ledger().energy.append(origin, waiting, node.at.utc) == 0
    assert node.ledger().energy.balance() == before


def test_a_second_agent_on_a_node_is_refused(node: LabNode) -> None:
    with pytest.raises(SpoolError, match="another agent holds"):
        Spool(node.config.agent.spool_dir or Path(), "n1")


def test_a_damaged_spool_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "n1.sqlite").write_text("this is no database, and long enough to be looked at as if it were one")
    with pytest.raises(SpoolError, match="move it aside"):
        Spool(tmp_path, "n1")
