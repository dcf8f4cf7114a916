"""A node whose Slurm uses control groups, version 1, and one without any file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.contracts.nodes import bare as absent
from tests.contracts.nodes import host_of, with_control_groups
from tests.contracts.standing_in import StandIn

__all__ = ["absent", "healthy"]


@contextmanager
def healthy(directory: Path) -> Iterator[StandIn]:
    """Yield a node with job 42."""
    yield StandIn(host_of(with_control_groups(directory, "v1")))
