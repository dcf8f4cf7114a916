"""Long jobs of volunteers pause for greener hours: at a checkpoint they stop, and go on when it pays.

A job longer than ``every_hours`` becomes parts that follow one another; each but the last writes a
checkpoint, each but the first reads one, together ``overhead_minutes``, at full power. At a checkpoint the
job gives its processors back and the next part enters the queue at the job's old place: at once, or at the
start within what is left of the slack at which the forecast makes the part ``min_gain_pct`` greener. So the
honest costs are in it: the overhead whether it pauses or not, and that processors given back may be gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vispa_green_sim.gate import QueueView
from vispa_green_sim.interventions import Intervention, InterventionError, Knowledge, Stage, Trial
from vispa_green_sim.interventions._foreseen import Foreseen
from vispa_green_sim.workload import Workload

STEP_S = 900


@dataclass(frozen=True, slots=True)
class Suspend:
    """Splits the jobs and sets a gate before all parts but the first."""

    every_s: int
    overhead_s: int
    slack_s: int
    min_gain: float
    stage: Stage = Stage.PARTS

    def __post_init__(self) -> None:
        if self.every_s < 900 or self.overhead_s < 0 or self.slack_s < 0:
            raise InterventionError(
                "suspend: every_hours is at least 0.25, overhead_minutes and slack_hours 0 or more"
            )

    def applied(self, trial: Trial, knowledge: Knowledge) -> Trial:
        """Return the trial with the long jobs in parts."""
        rows, runs, requests = self._parts(trial.workload, trial.adopting(knowledge))
        workload = _split(trial.workload, rows, runs, requests)
        if trial.pace is not None:
            raise InterventionError(
                "suspend: twice in one scenario, or with another intervention that sets the pace; keep one"
            )
        origin = [trial.origin[row] for row in rows]
        later = [row > 0 and rows[row - 1] == rows[row] for row in range(len(rows))]
        gate = _Pauses(Foreseen(knowledge.forecasts), self, workload, origin)
        parted = replace(
            trial, workload=workload, job_mw=[trial.job_mw[row] for row in rows], origin=origin, pace=gate.pace
        )
        return parted.with_gate(gate, later, of_parts=True)

    def _parts(self, jobs: Workload, adopting: Sequence[bool]) -> tuple[list[int], list[int], list[int]]:
        """Return for each row of the new workload its old row, run time and request."""
        rows: list[int] = []
        runs: list[int] = []
        requests: list[int] = []
        for row, (run, request, takes_part) in enumerate(zip(jobs.run_s, jobs.request_s, adopting, strict=True)):
            done = 0
            while takes_part and run - done > self.every_s:
                rows.append(row)
                runs.append(self.every_s + self.overhead_s)
                requests.append(self.every_s + self.overhead_s)
                done += self.every_s
            rows.append(row)
            runs.append(run - done)
            limit = request - done
            requests.append(max(run - done, min(limit, self.every_s)) if takes_part and limit > 0 and done else limit)
        return rows, runs, requests


class _Pauses:
    """The gate before later parts. It learns from the engine's asking for the pace when a part began."""

    def __init__(self, foreseen: Foreseen, rule: Suspend, workload: Workload, origin: Sequence[int]) -> None:
        self._foreseen, self._rule = foreseen, rule
        self._run_s, self._origin = workload.run_s, origin
        self._end_s: dict[int, int] = {}
        self._start_s: dict[int, int] = {}
        self._slack_s: dict[int, int] = {}

    def pace(self, job: int, start_s: int) -> int:
        """Return the run time, unchanged, and remember when it ends."""
        run = self._run_s[job]
        self._end_s[job] = start_s + run
        return run

    def ask(self, job: int, now: int, view: QueueView) -> int:
        before = self._end_s.get(job - 1)
        if before is None:
            return now + self._run_s[job - 1]  # it has not begun, so it cannot have ended by then
        if before > now:
            return before
        if job not in self._start_s:
            self._start_s[job] = self._greenest(job, now)
        return max(self._start_s[job], now)

    def _greenest(self, job: int, now: int) -> int:
        owner = self._origin[job]
        slack = self._slack_s.get(owner, self._rule.slack_s)
        length = max(1, round(self._run_s[job] / STEP_S))
        ahead = self._foreseen.means(now, STEP_S, slack // STEP_S + 1 + length)
        starts = len(ahead) - length  # what ends beyond the horizon is not considered
        if starts < 1:
            return now
        area = np.concatenate(([0.0], np.cumsum(ahead)))
        means = (area[length : length + starts] - area[:starts]) / length
        best = int(np.argmin(means))
        if not means[best] < means[0] * (1 - self._rule.min_gain):
            return now
        self._slack_s[owner] = slack - best * STEP_S
        return now + best * STEP_S


def _split(jobs: Workload, rows: Sequence[int], runs: list[int], requests: list[int]) -> Workload:
    parted = jobs.picked(rows)
    ids: list[str] = []
    part = 0
    for row, name in enumerate(parted.job_id):
        part = part + 1 if row and rows[row - 1] == rows[row] else 0
        ids.append(f"{name}.{part}" if part else name)
    changed: dict[str, Any] = {"job_id": ids, "run_s": runs, "request_s": requests}
    return replace(parted, **changed)


def intervention(
    *, every_hours: float = 6, overhead_minutes: float = 5, slack_hours: float = 12, min_gain_pct: float = 5
) -> Intervention:
    """Return the intervention; ``slack_hours`` is the longest that a job pauses in total."""
    return Suspend(
        round(every_hours * 3600), round(overhead_minutes * 60), round(slack_hours * 3600), min_gain_pct / 100
    )
