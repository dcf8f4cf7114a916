"""What the processes of a job tell: its number, its GPUs, its owner. Read from ``/proc`` (proc_pid(5))."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from vispa_green.numbers import listed_numbers


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

    ``SLURM_JOB_GPUS`` of a batch script and ``SLURM_STEP_GPUS`` of a step hold the global indices (sbatch(1),
    srun(1)); ``CUDA_VISIBLE_DEVICES`` may count anew. Where neither is set there may still be some.
    """
    for pid in pids:
        variables = environment(procfs, pid)
        for name in ("SLURM_JOB_GPUS", "SLURM_STEP_GPUS"):
            if name in variables:
                return listed_numbers(variables[name]) or ()
    return None


def cpu_count(cpuset: str) -> int | None:
    """Return how many CPUs a list such as ``0-3,8`` names, ``None`` for an empty one (cpuset(7))."""
    return len(listed_numbers(cpuset.strip()) or ()) or None
