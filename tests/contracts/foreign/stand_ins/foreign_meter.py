"""A declared power, and none."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.contracts.standing_in import StandIn


@contextmanager
def healthy(directory: Path) -> Iterator[StandIn]:
    """Yield a power; time alone lets it work."""
    yield StandIn(table={"watts": 100})


def absent(directory: Path) -> StandIn:
    """Return no power."""
    return StandIn()
