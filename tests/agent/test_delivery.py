"""From spool to ledger: exactly once, whatever is away meanwhile; one agent to a node."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest
from lab.hosttree import HostTree
from lab.node import LabNode, configuration

from vispa_green.agent.delivery import Delivery
from vispa_green.agent.spool import Spool
from vispa_green.errors import IntervalRefused, SpoolError
from vispa_green.ledgers import open_ledger
from vispa_green.model import Ledger, Origin, SpooledInterval


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


def test_a_ledger_that_did_not_work_is_left_alone_for_some_seconds(node: LabNode, tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").mkdir()
    read_some(node, 3)
    assert node.agent.deliver(node.at) == 0
    (tmp_path / "ledger.sqlite").rmdir()
    assert node.agent.deliver(node.pass_time(1)) == 0
    assert node.agent.deliver(node.pass_time(10)) == 2


class Refusing:
    """A ledger that keeps what it is given, but for some numbers, which it names or not."""

    def __init__(self, ledger: Ledger, refused: set[int], *, named: bool = True, gaps_too: bool = False) -> None:
        self._ledger, self._refused, self._named, self._gaps_too = ledger, refused, named, gaps_too

    @property
    def energy(self) -> Refusing:
        return self

    def append(self, origin: Origin, intervals: Sequence[SpooledInterval], received: datetime) -> int:
        for item in intervals:
            if item.sequence in self._refused and (item.interval.entries or self._gaps_too):
                raise IntervalRefused(item.sequence if self._named else None, "two entries of one device")
        return self._ledger.energy.append(origin, intervals, received)

    def close(self) -> None:
        self._ledger.close()


def delivery_to(node: LabNode, refused: set[int], *, named: bool = True, gaps_too: bool = False) -> Delivery:
    def opened() -> Ledger:
        ledger = open_ledger(node.config.ledger.url, create=True)
        return Refusing(ledger, refused, named=named, gaps_too=gaps_too)  # type: ignore[return-value]

    return Delivery(node.agent._spool, opened, node.config.cluster.name)


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("restart", [True, False])
def test_a_refused_interval_is_set_aside_and_those_behind_it_go_on(
    node: LabNode, *, named: bool, restart: bool
) -> None:
    read_some(node, 6)
    if restart:  # then the spool is read back, else the intervals are still at hand
        node.restart()
    spool, delivery = node.agent._spool, delivery_to(node, {2, 4}, named=named)
    assert delivery.deliver(node.at) == 5  # two of them as gaps without a figure
    assert (spool.backlog(), spool.quarantined()) == (0, 2)
    assert node.ledger().energy.balance()[0].measured_uj == 300_000_000
    delivery.close()


def test_a_gap_that_is_refused_as_well_is_given_up(node: LabNode) -> None:
    read_some(node, 4)
    delivery = delivery_to(node, {2}, gaps_too=True)
    assert delivery.deliver(node.at) == 2
    assert (node.agent._spool.backlog(), node.agent._spool.quarantined()) == (0, 2)
    delivery.close()


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


def test_intervals_end_at_quarter_hours(node: LabNode) -> None:
    read_some(node, 2)
    node.work(3600, {"package-0": 36_000.0}, {})
    node.agent.read(node.at)
    waiting = [item.interval for item in node.agent._spool.waiting(100)]
    assert [one.duration_us // 1_000_000 for one in waiting] == [10, 880, 900, 900, 900, 20]
    assert all(one.end.minute % 15 == 0 for one in waiting[1:-1])
