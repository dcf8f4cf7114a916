"""A real server on loopback, over a SQLite ledger; who tests has an admin's secret."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.contracts.real_server import served, token_file
from tests.contracts.standing_in import StandIn

SLOW = ANOTHER_DOOR = True


@contextmanager
def healthy(directory: Path) -> Iterator[StandIn]:
    """Yield its address."""
    with served(more='[access]\nadmins = ["boss"]', tokens=["user:boss"]) as server:
        own = {"token": {"file": str(token_file(server.directory, "user:boss"))}}
        yield StandIn(url=f"http://127.0.0.1:{server.port}", table={"credential": "token"}, credentials=own)
