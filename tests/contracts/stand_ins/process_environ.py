"""A node whose Slurm uses no control groups, and one without any file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.contracts.nodes import bare as absent
from tests.contracts.nodes import host_of, with_processes
from tests.contracts.standing_in import StandIn

__all__ = ["absent", "healthy"]


@contextmanager
def healthy(directory: Path) -> Iterator[StandIn]:
    """Yield a node with job 42."""
    yield StandIn(host_of(with_processes(directory)))
