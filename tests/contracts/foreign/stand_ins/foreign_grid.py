"""A turn in the middle of the day, and none declared."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from tests.contracts.grid_day import NOW
from tests.contracts.standing_in import StandIn


@contextmanager
def healthy(directory: Path) -> Iterator[StandIn]:
    """Yield a turn."""
    yield StandIn(table={"green_from": (NOW + timedelta(hours=3)).isoformat(), "gco2_per_kwh": 400})


def absent(directory: Path) -> StandIn:
    """Return no turn."""
    return StandIn()
