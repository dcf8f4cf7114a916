"""Memory requests are cut to what jobs really used, plus a margin, so that more jobs share a node.

It only helps where memory is what jobs wait for: on machines with nodes (``scheduler = "slurm_like"``). A
machine that is merely counted in processors has no memory to run out of.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from vispa_green_sim.interventions import Intervention, InterventionError, Knowledge, Stage, Trial


@dataclass(frozen=True, slots=True)
class RightSizeMemory:
    """Never asks for more than before, and never for less than was used."""

    margin: float
    unknown_use_pct: float | None
    stage: Stage = Stage.JOBS

    def __post_init__(self) -> None:
        if self.margin < 1:
            raise InterventionError(f"right_size_memory: a margin of {self.margin} would kill jobs; take 1.0 or more")
        if self.unknown_use_pct is not None and not 0 < self.unknown_use_pct <= 100:
            raise InterventionError(
                "right_size_memory: unknown_use_pct is a part of the request, above 0 and up to 100"
            )

    def applied(self, trial: Trial, knowledge: Knowledge) -> Trial:
        """Return the trial with smaller requests where the history knows what was used."""
        wanted, used = trial.workload.memory_mib, trial.workload.used_memory_mib
        if self.unknown_use_pct is not None:
            known = used if len(used) else [0] * len(wanted)
            used = [
                peak or -int(-asked * self.unknown_use_pct // 100) for asked, peak in zip(wanted, known, strict=True)
            ]
        if not len(wanted) or not used:
            missing = "memory requests" if not len(wanted) else "used memory"
            raise InterventionError(
                f"right_size_memory: {trial.workload.name} has no {missing}; take it out of the scenario, "
                "or use a history with both (sacct: ReqMem and MaxRSS)"
            )
        adopting = trial.adopting(knowledge)
        fitting = [
            min(asked, -int(-peak * self.margin // 1)) if takes_part and peak > 0 and asked > 0 else asked
            for asked, peak, takes_part in zip(wanted, used, adopting, strict=True)
        ]
        return replace(trial, workload=replace(trial.workload, memory_mib=fitting))


def intervention(*, margin: float = 1.2, unknown_use_pct: float | None = None) -> Intervention:
    """Return the intervention: requests become at most ``margin`` × the memory used.

    Where the history does not know the use, the request stays, or ``unknown_use_pct`` of it is taken for
    the use: an assumption, to be named as one.
    """
    return RightSizeMemory(margin, unknown_use_pct)
