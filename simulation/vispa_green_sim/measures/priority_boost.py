"""Priority as a thank-you: the jobs of volunteers stand in the queue as if submitted some hours earlier."""

from __future__ import annotations

from dataclasses import dataclass, replace

from vispa_green_sim.measures import Measure, MeasureError, Plan, Setting, Stage


@dataclass(frozen=True, slots=True)
class PriorityBoost:
    """The others pay for it, which a study shows: it is why the measure is there."""

    hours: float
    stage: Stage = Stage.QUEUE

    def __post_init__(self) -> None:
        if self.hours <= 0:
            raise MeasureError(f"priority_boost: hours = {self.hours}; give a positive number")

    def applied(self, plan: Plan, setting: Setting) -> Plan:
        """Return the plan with another order of the queue."""
        bonus_s, submit_s = round(self.hours * 3600), plan.workload.submit_s
        standing = [
            submitted - bonus_s if takes_part else submitted
            for submitted, takes_part in zip(submit_s, plan.adopting(setting), strict=True)
        ]
        place = [0] * len(standing)
        for rank, row in enumerate(sorted(range(len(standing)), key=standing.__getitem__)):
            place[row] = rank
        return replace(plan, place=place)


def measure(*, hours: float = 6) -> Measure:
    """Return the measure; ``hours`` is the head start of a volunteer's job."""
    return PriorityBoost(hours)
