"""Where the tests find real data, and made ones."""

from __future__ import annotations

import functools
import os
from pathlib import Path

import pytest
from vispa_green_sim.inputs import Options, read_workload
from vispa_green_sim.workload import Workload

KTH = ("workloads/KTH-SP2-1996-2.1-cln.swf.gz", 100)
HPC2N = ("workloads/HPC2N-2002-2.1-cln.swf.gz", 240)


def data(name: str) -> Path:
    """Return a file of the shared data; skip where it is absent."""
    root = Path(os.environ.get("VISPA_GREEN_DATA", Path(__file__).parents[3] / "shared" / "data"))
    if not (root / name).exists():
        pytest.skip(f"{root / name} is absent; set VISPA_GREEN_DATA to the folder of the real traces")
    return root / name


@functools.cache
def trace(name: str, processors: int) -> Workload:
    """Return a real trace, read once."""
    return read_workload(data(name), Options(processors))


def made(jobs: list[tuple[int, int, int, int]]) -> Workload:
    """Return a workload of rows ``(submit, run, request, processors)``."""
    submit, run, request, processors = (list(c) for c in zip(*jobs, strict=True)) if jobs else ([], [], [], [])
    ids = [str(i) for i in range(len(jobs))]
    return Workload.sorted(
        name="made", job_id=ids, submit_s=submit, run_s=run, request_s=request, processors=processors
    )
