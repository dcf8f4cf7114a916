"""What the processes of a job tell: its number, its GPUs, its owner. Read from ``/proc`` (proc_pid(5))."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path


def environment(procfs: Path, pid: int) -> dict[str, str]:
    """Return the environment a process was started with; empty if it is gone or not ours to read."""
    try:
        raw = (procfs / str(pid) / "environ").read_bytes()
    except OSError:
        return {}
    pairs = (item.partition("=") for item in raw.decode(errors="replace").split("\0"))
    return {key: value for key, separator, value in pairs if separator}


def owner(procfs: Path, pid: int) -> int | None:
    """Return the uid a process runs as."""
    try:
        return (procfs / str(pid)).stat().st_uid
    except OSError:
        return None


def members(job_directory: Path) -> Iterator[int]:
    """Yield the processes of a job's cgroup, those of its batch script and steps before Slurm's own."""
    for path in sorted(job_directory.rglob("cgroup.procs"), key=lambda p: ("step_extern" in p.parts, str(p))):
        try:
            yield from (int(line) for line in path.read_text().split())
        except OSError:  # the step has just ended
            continue


def bound_gpus(procfs: Path, pids: Iterable[int]) -> tuple[int, ...] | None:
    """Return the GPUs that Slurm bound to a job, by its processes; ``None`` if none of them can tell.

    ``SLURM_JOB_GPUS`` holds the global indices (sbatch(1)); ``CUDA_VISIBLE_DEVICES`` may count anew.
    """
    for pid in pids:
        variables = environment(procfs, pid)
        if "SLURM_JOB_GPUS" in variables:
            return tuple(int(i) for i in variables["SLURM_JOB_GPUS"].split(",") if i.strip().isdigit())
        if "SLURM_JOB_ID" in variables:
            return ()
    return None


def cpu_count(cpuset: str) -> int | None:
    """Return how many CPUs a list such as ``0-3,8`` names, ``None`` for an empty one (cpuset(7))."""
    count = 0
    for part in cpuset.strip().split(","):
        first, _, last = part.partition("-")
        if not first.isdigit():
            continue
        count += int(last or first) - int(first) + 1
    return count or None
