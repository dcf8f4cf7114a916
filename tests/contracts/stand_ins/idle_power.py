"""Idle powers as a site would declare them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.contracts.standing_in import StandIn


@contextmanager
def healthy(directory: Path) -> Iterator[StandIn]:
    """Yield the options."""
    yield StandIn(table={"cpu_watts": 40.0, "dram_watts": 3.0})
