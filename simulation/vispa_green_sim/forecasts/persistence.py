"""No service at all: tomorrow is as today was. Each hour ahead has the last known value of that hour of the day."""

from __future__ import annotations

import numpy as np

from vispa_green.model import Signal
from vispa_green_sim.errors import SeriesError
from vispa_green_sim.forecasts import Forecasts, Options
from vispa_green_sim.forecasts._views import View
from vispa_green_sim.grid import GridClock

DAY_S = 86_400


class Persistence:
    """Knows the last 24 hours, and repeats them for the next 48."""

    def __init__(self, clock: GridClock, options: Options) -> None:
        """Keep the clock."""
        self.clock = clock
        self._step = options.step_s
        self._last: tuple[int, View] | None = None

    def issued(self, now_s: int) -> Signal:
        """Return the view at a second of the workload; a new one each step. Raise `SeriesError` on the first day."""
        now = now_s - now_s % self._step
        if self._last is None or self._last[0] != now:
            begin = now - DAY_S
            if self.clock.moment(begin) < self.clock.series.start:
                raise SeriesError("persistence needs a day of the series before the workload; choose a later start")
            day = self.clock.values_between(begin, now, self._step)[: DAY_S // self._step]
            view = View(self.clock.series.quantity, self.clock.moment(begin), self._step, np.tile(day, 3))
            self._last = (now, view)
        return self._last[1]


def forecasts(clock: GridClock, options: Options) -> Forecasts:
    """Return the forecasts."""
    return Persistence(clock, options)
