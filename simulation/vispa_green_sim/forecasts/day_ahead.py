"""What energy-charts would have shown: the past as it came, then up to its horizon a forecast with errors.

No archive of issued forecasts of intensity is public, so each is what came times (1 + e), where e
wanders (AR(1)) with a standard deviation to be set. A new issue has new errors; the same seed the same.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np

from vispa_green.model import Signal
from vispa_green_sim.forecasts import Forecasts, Options
from vispa_green_sim.forecasts._views import Floats, Issue, View, issue_at
from vispa_green_sim.grid import GridClock


class DayAhead:
    """Two issues a day; each view is made once. Between issues the past does not grow in the view."""

    def __init__(self, clock: GridClock, options: Options) -> None:
        """Keep the clock; nothing is made before it is asked for."""
        self.clock = clock
        self._options = options
        self._views: dict[Issue, View] = {}
        self._last: tuple[int, int, View] | None = None  # from, until, view: most questions follow each other

    def issued(self, now_s: int) -> Signal:
        """Return the view in force at a second of the workload."""
        if self._last is not None and self._last[0] <= now_s < self._last[1]:
            return self._last[2]
        issue = issue_at(self.clock.moment(now_s))
        if issue not in self._views:
            self._views[issue] = self._view(issue)
        view = self._views[issue]
        self._last = (self._second(issue.at), self._second(issue.until), view)
        return view

    def _view(self, issue: Issue) -> View:
        step = self._options.step_s
        now, end = self._second(issue.at), self._second(issue.horizon)
        oldest = max(now - self._options.history_s, self._second(self.clock.series.start))
        begin = now - (now - oldest) // step * step  # later than now if the series begins after the issue
        truth = self.clock.values_between(begin, end, step)[: (end - begin) // step]
        seen = max(0, (now - begin) // step)
        errors = self._errors(issue, len(truth) - seen)
        values = np.concatenate((truth[:seen], truth[seen:] * np.maximum(0.0, 1 + errors)))
        return View(self.clock.series.quantity, self.clock.moment(begin), step, values)

    def _errors(self, issue: Issue, steps: int) -> Floats:
        dice = np.random.default_rng([self._options.seed, int(issue.at.timestamp())])
        shocks = dice.normal(0.0, self._options.relative_error, steps)
        memory, error = self._options.memory, 0.0
        innovation = (1 - memory**2) ** 0.5
        errors = np.empty(steps)
        for step in range(steps):  # begins at 0: the next quarter of an hour is known best
            error = memory * error + innovation * shocks[step]
            errors[step] = error
        return errors

    def _second(self, moment: datetime) -> int:
        return int((moment - self.clock.start).total_seconds())


def forecasts(clock: GridClock, options: Options) -> Forecasts:
    """Return the forecasts."""
    return DayAhead(clock, options)
