"""A server that is away: nodes come back one by one, and what waits too long becomes gaps, not nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lab.hosttree import HostTree
from lab.node import LabNode, configuration

from tests.agent.test_spool import START, baseline, interval
from vispa_green.agent.delivery import LONGEST_RETRY_S, Delivery
from vispa_green.agent.spool import Spool
from vispa_green.errors import LedgerBusy
from vispa_green.model import Instant, Ledger, Quality


class Server:
    """Counts who comes, and says how long it wants to be left alone."""

    def __init__(self, retry_after_s: float | None) -> None:
        self.asked = 0
        self._retry_after_s = retry_after_s

    def open(self) -> Ledger:
        self.asked += 1
        raise LedgerBusy("it is away", self._retry_after_s)


def passing(spool: Spool, server: Server, draw: float, seconds: Sequence[float]) -> list[float]:
    """Return after how many seconds a delivery asked its server."""
    delivery, found = Delivery(spool, server.open, "lab", draw=lambda: draw), []
    for second in seconds:
        before = server.asked
        delivery.deliver(Instant(START + timedelta(seconds=second), int(second * 1e9)))
        if server.asked > before:
            found.append(second)
    return found


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    made = Spool(tmp_path / "spool", "n1")
    made.keep([interval(0)], baseline(0))
    return made


def test_a_server_is_asked_more_and_more_seldom_but_never_forgotten(spool: Spool) -> None:
    asked = passing(spool, Server(None), 1.0, range(3000))
    waits = [after - before for before, after in pairwise(asked)]
    assert waits[:5] == [10, 20, 40, 80, 160]
    assert set(waits[5:]) == {LONGEST_RETRY_S}


def test_its_own_wish_is_respected_and_chance_comes_on_top(spool: Spool) -> None:
    assert passing(spool, Server(60), 0.0, range(200)) == [0, 60, 120, 180]
    assert passing(spool, Server(60), 0.5, range(100)) == [0, 65]


def test_nodes_are_spread_over_the_span(tmp_path: Path) -> None:
    firsts = []
    for number in range(100):
        node = Spool(tmp_path / "spools", f"node{number:03}")
        firsts.append(Delivery(node, Server(None).open, "lab").first_s(60))
        node.close()
    assert all(0 <= first < 60 for first in firsts)
    tenths = {int(first // 6) for first in firsts}
    assert len(tenths) == 10, "some come in each tenth of it"


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 400), max_size=4), st.integers(1, 300))
def test_what_waits_too_long_is_a_gap_of_the_same_time(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], count: int
) -> None:
    """However often the spool is shortened: no time is lost or told twice, and what is young is untouched."""
    spool = Spool(tmp_path_factory.mktemp("spool"), "n1")
    spool.keep([interval(number) for number in range(count)], baseline(count - 1))
    old = 0
    for cut in sorted(cuts):
        before = START + timedelta(seconds=10 * cut)
        spool.shorten(before)
        old = min(cut, count)
        waiting = [item.interval for item in spool.waiting(1000)]
        assert (waiting[0].start, waiting[-1].end) == (START, START + timedelta(seconds=10 * count))
        assert all(one.end == other.start for one, other in pairwise(waiting))
        assert [one for one in waiting if one.entries] == [interval(number) for number in range(old, count)]
        gaps = [one for one in waiting if not one.entries]
        assert all(one.quality is Quality.GAP and "longer" in one.reason for one in gaps)
        assert len(gaps) <= old * 10 // 900 + 2
    assert spool.dropped() == old
    spool.close()


def test_an_agent_that_is_cut_off_for_weeks_delivers_gaps_and_what_it_kept(tmp_path: Path) -> None:
    tree = HostTree(tmp_path / "host")
    node = LabNode(tree, configuration(tree, tmp_path, agent={"keep_days": 1}))
    (tmp_path / "ledger.sqlite").mkdir()  # nothing can be opened here
    for number in range(450):
        node.work(240, {"package-0": 100.0}, {})
        node.agent.read(node.at)
        if number % 5 == 0:
            node.agent.deliver(node.at)
    (tmp_path / "ledger.sqlite").rmdir()
    node.agent.deliver(node.pass_time(100))
    ledger = node.ledger()
    kept_uj = ledger.energy.balance()[0].measured_uj
    assert 360 * 100_000_000 <= kept_uj <= 376 * 100_000_000, "what was measured in the last day"
    assert node.agent._spool.dropped() > 0
    assert ledger.energy.verify() == []
    ledger.close()


def test_a_shortened_spool_delivers_under_numbers_that_were_not_used(spool: Spool) -> None:
    spool.keep([interval(number) for number in range(1, 200)], baseline(199))
    last = spool.waiting(1000)[-1].sequence
    spool.shorten(START + timedelta(seconds=1000))
    waiting = spool.waiting(1000)
    assert sorted({item.sequence for item in waiting}) == [item.sequence for item in waiting]
    assert waiting[-1].sequence == last
