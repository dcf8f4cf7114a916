"""A database on a real server."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.postgres import shared_server

from tests.contracts.standing_in import StandIn

SLOW = True
"""A server, whose every answer comes through a socket."""


@contextmanager
def healthy(directory: Path) -> Iterator[StandIn]:
    """Yield the address of a ledger without a row."""
    server = shared_server()
    with server.ledger() as name:
        yield StandIn(url=server.url(name), rezone=lambda zone: server.rezone(name, zone))
