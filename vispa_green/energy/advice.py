"""The one sentence of a weekly mail that helps most. Pure.

Advice that could end a job is never given: a figure that is not known for all of a job's tasks is no ground
for less memory, and the option named is the one that the job was asked for with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from vispa_green.energy.jobs import JobEnergy

MARGIN, RESERVE_MIB = 1.1, 512
"""Memory to ask for: the most ever held × this + this (measured on traces: see docs on memory)."""
WASTED_MIB = 4096
"""Less than this is not worth a sentence."""


def advice(
    idle_share: float, share_pct: float | None, grid_share_pct: float | None, jobs: Sequence[JobEnergy]
) -> str:
    """Return the sentence: idle CPUs first, then greener times, then memory, else thanks."""
    if (idle := _idle_advice(idle_share, jobs)) is not None:
        return idle
    if share_pct is not None and (share_pct < 40 or (grid_share_pct is not None and share_pct < grid_share_pct - 3)):
        return (
            f"Your jobs ran on {share_pct:.0f} % renewable power; those that can wait find greener hours with"
            " `gsbatch --green-max-delay=12h job.sh`."
        )
    if (memory := _memory_advice(jobs)) is not None:
        return memory
    if share_pct is not None and grid_share_pct is not None and share_pct > grid_share_pct + 3:
        points = share_pct - grid_share_pct
        return f"Well timed: your energy was {points:.0f} points greener than the grid's mean. Thank you."
    return "Nothing stands out that would have saved energy. Thank you."


def _idle_advice(idle_share: float, jobs: Sequence[JobEnergy]) -> str | None:
    if idle_share < 0.3:
        return None
    for job in sorted(jobs, key=lambda j: -(j.parts.idle_uj if j.parts else 0)):
        if not job.cpus or job.cpus < 2 or job.cpu_efficiency is None or job.cpu_efficiency >= 0.5:
            continue
        if remedy := _fewer_cpus(job):
            busy = job.cpus * job.cpu_efficiency
            return (
                f"{100 * idle_share:.0f} % of your energy was idle power of reserved CPUs: job {job.display_id}"
                f" kept {busy:.1f} of its {job.cpus} CPUs busy; try {remedy}."
            )
    return None


def _fewer_cpus(job: JobEnergy) -> str | None:
    """Return how to ask for fewer CPUs, in the words the job was asked with; ``None`` where they are not known."""
    if job.tasks is None or job.cpus_per_task is None or not job.cpus or "+" in job.display_id:
        return None
    asked = job.tasks * job.cpus_per_task
    if job.cpus > 2 * asked:  # whole nodes; twice is what threads of a core come to
        return "it without `--exclusive`"
    wanted = math.ceil(job.cpus * (job.cpu_efficiency or 0.0) - 1e-9)
    if job.cpus_per_task == 1 and job.tasks > 1:
        return f"`--ntasks={max(1, wanted)}`"
    each = max(1, math.ceil(wanted / job.tasks))
    return f"`--cpus-per-task={each}`" if each < job.cpus_per_task else None


def _memory_advice(jobs: Sequence[JobEnergy]) -> str | None:
    wasteful = [job for job in jobs if _wasted_mib(job) >= WASTED_MIB]
    if not wasteful:
        return None
    job = max(wasteful, key=_wasted_mib)
    used_mib = job.peak_memory_mib or 0
    wanted_gib = math.ceil((used_mib * MARGIN + RESERVE_MIB) / 1024)
    return (
        f"Job {job.display_id} reserved {(job.memory_mib or 0) / 1024:.0f} GiB of memory and used"
        f" {used_mib / 1024:.1f};"
        f" with `--mem={wanted_gib}G` others can share its node's idle power."
    )


def _wasted_mib(job: JobEnergy) -> float:
    """Return the memory nobody can have needed; 0 where what all tasks held is not known, or too little was there."""
    if job.memory_mib is None or job.peak_memory_mib is None or len(job.nodes) != 1 or job.state != "COMPLETED":
        return 0.0
    return job.memory_mib - 2 * (job.peak_memory_mib * MARGIN + RESERVE_MIB)
