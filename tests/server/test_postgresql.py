"""A server over a PostgreSQL ledger: the same account, and one that goes on after its database was away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress

import pytest
from lab.postgres import shared_server

from tests.contracts.plain_sql import copied_ledger
from tests.contracts.real_server import RealServer, served, token_file
from tests.contracts.rows import BERLIN, ORIGIN, START, spooled
from vispa_green.errors import LedgerError
from vispa_green.ledgers import open_ledger
from vispa_green.model import Dimension, Ledger, Selection


@pytest.fixture
def url() -> Iterator[str]:
    with copied_ledger() as address:
        yield address


@pytest.fixture
def server(url: str) -> Iterator[RealServer]:
    settings = 'credentials = ["token"]'
    with served(
        server=settings, more='[access]\nadmins = ["boss"]', tokens=["node:n1", "user:boss"], ledger=url
    ) as running:
        yield running


def opened(server: RealServer, who: str) -> Ledger:
    own = {"token": {"file": str(token_file(server.directory, who))}}
    address = f"http://127.0.0.1:{server.port}"
    return open_ledger(address, tables={"http": {"credential": "token"}}, credentials=own)


def test_what_comes_through_the_server_is_in_the_database(url: str, server: RealServer) -> None:
    with closing(opened(server, "node:n1")) as node, closing(opened(server, "user:boss")) as boss:
        assert node.energy.append(ORIGIN, spooled(1, 2), START) == 2
        assert node.energy.append(ORIGIN, spooled(1, 2, 3), START) == 1
        with closing(open_ledger(url, read_only=True)) as kept:
            assert kept.energy.verify() == []
            assert boss.energy.balance() == kept.energy.balance() != []
            assert boss.energy.jobs(Selection()) == kept.energy.jobs(Selection())
            by = (Dimension.USER, Dimension.WEEK)
            assert boss.energy.totals(Selection(), by, BERLIN) == kept.energy.totals(Selection(), by, BERLIN)


def test_a_server_whose_database_was_away_goes_on_and_counts_nothing_twice(url: str, server: RealServer) -> None:
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'vispa-green'"
    with closing(opened(server, "node:n1")) as node:
        assert node.energy.append(ORIGIN, spooled(1), START) == 1
        for number in (2, 3):
            shared_server().execute(cut, "postgres")
            for _ in range(20):  # each thread of the server has a connection of its own, and finds it cut once
                with suppress(LedgerError):
                    node.energy.append(ORIGIN, spooled(number), START)
            assert node.energy.append(ORIGIN, spooled(number), START) == 0
    with closing(open_ledger(url, read_only=True)) as kept:
        assert [row.measured_uj for row in kept.energy.balance()] == [3000]
        assert kept.energy.verify() == []
