"""What the simulation raises on purpose; each text names the place and the remedy.

::

    vispa_green.errors.VispaGreenError
    └── SimulationError             the simulation cannot be run as asked
        ├── WorkloadError           a job history that cannot be read or does not make sense
        ├── MachineError            a machine that is not described, or a job that never fits on it
        ├── PowerError              power figures that cannot be used
        ├── SeriesError             a grid series that is empty, has gaps or ends too early
        └── GateError               a gate gave an answer that is no time
"""

from __future__ import annotations

from pathlib import Path

from vispa_green.errors import VispaGreenError


class SimulationError(VispaGreenError):
    """The simulation cannot be run as asked."""


class WorkloadError(SimulationError):
    """A job history that cannot be read or does not make sense."""


class MachineError(SimulationError):
    """A machine that is not described, or a job that never fits on it."""


class PowerError(SimulationError):
    """Power figures that cannot be used."""


class SeriesError(SimulationError):
    """A grid series that is empty, has gaps or ends too early."""


class GateError(SimulationError):
    """A gate gave an answer that is no time."""


def place(path: Path, line: int) -> str:
    """Return ``file:line`` as compilers write it, which editors can open."""
    return f"{path}:{line}"
