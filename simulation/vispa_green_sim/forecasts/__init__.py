"""What policies may see of the grid, one file each; a file defines ``forecasts(clock, options) -> Forecasts``.

A view is what had been published at its time and no more: past values as they came, then a forecast up
to the horizon of the service, then nothing. energy-charts.info reaches to the end of today (German
time), from 18:00 to the end of tomorrow. Accounts use `vispa_green_sim.grid`, never this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from vispa_green.model import Signal
from vispa_green.registry import Registry
from vispa_green_sim.grid import GridClock


@dataclass(frozen=True, slots=True)
class Options:
    """How forecasts are made of what came."""

    step_s: int = 900
    """A quarter of an hour, as German grid data come."""
    relative_error: float = 0.1
    """Standard deviation of the error, as a part of the value."""
    memory: float = 0.97
    """How much of a step's error is in the next one's (AR(1))."""
    seed: int = 1
    history_s: int = 8 * 86_400
    """So much of the past is in a view."""


class Forecasts(Protocol):
    """The views of one workload's time."""

    @property
    def clock(self) -> GridClock:
        """Where dates and seconds meet."""

    def issued(self, now_s: int) -> Signal:
        """Return what a policy may see at a second of the workload. Between two issues it is the same object."""


FORECASTS: Registry[Forecasts] = Registry("forecast", __name__, "forecasts")


def forecasts_of(name: str, clock: GridClock, options: Options | None = None) -> Forecasts:
    """Return the forecasts of that name: ``day_ahead``, ``persistence``, or, to be asked for by name, ``oracle``."""
    return FORECASTS.load(name)(clock, options or Options())
