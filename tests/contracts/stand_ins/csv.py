"""A day of the German grid in a file, and a file that is not there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.gridday import write_csv

from tests.contracts.grid_day import NOW, series
from tests.contracts.standing_in import StandIn


@contextmanager
def healthy(directory: Path) -> Iterator[StandIn]:
    """Yield a recorded day."""
    file = directory / "grid.csv"
    write_csv(file, series(), NOW.timestamp())
    yield StandIn(table={"path": str(file)})


def absent(directory: Path) -> StandIn:
    """Return a path to nothing."""
    return StandIn(table={"path": str(directory / "nowhere.csv")})
