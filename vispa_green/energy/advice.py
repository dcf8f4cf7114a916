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
from vispa_green.model import UJ_PER_KWH, JobFact
from vispa_green.sizing import rule
from vispa_green.sizing.words import memory_words, size_text

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
class MemoryNeed:
    """What memory jobs that are alike asked for and need, on each node."""

    last: JobFact
    """The one that was submitted last."""
    asked_mib: float | None
    advice: rule.Advice


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
    needs: Sequence[MemoryNeed] = ()
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
    if (memory := _memory_advice(ground)) is not None:
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


def _memory_advice(ground: Ground) -> Advice | None:
    need = max(ground.needs, key=_wasted_mib, default=None)
    if need is None or need.advice.amount is None or not need.asked_mib or _wasted_mib(need) < WASTED_MIB:
        return None
    options = memory_words(need.advice.amount, need.last)
    values = {
        "job": need.last.display_id,
        "reserved": size_text(need.asked_mib),
        "runs": str(need.advice.runs),
        "used": size_text(need.advice.most_used),
        "option": options[0],
    }
    idle_uj = sum(job.parts.idle_uj for job in ground.jobs if job.parts and job.display_id == need.last.display_id)
    return Advice(Topic.MEMORY, values, round(idle_uj * (1 - need.advice.amount / need.asked_mib)))


def _wasted_mib(need: MemoryNeed) -> float:
    """Return the memory that could go to others; 0 where no less is advised."""
    if need.advice.amount is None or need.asked_mib is None or need.advice.ground is not rule.Ground.LESS:
        return 0.0
    return (need.asked_mib - need.advice.amount) * (len(need.last.nodes) or 1)
