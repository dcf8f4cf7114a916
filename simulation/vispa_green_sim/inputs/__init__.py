"""Readers of job histories, one file each; a file defines ``read(path, options) -> Workload``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vispa_green.registry import Registry
from vispa_green_sim.workload import Workload

INPUTS: Registry[Workload] = Registry("workload format", __name__, "read")


@dataclass(frozen=True, slots=True)
class Options:
    """What every reader may be told."""

    processors: int | None = None
    """The machine's size: wider jobs are taken as that wide, with a remark."""
    zone: str = "UTC"
    """The zone of times without an offset."""
    idle_w_per_node: float = 0.0
    """Taken off where a trace gives the power of whole nodes, as a machine's idle power is accounted apart."""


def read_workload(path: Path, options: Options | None = None, format_name: str | None = None) -> Workload:
    """Read a workload; without a name of its format, the file's ending tells (`guess_format`).

    Raise `vispa_green_sim.errors.WorkloadError` with line and remedy where it cannot be used.
    """
    name = format_name or guess_format(path)
    return INPUTS.load(name)(path, options or Options())


def guess_format(path: Path) -> str:
    """Return the format that a file's name suggests; a dump of sacct if it suggests nothing."""
    by_ending = {".swf": "swf", ".toml": "synthetic", ".sqlite": "ledger", ".parquet": "pm100"}
    return next((by_ending[ending] for ending in path.suffixes[-2:] if ending in by_ending), "sacct")
