"""The one piece of advice of a weekly mail: what would have saved most, by what was measured. Pure.

Advice that could end a job is never given: a figure that is not known for all of a job's tasks is no ground
for less memory, and the option named is the one that the job was asked for with.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from vispa_green.energy.jobs import JobEnergy
from vispa_green.model import UJ_PER_KWH

MARGIN, RESERVE_MIB = 1.1, 512
"""Memory to ask for: the most ever held × this + this (measured on traces: see docs on memory)."""
WASTED_MIB = 4096
"""Less than this is not worth a sentence."""
WORTH = 0.01
"""Advice is worth a sentence from this part of the week's energy or CO2 on."""
_EXCLUSIVE = "exclusive"


class Topic(StrEnum):
    """What a piece of advice is about."""

    IDLE_CPUS = "idle_cpus"
    WHOLE_NODE = "whole_node"
    IDLE_GPUS = "idle_gpus"
    GREENER = "greener"
    MEMORY = "memory"
    WELL_TIMED = "well_timed"
    THANKS = "thanks"


@dataclass(frozen=True, slots=True)
class Advice:
    """What to say: the topic, what its sentence is filled with, and what following it would have saved."""

    topic: Topic
    values: Mapping[str, str] = field(default_factory=dict)
    saved_uj: int = 0
    """Energy of the user's that would not have been charged."""
    saved_g: float = 0.0
    """CO2, where it is known; of shifting alone, for that saves no energy."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What advice is given on: a user's week."""

    energy_uj: int
    share_pct: float | None
    grid_share_pct: float | None
    mean_g_per_kwh: float | None
    """Of the grid while the jobs ran."""
    grid_g_per_kwh: float | None
    """Of the grid in the whole week."""
    jobs: Sequence[JobEnergy]
    idle_gpu_uj: Mapping[str, int] = field(default_factory=dict)
    """Of jobs that left their GPUs idle, by the id they are shown with."""


def advice(ground: Ground) -> Advice:
    """Return what would have saved most CO2, by what was measured; thanks where it is less than a hundredth."""
    per_uj = (ground.mean_g_per_kwh or 1.0) / UJ_PER_KWH
    found = [one for one in _candidates(ground) if _weight(one, per_uj) >= WORTH * ground.energy_uj * per_uj > 0]
    if found:
        return max(found, key=lambda one: _weight(one, per_uj))
    share, mean = ground.share_pct, ground.grid_share_pct
    if share is not None and mean is not None and share > mean + 3:
        return Advice(Topic.WELL_TIMED, {"points": f"{share - mean:.0f}"})
    return Advice(Topic.THANKS)


def _weight(one: Advice, per_uj: float) -> float:
    return max(one.saved_g, one.saved_uj * per_uj)


def _candidates(ground: Ground) -> Iterable[Advice]:
    for job in ground.jobs:
        if (fewer := _fewer_cpus(job)) is not None:
            yield fewer
    if ground.idle_gpu_uj:
        worst = max(ground.idle_gpu_uj, key=lambda name: ground.idle_gpu_uj[name])
        yield Advice(Topic.IDLE_GPUS, {"job": worst}, ground.idle_gpu_uj[worst])
    if (greener := _greener(ground)) is not None:
        yield greener
    if (memory := _memory_advice(ground.jobs)) is not None:
        yield memory


def _greener(ground: Ground) -> Advice | None:
    """Return the advice to wait for green hours, by what the jobs had emitted at the mean of the week."""
    mean, of_grid = ground.mean_g_per_kwh, ground.grid_g_per_kwh
    if mean is None or of_grid is None or ground.share_pct is None or mean <= of_grid:
        return None
    return Advice(
        Topic.GREENER,
        {"share": f"{ground.share_pct:.0f}"},
        saved_g=ground.energy_uj / UJ_PER_KWH * (mean - of_grid),
    )


def _fewer_cpus(job: JobEnergy) -> Advice | None:
    """Return how to ask for fewer CPUs, in the words the job was asked with; ``None`` where they are not known."""
    if not job.cpus or job.cpus < 2 or job.cpu_efficiency is None or job.cpu_efficiency >= 0.5 or not job.parts:
        return None
    remedy = _remedy(job)
    if remedy is None:
        return None
    option, cpus = remedy
    values = {
        "job": job.display_id,
        "busy": f"{job.cpus * job.cpu_efficiency:.1f}",
        "cpus": str(job.cpus),
        "option": option,
    }
    saved_uj = round(job.parts.idle_uj * (1 - cpus / job.cpus))
    topic = Topic.WHOLE_NODE if option == _EXCLUSIVE else Topic.IDLE_CPUS
    return Advice(topic, values, saved_uj)


def _remedy(job: JobEnergy) -> tuple[str, int] | None:
    """Return the option to change, and how many CPUs the job would have then."""
    if job.tasks is None or job.cpus_per_task is None or not job.cpus or "+" in job.display_id:
        return None
    asked = job.tasks * job.cpus_per_task
    if job.cpus > 2 * asked:  # whole nodes; twice is what threads of a core come to
        return _EXCLUSIVE, asked
    wanted = math.ceil(job.cpus * (job.cpu_efficiency or 0.0) - 1e-9)
    if job.cpus_per_task == 1 and job.tasks > 1:
        return f"--ntasks={max(1, wanted)}", max(1, wanted)
    each = max(1, math.ceil(wanted / job.tasks))
    return (f"--cpus-per-task={each}", each * job.tasks) if each < job.cpus_per_task else None


def _memory_advice(jobs: Sequence[JobEnergy]) -> Advice | None:
    wasteful = [job for job in jobs if _wasted_mib(job) >= WASTED_MIB]
    if not wasteful:
        return None
    job = max(wasteful, key=_wasted_mib)
    used_mib, reserved_mib = job.peak_memory_mib or 0, job.memory_mib or 0
    wanted_gib = math.ceil((used_mib * MARGIN + RESERVE_MIB) / 1024)
    values = {
        "job": job.display_id,
        "reserved": f"{reserved_mib / 1024:.0f}",
        "used": f"{used_mib / 1024:.1f}",
        "option": f"--mem={wanted_gib}G",
    }
    idle_uj = job.parts.idle_uj if job.parts else 0
    return Advice(Topic.MEMORY, values, round(idle_uj * (1 - wanted_gib * 1024 / reserved_mib)))


def _wasted_mib(job: JobEnergy) -> float:
    """Return the memory nobody can have needed; 0 where what all tasks held is not known, or too little was there."""
    if job.memory_mib is None or job.peak_memory_mib is None or len(job.nodes) != 1 or job.state != "COMPLETED":
        return 0.0
    return job.memory_mib - 2 * (job.peak_memory_mib * MARGIN + RESERVE_MIB)
