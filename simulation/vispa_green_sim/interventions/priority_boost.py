"""Priority as a thank-you: the jobs of volunteers stand in the queue as if submitted some hours earlier."""

from __future__ import annotations

from dataclasses import dataclass, replace

from vispa_green_sim.interventions import Intervention, InterventionError, Knowledge, Stage, Trial


@dataclass(frozen=True, slots=True)
class PriorityBoost:
    """The others pay for it, which a study shows: it is why the intervention is there."""

    hours: float
    stage: Stage = Stage.QUEUE

    def __post_init__(self) -> None:
        if self.hours <= 0:
            raise InterventionError(f"priority_boost: hours = {self.hours}; give a positive number")

    def applied(self, trial: Trial, knowledge: Knowledge) -> Trial:
        """Return the trial with another order of the queue."""
        bonus_s, submit_s = round(self.hours * 3600), trial.workload.submit_s
        standing = [
            submitted - bonus_s if takes_part else submitted
            for submitted, takes_part in zip(submit_s, trial.adopting(knowledge), strict=True)
        ]
        place = [0] * len(standing)
        for rank, row in enumerate(sorted(range(len(standing)), key=standing.__getitem__)):
            place[row] = rank
        return replace(trial, place=place)


def intervention(*, hours: float = 6) -> Intervention:
    """Return the intervention; ``hours`` is the head start of a volunteer's job."""
    return PriorityBoost(hours)
