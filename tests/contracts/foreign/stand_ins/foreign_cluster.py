"""A file with the jobs that all stand-ins tell of, and one that is not there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.contracts.foreign.foreign_cluster import write
from tests.contracts.standing_in import StandIn


@contextmanager
def healthy(directory: Path) -> Iterator[StandIn]:
    """Yield the file."""
    write(directory / "jobs.pickle")
    yield StandIn(table={"file": str(directory / "jobs.pickle")})


def absent(directory: Path) -> StandIn:
    """Return a path to nothing."""
    return StandIn(table={"file": str(directory / "nowhere")})
