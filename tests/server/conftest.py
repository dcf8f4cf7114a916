"""One real server for all tests of a file.

``n1`` and ``n2`` are nodes with secrets of their own; ada, bob and cyd are users with theirs; sue is support and
boss an admin. Whoever runs the tests comes by the unix socket.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from tests.contracts.real_server import RealServer, served
from tests.contracts.rows import HOUR, START, charged, deliver, fact, promise
from vispa_green.ledgers import open_ledger

PEOPLE = ("node:n1", "node:n2", "user:ada", "user:bob", "user:cyd", "user:sue", "user:boss")
SETTINGS = """
credentials = ["proxy", "token", "peer"]
most_bytes = 200_000
read_limit_s = 2
most_a_minute = 1000000
threads = 4
"""
MORE = """
[access]
others = "never"
admins = ["boss"]
support = ["sue"]
[credentials.proxy]
addresses = ["192.0.2.1"]
"""


@pytest.fixture(scope="module")
def server() -> Iterator[RealServer]:
    with served(server=SETTINGS, more=MORE, tokens=PEOPLE) as running:
        with closing(open_ledger(running.ledger_url)) as ledger:
            for number, user, uid in (("7", "ada", 990_001), ("8", "bob", 990_002)):
                deliver(ledger, [charged({number: 1000}, START, HOUR, uid=uid, submitted=START)], spool=user)
                told = fact(number, user=user, uid=uid, account=f"of-{user}", name=f"{user}-secret", end=START + HOUR)
                ledger.facts.append("lab", [told], START + HOUR)
                ledger.promises.append(replace(promise(number, user), reason=f"{user}-reason"))
        yield running


@pytest.fixture(autouse=True)
def lives_on(server: RealServer) -> Iterator[None]:
    """After whatever was sent, the server answers, by the process that it began with."""
    yield
    assert server.alive()
    assert "Traceback" not in server.log
