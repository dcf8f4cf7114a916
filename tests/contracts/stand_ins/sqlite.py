"""A file of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.contracts.standing_in import StandIn


@contextmanager
def healthy(directory: Path) -> Iterator[StandIn]:
    """Yield the address of a ledger that is not there yet."""
    yield StandIn(url=f"sqlite://{directory / 'ledger.sqlite'}")
