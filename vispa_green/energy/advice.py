"""The one sentence of a weekly mail that helps most. Pure.

Advice that could end a job is never given: a figure that is not known for all of a job's tasks is no ground
for less memory, and the option named is the one that the job was asked for with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from vispa_green.energy.jobs import JobEnergy
from vispa_green.model import JobFact
from vispa_green.sizing.rule import Advice, Ground
from vispa_green.sizing.words import memory_words, size_text

WASTED_MIB = 4096
"""Less than this is not worth a sentence."""


@dataclass(frozen=True, slots=True)
class MemoryNeed:
    """What memory jobs that are alike asked for and need, on each node."""

    last: JobFact
    """The one that was submitted last."""
    asked_mib: float | None
    advice: Advice


def advice(
    idle_share: float,
    share_pct: float | None,
    grid_share_pct: float | None,
    jobs: Sequence[JobEnergy],
    needs: Sequence[MemoryNeed] = (),
) -> str:
    """Return the sentence: idle CPUs first, then greener times, then memory, else thanks."""
    if (idle := _idle_advice(idle_share, jobs)) is not None:
        return idle
    if share_pct is not None and (share_pct < 40 or (grid_share_pct is not None and share_pct < grid_share_pct - 3)):
        return (
            f"Your jobs ran on {share_pct:.0f} % renewable power; those that can wait find greener hours with"
            " `gsbatch --green-max-delay=12h job.sh`."
        )
    if (memory := _memory_advice(needs)) is not None:
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


def _memory_advice(needs: Sequence[MemoryNeed]) -> str | None:
    need = max(needs, key=_wasted_mib, default=None)
    if need is None or need.advice.amount is None or _wasted_mib(need) < WASTED_MIB:
        return None
    each, how = " on each node" if len(need.last.nodes) > 1 else "", memory_words(need.advice.amount, need.last)
    return (
        f"Job {need.last.display_id} reserved {size_text(need.asked_mib)} of memory{each};"
        f" {need.advice.runs} jobs like it held at most {size_text(need.advice.most_used)}:"
        f" with {' or '.join(f'`{word}`' for word in how)} others can share its node's idle power."
    )


def _wasted_mib(need: MemoryNeed) -> float:
    """Return the memory that could go to others; 0 where no less is advised."""
    if need.advice.amount is None or need.asked_mib is None or need.advice.ground is not Ground.LESS:
        return 0.0
    return (need.asked_mib - need.advice.amount) * (len(need.last.nodes) or 1)
