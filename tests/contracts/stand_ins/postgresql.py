"""A schema of its own on a real server."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.postgres import SHARED, shared_server

from tests.contracts.standing_in import StandIn

SLOW = True
"""Its tables are made anew for each example, in a fifth of a second."""


@contextmanager
def healthy(directory: Path) -> Iterator[StandIn]:
    """Yield the address of a ledger that is not there yet."""
    with shared_server().schema() as name:
        yield StandIn(url=shared_server().url(SHARED, schema=name))
