"""The future as it came, 48 hours ahead: an upper bound, and called what it is. Nobody has such a forecast."""

from __future__ import annotations

from vispa_green.model import Signal
from vispa_green_sim.forecasts import Forecasts, Options
from vispa_green_sim.forecasts._views import View
from vispa_green_sim.grid import GridClock

AHEAD_S = 48 * 3600


class Oracle:
    """Knows 48 hours at least, in chunks of a day."""

    def __init__(self, clock: GridClock, options: Options) -> None:
        """Keep the clock."""
        self.clock = clock
        self._step = options.step_s
        self._last: tuple[int, View] | None = None

    def issued(self, now_s: int) -> Signal:
        """Return the view at a second of the workload; a new one each day of the workload's."""
        begin = now_s - now_s % 86_400
        if self._last is None or self._last[0] != begin:
            values = self.clock.values_between(begin, begin + 86_400 + AHEAD_S, self._step)
            whole = (86_400 + AHEAD_S) // self._step
            self._last = (
                begin,
                View(self.clock.series.quantity, self.clock.moment(begin), self._step, values[:whole]),
            )
        return self._last[1]


def forecasts(clock: GridClock, options: Options) -> Forecasts:
    """Return the forecasts."""
    return Oracle(clock, options)
