"""A forecast as an array of equal steps from now on, as far as it reaches."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np
import numpy.typing as npt

from vispa_green.errors import NotCovered
from vispa_green.model import Signal
from vispa_green_sim.forecasts import Forecasts


class Foreseen:
    """Reads each published view once, by its own edges."""

    def __init__(self, forecasts: Forecasts) -> None:
        """Keep the forecasts."""
        self._forecasts = forecasts
        self._signal: Signal | None = None
        self._edges_s = np.empty(0)
        self._area = np.empty(0)

    def means(self, now_s: int, step_s: int, steps: int) -> npt.NDArray[np.float64]:
        """Return the means of the next ``steps`` steps, as foreseen now; fewer where the forecast ends before."""
        signal = self._forecasts.issued(now_s)
        if signal is not self._signal or now_s < self._edges_s[0]:
            self._read(signal, now_s)
        if now_s < self._edges_s[0]:
            return np.empty(0)
        known = min(steps, int((self._edges_s[-1] - now_s) // step_s))
        area = np.interp(now_s + step_s * np.arange(known + 1), self._edges_s, self._area)
        means: npt.NDArray[np.float64] = np.diff(area) / step_s
        return means

    def _read(self, signal: Signal, now_s: int) -> None:
        """Take in the steps from the one that holds ``now_s`` up to the first gap."""
        clock = self._forecasts.clock
        moment = clock.moment(now_s)
        edges = list(signal.edges)
        first = max(0, bisect_right(edges, moment) - 1)
        times: list[float] = [(edges[first] - clock.start).total_seconds()] if edges else [float("inf")]
        area = [0.0]
        for start, end in zip(edges[first:], edges[first + 1 :], strict=False):
            try:
                mean = signal.mean(start, end)
            except NotCovered:
                break
            times.append((end - clock.start).total_seconds())
            area.append(area[-1] + mean * (times[-1] - times[-2]))
        self._signal, self._edges_s, self._area = signal, np.array(times), np.array(area)
