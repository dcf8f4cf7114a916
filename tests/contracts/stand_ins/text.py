"""Slurm's commands as programs of ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.contracts.stand_ins._programs import on_path
from tests.contracts.standing_in import StandIn


@contextmanager
def healthy(directory: Path) -> Iterator[StandIn]:
    """Yield nothing but the programs."""
    with on_path(directory):
        yield StandIn(table={"timeout_s": 30})


def absent(directory: Path) -> StandIn:
    """Return nothing: there are no commands."""
    return StandIn()
