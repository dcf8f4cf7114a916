"""Agents of several nodes and a real server that is killed now and then: exactly once, to the microjoule."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from lab.hosttree import HostTree
from lab.node import LabNode, configuration

from tests.contracts.real_server import RealServer, me, restarted, served, token_file
from tests.contracts.rows import START, charged, interval
from tests.contracts.standing_in import stand_in_of
from vispa_green.errors import LedgerForbidden
from vispa_green.host import Host
from vispa_green.ledgers import open_ledger
from vispa_green.model import Component, Origin, SpooledInterval


@pytest.fixture
def server() -> Iterator[RealServer]:
    with served(server='credentials = ["token"]', tokens=["node:n1", "node:n2"]) as running:
        yield running


def named(node: str) -> Host:
    return Host(node, Path("/sys"), Path("/proc"), Path("/sys/fs/cgroup"))


def node_of(server: RealServer, name: str, directory: Path) -> LabNode:
    tree = HostTree(directory / name, node=name)
    config = configuration(
        tree,
        directory / name,
        cluster={"name": "lab"},
        ledger={"url": f"http://127.0.0.1:{server.port}", "http": {"credential": "token"}},
        credentials={"token": {"file": str(token_file(server.directory, f"node:{name}"))}},
    )
    return LabNode(tree, config)


def test_nodes_share_a_ledger_and_nothing_is_lost_or_booked_twice(server: RealServer, tmp_path: Path) -> None:
    nodes = [node_of(server, name, tmp_path) for name in ("n1", "n2")]
    pid = server.pid
    for number in range(12):
        if number in {4, 8}:
            os.killpg(pid, signal.SIGKILL)
        if number in {6, 10}:
            pid = restarted(server)
        for node in nodes:
            node.work(10, {"package-0": 100.0}, {})
            node.agent.read(node.at)
            node.agent.deliver(node.pass_time(600 if number == 11 else 1))
    assert [node.agent._spool.backlog() for node in nodes] == [0, 0]
    with closing(open_ledger(server.ledger_url)) as ledger:
        for node in nodes:
            truth_uj = sum(row.measured_uj for row in ledger.energy.balance() if row.node == node.tree.node)
            first_uj = 100_000_000  # before the first reading, which is the baseline
            assert truth_uj == node.tree.truth.node_uj - first_uj
        assert {row.component for row in ledger.energy.balance()} >= {Component.CPU}
        assert ledger.energy.verify() == []
    for node in nodes:
        node.agent.close()


def test_a_node_with_anothers_secret_books_nothing(server: RealServer, tmp_path: Path) -> None:
    node = node_of(server, "n2", tmp_path)
    file = token_file(server.directory, "node:n2")
    file.write_text(token_file(server.directory, "node:n1").read_text())
    node.work(10, {"package-0": 100.0}, {})
    node.agent.read(node.at)
    node.work(10, {"package-0": 100.0}, {})
    node.agent.read(node.at)
    assert node.agent.deliver(node.at) == 0
    assert node.agent._spool.backlog() == 1, "it waits until somebody puts that right"
    node.agent.close()


@pytest.mark.skipif(os.getuid() != 0, reason="munged of this test runs as root")
def test_with_munge_the_user_is_proven_and_the_node_has_to_be_where_it_is_known(tmp_path: Path) -> None:
    with stand_in_of("munge").healthy(tmp_path) as munge:
        there = f'credentials = ["munge"]\nagents = ["{me()}"]\nnodes = ["n1=127.0.0.1", "n2=192.0.2.9"]'
        ways = {"munge": munge.table}
        more = f'[credentials.munge]\nsocket = "{munge.table["socket"]}"'
        with served(server=there, more=more) as server:

            def opened(node: Host | None) -> int:
                url = f"http://127.0.0.1:{server.port}"
                with closing(open_ledger(url, credentials=ways, host=node)) as ledger:
                    return ledger.energy.append(Origin("lab", "s"), [SpooledInterval(1, interval(1))], START)

            assert opened(named("n1")) == 1
            with pytest.raises(LedgerForbidden, match="is not node n2's"):
                opened(named("n2"))
            with pytest.raises(LedgerForbidden, match="only agents deliver"):
                opened(None)


def test_a_batch_that_is_larger_than_any_body_arrives_in_parts() -> None:
    """A node with many jobs that was cut off for long: 8 MB, of which the server takes five at most."""
    minute, jobs = timedelta(minutes=1), {f"{number}": 1000 for number in range(400)}
    items = [SpooledInterval(n + 1, charged(jobs, START + n * minute, minute)) for n in range(160)]
    settings = 'credentials = ["token"]\nmost_bytes = 5000000'
    with served(server=settings, tokens=["node:n1"]) as server:
        ways = {"token": {"file": str(token_file(server.directory, "node:n1"))}}
        url, tables = f"http://127.0.0.1:{server.port}", {"http": {"credential": "token"}}
        with closing(open_ledger(url, tables=tables, credentials=ways, host=named("n1"))) as ledger:
            assert ledger.energy.append(Origin("lab", "s"), items, START) == 160
            assert ledger.energy.append(Origin("lab", "s"), items, START) == 0
        with closing(open_ledger(server.ledger_url)) as kept:
            assert kept.energy.balance()[0].measured_uj == 160 * 400 * 1000
