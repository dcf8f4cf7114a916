"""What a run did, and its figures of merit. Pure; exact definitions in the fields' comments."""

from __future__ import annotations

import csv
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vispa_green_sim.machine import Machine
from vispa_green_sim.sleep import Sleep, StateLog
from vispa_green_sim.workload import Workload

SHORTEST_S = 10
"""τ of the bounded slowdown: shorter runs count as this long, or seconds of waiting would look like disasters."""

Seconds = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Run:
    """One played workload; columns by job index, in seconds since the workload's second 0."""

    workload: Workload = field(repr=False)
    machine: Machine = field(repr=False)
    scheduler: str
    starts: array[int] = field(repr=False)
    """When each job began to run; its nodes' waking up, if any, lies before."""
    ends: array[int] = field(repr=False)
    released: array[int] | None = field(repr=False)
    """When each job entered the queue; ``None``: all at submission."""
    sleep: Sleep | None = None
    log: StateLog | None = field(default=None, repr=False)
    """States of nodes; ``None``: none ever slept."""

    @property
    def start_s(self) -> Seconds:
        """The starts as numpy sees them, without a copy."""
        return np.frombuffer(self.starts, dtype=np.int64)

    @property
    def end_s(self) -> Seconds:
        """The ends as numpy sees them, without a copy."""
        return np.frombuffer(self.ends, dtype=np.int64)

    @property
    def wait_s(self) -> Seconds:
        """Start minus submission: time in hold counts as waiting."""
        return self.start_s - np.asarray(self.workload.submit_s, dtype=np.int64)

    @property
    def span_s(self) -> tuple[int, int]:
        """First submission and last end."""
        return (self.workload.submit_s[0], int(self.end_s.max())) if len(self.workload) else (0, 0)


@dataclass(frozen=True, slots=True)
class Statistics:
    """Figures of merit over all jobs, untrimmed; ``None`` without jobs."""

    jobs: int
    mean_wait_s: float | None
    median_wait_s: float | None
    p95_wait_s: float | None
    max_wait_s: int | None
    mean_slowdown: float | None
    """(wait + run) / run"""
    mean_bounded_slowdown: float | None
    """max(1, (wait + run) / max(run, τ)), τ = `SHORTEST_S`"""
    makespan_s: int
    """last end − first submission"""
    utilisation: float | None
    """Σ run × processors / (machine × makespan)"""


def statistics(run: Run, jobs: Sequence[int] | npt.NDArray[np.bool_] | None = None) -> Statistics:
    """Return the figures of a run; of these jobs only (indices or a mask), e.g. one group's, if given."""
    if not len(run.workload):
        return Statistics(0, None, None, None, None, None, None, 0, None)
    begin, end = run.span_s
    chosen = slice(None) if jobs is None else np.asarray(jobs)
    wait, length = run.wait_s[chosen], (run.end_s - run.start_s)[chosen]
    width = np.asarray(run.workload.processors, dtype=np.int64)[chosen]
    makespan = end - begin
    if not len(wait):
        return Statistics(0, None, None, None, None, None, None, makespan, 0.0)
    bounded = np.maximum(1.0, (wait + length) / np.maximum(length, SHORTEST_S))
    return Statistics(
        jobs=len(wait),
        mean_wait_s=float(wait.mean()),
        median_wait_s=float(np.median(wait)),
        p95_wait_s=float(np.percentile(wait, 95)),
        max_wait_s=int(wait.max()),
        mean_slowdown=float(((wait + length) / np.maximum(length, 1)).mean()),
        mean_bounded_slowdown=float(bounded.mean()),
        makespan_s=makespan,
        utilisation=int((length * width).sum()) / (run.machine.processors * makespan) if makespan else None,
    )


def write_schedule(run: Run, path: Path) -> None:
    """Write ``job_id,submit,start,end`` in seconds, in order of submission."""
    columns = (run.workload.job_id, run.workload.submit_s, run.starts, run.ends)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("job_id", "submit", "start", "end"))
        writer.writerows(zip(*columns, strict=True))
