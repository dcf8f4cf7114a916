"""Idle nodes are switched off and woken up for jobs, which wait for the boot."""

from __future__ import annotations

from dataclasses import dataclass, replace

from vispa_green_sim.interventions import Intervention, Knowledge, Stage, Trial
from vispa_green_sim.sleep import Sleep


@dataclass(frozen=True, slots=True)
class SleepIdle:
    """A rule of the site: nobody has to take part."""

    after_s: int
    spare: int
    stage: Stage = Stage.QUEUE

    def applied(self, trial: Trial, knowledge: Knowledge) -> Trial:
        """Return the trial in which idle nodes sleep."""
        return replace(trial, sleep=Sleep(self.after_s, self.spare))


def intervention(*, after_minutes: float = 10, spare: int = 0) -> Intervention:
    """Return the intervention: off after ``after_minutes`` without a job, with ``spare`` idle nodes kept awake."""
    return SleepIdle(round(after_minutes * 60), spare)
