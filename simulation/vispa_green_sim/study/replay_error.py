"""How well the simulation replays what happened: printed before anything else a study says.

As FastSim defines it (HPE, ISC'23): the moving mean of the wait over two weeks, simulated against
recorded; their mean absolute percentage error. Here there is one point a day, for jobs by submission.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vispa_green_sim.result import Run

WINDOW_S = 14 * 86_400
DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class ReplayError:
    """The reference run against the record; ``None`` where the history does not record starts."""

    mape_pct: float | None
    recorded_mean_wait_s: float | None
    simulated_mean_wait_s: float
    jobs: int
    """Jobs with a recorded start."""


def replay_error(run: Run) -> ReplayError:
    """Return the error of a run without interventions and without shaking."""
    simulated = run.wait_s.astype(np.float64)
    mean = float(simulated.mean())
    if not len(run.workload.recorded_start_s):
        return ReplayError(None, None, mean, 0)
    submit = np.asarray(run.workload.submit_s, dtype=np.int64)
    start = np.asarray(run.workload.recorded_start_s, dtype=np.int64)
    known = start >= submit
    if not known.any():
        return ReplayError(None, None, mean, 0)
    submit, recorded, simulated = submit[known], (start - submit)[known].astype(np.float64), simulated[known]
    days = np.arange(submit[0] + WINDOW_S, submit[-1] + DAY_S, DAY_S)
    first, last = np.searchsorted(submit, days - WINDOW_S), np.searchsorted(submit, days)
    mape = _mape(*(_window_means(waits, first, last) for waits in (recorded, simulated)))
    return ReplayError(mape, float(recorded.mean()), mean, int(known.sum()))


def _window_means(waits: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    total = np.concatenate(([0.0], np.cumsum(waits)))
    count = last - first
    return np.where(count > 0, (total[last] - total[first]) / np.maximum(count, 1), np.nan)


def _mape(recorded: np.ndarray, simulated: np.ndarray) -> float | None:
    usable = np.isfinite(recorded) & (recorded > 0)
    if not usable.any():
        return None
    return float(np.mean(np.abs(simulated[usable] - recorded[usable]) / recorded[usable]) * 100)
