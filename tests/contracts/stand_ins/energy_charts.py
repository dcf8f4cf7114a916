"""The service as it was recorded, on loopback, and an address where nobody answers."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.gridserver import GridServer

from tests.contracts.grid_day import NOW, series
from tests.contracts.standing_in import StandIn


@contextmanager
def healthy(directory: Path) -> Iterator[StandIn]:
    """Yield the service."""
    with GridServer(series(), now=NOW.timestamp) as server:
        yield StandIn(table={"base_url": server.base_url})


def absent(directory: Path) -> StandIn:
    """Return a port that nobody listens on."""
    return StandIn(table={"base_url": "http://127.0.0.1:9", "timeout_s": 1})
