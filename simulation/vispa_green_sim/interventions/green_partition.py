"""A partition for volunteers whose jobs start in green hours only.

A site opens and shuts it with ``scontrol update PartitionName=green State=UP`` (or ``DOWN``). Unlike a
green window it knows nothing of a job's length. A job that waited ``max_delay_hours`` starts all the
same. Running jobs go on when the partition closes, as they do in Slurm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vispa_green_sim.gate import QueueView
from vispa_green_sim.interventions import Intervention, InterventionError, Knowledge, Stage, Trial
from vispa_green_sim.interventions._foreseen import Foreseen

STEP_S = 900


@dataclass(frozen=True, slots=True)
class GreenPartition:
    """Open while now is among the greenest hours of the day ahead, as far as a forecast is published."""

    open_hours: float
    max_delay_s: int
    stage: Stage = Stage.GATES

    def __post_init__(self) -> None:
        if not 0 < self.open_hours <= 24 or self.max_delay_s < 0:
            raise InterventionError(
                "green_partition: open_hours is from 0 to 24 of each day, max_delay_hours 0 or more"
            )

    def applied(self, trial: Trial, knowledge: Knowledge) -> Trial:
        """Return the trial with a gate before the volunteers' jobs."""
        gate = _Doors(Foreseen(knowledge.forecasts), self.open_hours / 24, self.max_delay_s, trial.workload.submit_s)
        return trial.with_gate(gate, trial.adopting(knowledge))


class _Doors:
    """Knows from the forecast of each quarter-hour when the partition opens next."""

    def __init__(self, foreseen: Foreseen, open_part: float, max_delay_s: int, submit_s: Sequence[int]) -> None:
        self._foreseen, self._open_part = foreseen, open_part
        self._max_delay_s, self._submit_s = max_delay_s, submit_s
        self._slot, self._opens = -1, 0

    def ask(self, job: int, now: int, view: QueueView) -> int:
        deadline = self._submit_s[job] + self._max_delay_s
        slot = now - now % STEP_S
        if slot != self._slot:
            self._slot, self._opens = slot, slot + self._steps_until_green(slot) * STEP_S
        return min(max(self._opens, now), deadline)

    def _steps_until_green(self, slot: int) -> int:
        day = self._foreseen.means(slot, STEP_S, 96)
        if not len(day):
            return 0  # nothing is known ahead: no reason to hold anyone
        limit = np.sort(day)[max(0, round(self._open_part * len(day)) - 1)]
        return int(np.argmax(day <= limit))


def intervention(*, open_hours: float = 8, max_delay_hours: float = 24) -> Intervention:
    """Return the intervention: open in the greenest ``open_hours`` in 24 of what the forecast shows ahead."""
    return GreenPartition(open_hours, round(max_delay_hours * 3600))
