"""A real server on a unix socket, over a SQLite ledger; who tests is its admin, since he runs it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.contracts.real_server import served
from tests.contracts.standing_in import StandIn

SLOW = ANOTHER_DOOR = True


@contextmanager
def healthy(directory: Path) -> Iterator[StandIn]:
    """Yield its address."""
    with served() as server:
        yield StandIn(url=f"unix://{server.socket}")
