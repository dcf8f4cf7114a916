"""Idle nodes are switched off and woken up for jobs, which wait for the boot."""

from __future__ import annotations

from dataclasses import dataclass, replace

from vispa_green_sim.measures import Measure, Plan, Setting, Stage
from vispa_green_sim.sleep import Sleep


@dataclass(frozen=True, slots=True)
class SleepIdle:
    """A rule of the site: nobody has to take part."""

    after_s: int
    spare: int
    stage: Stage = Stage.QUEUE

    def applied(self, plan: Plan, setting: Setting) -> Plan:
        """Return the plan in which idle nodes sleep."""
        return replace(plan, sleep=Sleep(self.after_s, self.spare))


def measure(*, after_minutes: float = 10, spare: int = 0) -> Measure:
    """Return the measure: off after ``after_minutes`` without a job, with ``spare`` idle nodes kept awake."""
    return SleepIdle(round(after_minutes * 60), spare)
