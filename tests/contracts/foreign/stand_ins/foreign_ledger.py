"""A file of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.contracts.standing_in import StandIn

SLOW = True
"""Its books are those of SQLite, which the laws have tried with many examples."""


@contextmanager
def healthy(directory: Path) -> Iterator[StandIn]:
    """Yield the address of a ledger that is not there yet."""
    yield StandIn(url=f"foreign_ledger://{directory / 'ledger'}")
