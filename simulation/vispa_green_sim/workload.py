"""Jobs as columns: what was asked of a machine, in whole seconds since the workload's second 0. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from operator import le
from typing import Any

from vispa_green_sim.errors import WorkloadError


@dataclass(frozen=True, slots=True)
class Remark:
    """Something a reader of a file had to repair or leave out, how often, and where it came up first."""

    what: str
    count: int
    first_line: int

    def __str__(self) -> str:
        """Return it as one line for people."""
        rows = "row" if self.count == 1 else "rows"
        return f"{self.count} {rows}: {self.what} (first: line {self.first_line})"


@dataclass(frozen=True, slots=True)
class Workload:
    """A history of jobs; the index of a job is its place in the queue (by submission, ties by file order).

    Lists, not arrays: the engine reads single numbers, and numpy is slower at that. A column that is
    empty is unknown for every job. Raise `WorkloadError` if the columns contradict one another.
    """

    name: str
    job_id: Sequence[str]
    submit_s: Sequence[int]
    run_s: Sequence[int]
    """How long the job really runs."""
    request_s: Sequence[int]
    """How long the scheduler believes that it runs: its time limit."""
    processors: Sequence[int]
    """Processors (CPUs in Slurm's words) of the whole job."""
    eligible_s: Sequence[int] = ()
    """When it may start at the earliest (``--begin``, dependencies); empty: at submission."""
    nodes: Sequence[int] = ()
    """Nodes asked for; 0: any number."""
    memory_mib: Sequence[int] = ()
    """Memory of the whole job; 0: not asked for."""
    gpus: Sequence[int] = ()
    user: Sequence[str] = ()
    account: Sequence[str] = ()
    partition: Sequence[str] = ()
    qos: Sequence[str] = ()
    job_name: Sequence[str] = ()
    recorded_start_s: Sequence[int] = ()
    """When it started in reality; -1: unknown. For the error of a replay, never seen by a scheduler."""
    dynamic_mw: Sequence[int] = ()
    """Measured mean power of the job above its nodes' idle power, in mW; -1: unknown."""
    used_memory_mib: Sequence[int] = ()
    """The largest memory it really used; 0: unknown."""
    origin_epoch_s: int | None = None
    """Unix time of second 0."""
    machine_processors: int | None = None
    """The machine's size, where the file says so."""
    remarks: tuple[Remark, ...] = ()

    def __post_init__(self) -> None:
        jobs = len(self.job_id)
        for column in _COLUMNS:
            if len(getattr(self, column)) not in ({jobs} if column in _NEEDED else {0, jobs}):
                raise WorkloadError(
                    f"{self.name}: {len(getattr(self, column))} values of {column} for {jobs} jobs; "
                    "a column is complete or empty"
                )
        if not all(map(le, self.submit_s, self.submit_s[1:])):
            raise WorkloadError(f"{self.name}: jobs are not in order of submission; make it with Workload.sorted")
        for column, smallest in (("submit_s", 0), ("run_s", 1), ("request_s", 1), ("processors", 1)):
            if jobs and min(getattr(self, column)) < smallest:
                job = min(range(jobs), key=getattr(self, column).__getitem__)
                raise WorkloadError(
                    f"{self.name}: job {self.job_id[job]} has {column} = {getattr(self, column)[job]}; "
                    f"the least is {smallest}: correct or remove the job"
                )

    def __len__(self) -> int:
        """Return the number of jobs."""
        return len(self.job_id)

    @classmethod
    def sorted(cls, *, submit_s: Sequence[int], **columns: Any) -> Workload:  # noqa: ANN401 - whatever __init__ takes
        """Return a workload of columns in any order, put in order of submission (stable: ties keep theirs)."""
        order = sorted(range(len(submit_s)), key=submit_s.__getitem__)
        if all(map(le, order, order[1:])):
            return cls(submit_s=submit_s, **columns)
        columns["submit_s"] = submit_s
        ordered: dict[str, Any] = {n: _picked(v, order) if n in _COLUMNS else v for n, v in columns.items()}
        return cls(**ordered)

    def picked(self, jobs: Sequence[int]) -> Workload:
        """Return a workload of these jobs (indices, ascending), e.g. ``picked(range(100_000))``."""
        picked: dict[str, Any] = {name: _picked(getattr(self, name), jobs) for name in _COLUMNS}
        return replace(self, **picked)

    def repeated(self, times: int, gap_s: int = 0) -> Workload:
        """Return the workload played ``times`` after one another, ``gap_s`` between last and first submission."""
        step = (self.submit_s[-1] - self.submit_s[0] + gap_s) if len(self) else 0
        repeated: dict[str, Any] = {
            name: [*column] * times for name in _COLUMNS if len(column := getattr(self, name))
        }
        for name in repeated.keys() & _MOMENTS:
            column = getattr(self, name)
            repeated[name] = [v + copy * step if v >= 0 else v for copy in range(times) for v in column]
        return replace(self, **repeated)

    def clamped(self, processors: int) -> Workload:
        """Return the workload with no job wider than the machine, and a remark if there was one."""
        wide = [job for job, wanted in enumerate(self.processors) if wanted > processors]
        if not wide:
            return self
        remark = Remark(
            f"more than the machine's {processors} processors, taken as all of them", len(wide), wide[0] + 1
        )
        narrowed = [min(wanted, processors) for wanted in self.processors]
        return replace(self, processors=narrowed, remarks=(*self.remarks, remark))


_SCALARS = {"name", "origin_epoch_s", "machine_processors", "remarks"}
_COLUMNS = tuple(f.name for f in fields(Workload) if f.name not in _SCALARS)
_NEEDED = {"job_id", "submit_s", "run_s", "request_s", "processors"}
_MOMENTS = {"submit_s", "eligible_s", "recorded_start_s"}


def _picked(column: Sequence[Any], jobs: Sequence[int]) -> Sequence[Any]:
    return [column[job] for job in jobs] if len(column) else column
