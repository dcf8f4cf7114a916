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
from vispa_green_sim.measures import Measure, MeasureError, Plan, Setting, Stage
from vispa_green_sim.measures._foreseen import Foreseen

STEP_S = 900


@dataclass(frozen=True, slots=True)
class GreenPartition:
    """Open while now is among the greenest hours of the day ahead, as far as a forecast is published."""

    open_hours: float
    max_delay_s: int
    stage: Stage = Stage.GATES

    def __post_init__(self) -> None:
        if not 0 < self.open_hours <= 24 or self.max_delay_s < 0:
            raise MeasureError("green_partition: open_hours is from 0 to 24 of each day, max_delay_hours 0 or more")

    def applied(self, plan: Plan, setting: Setting) -> Plan:
        """Return the plan with a gate before the volunteers' jobs."""
        gate = _Doors(Foreseen(setting.forecasts), self.open_hours / 24, self.max_delay_s, plan.workload.submit_s)
        return plan.with_gate(gate, plan.adopting(setting))


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


def measure(*, open_hours: float = 8, max_delay_hours: float = 24) -> Measure:
    """Return the measure: open in the greenest ``open_hours`` in 24 of what the forecast shows ahead."""
    return GreenPartition(open_hours, round(max_delay_hours * 3600))
