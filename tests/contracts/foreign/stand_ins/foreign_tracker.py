"""A node whose jobs are seen through another procfs, and one without any file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.contracts.nodes import bare, with_processes
from tests.contracts.nodes import bare as absent
from tests.contracts.standing_in import StandIn

__all__ = ["absent", "healthy"]


@contextmanager
def healthy(directory: Path) -> Iterator[StandIn]:
    """Yield a bare node beside the procfs that shows job 42."""
    elsewhere = with_processes(directory / "elsewhere")
    yield StandIn(bare(directory).host, {"procfs": str(elsewhere.procfs_root)})
