"""Cards by the stand-in of NVIDIA's library, and a node without its driver.

The dynamic loader knows a loaded library by its own name, so what is loaded here by its path is what the program
gets when it asks for ``libnvidia-ml.so.1``.
"""

import ctypes
import functools
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab import nvml

from tests.contracts.standing_in import StandIn


@contextmanager
def healthy(directory: Path) -> Iterator[StandIn]:
    """Yield two cards that draw power when told."""
    _load()
    state = directory / "gpus.txt"

    def show(energy_mj: int) -> None:
        nvml.write_state(state, [nvml.GpuState(f"GPU-{minor}", energy_mj, minor=minor) for minor in (0, 1)])

    show(1000)
    os.environ[nvml.STATE_VARIABLE] = str(state)
    try:
        yield StandIn(work=lambda: show(2000))
    finally:
        del os.environ[nvml.STATE_VARIABLE]


def absent(directory: Path) -> StandIn:
    """Return a node without cards: the library says that there is no driver."""
    _load()
    return StandIn()


@functools.cache
def _load() -> None:
    with tempfile.TemporaryDirectory() as directory:
        ctypes.CDLL(str(nvml.build(Path(directory))))
