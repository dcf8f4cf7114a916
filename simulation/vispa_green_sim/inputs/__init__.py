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


def read_workload(path: Path, options: Options | None = None, format_name: str | None = None) -> Workload:
    """Read a workload; without a name of its format, the file's ending tells: .swf(.gz), .csv, .txt, .parquet.

    Raise `vispa_green_sim.errors.WorkloadError` with line and remedy where it cannot be used.
    """
    name = format_name or guess_format(path)
    return INPUTS.load(name)(path, options or Options())


def guess_format(path: Path) -> str:
    """Return the format that a file's name suggests: SWF for ``.swf`` and ``.swf.gz``, a sacct dump otherwise."""
    return "swf" if ".swf" in path.suffixes[-2:] else "sacct"
