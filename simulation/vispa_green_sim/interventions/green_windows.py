"""Volunteers' jobs wait for green windows, chosen by the production's own policy objects.

The policy sees the forecast as it was issued, a job's time limit and processors, and, if it looks at the
queue, the machine ahead as `squeue` and `sinfo` would tell it. It is never told when jobs really end or
who comes next. Held jobs keep their place in the queue.
"""

from __future__ import annotations

from dataclasses import dataclass

from vispa_green.model import Policy
from vispa_green.policies import POLICIES
from vispa_green_sim.interventions import Intervention, InterventionError, Knowledge, Stage, Trial
from vispa_green_sim.interventions._policy_gate import PolicyGate


@dataclass(frozen=True, slots=True)
class GreenWindows:
    """Sets a gate before the jobs of those who take part."""

    policy: Policy
    slack_s: int
    stage: Stage = Stage.GATES

    def __post_init__(self) -> None:
        if self.slack_s < 0:
            raise InterventionError(f"green_windows: a slack of {self.slack_s} s; give 0 or more")

    def applied(self, trial: Trial, knowledge: Knowledge) -> Trial:
        """Return the trial with the gate."""
        asked = trial.adopting(knowledge)
        return trial.with_gate(
            PolicyGate(self.policy, knowledge.forecasts, self.slack_s, trial.workload, asked), asked
        )


def intervention(*, policy: str = "queue_aware", slack_hours: float = 12) -> Intervention:
    """Return the intervention; ``slack_hours`` is the longest that a job is held."""
    return GreenWindows(POLICIES.make(policy, None, {}), round(slack_hours * 3600))
