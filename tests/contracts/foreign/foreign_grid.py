"""A grid that turns green once and for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from vispa_green.errors import GridUnavailable
from vispa_green.host import Host
from vispa_green.model import GridKind, GridProvider, GridValue, Quantity
from vispa_green.settings import number, text

NAME = "foreign_grid"


@dataclass(frozen=True, slots=True)
class Options:
    """The table ``[grid.foreign_grid]``: when it turns green, and how brown it is before."""

    green_from: str = text("")
    gco2_per_kwh: float = number(500.0, above=100)


@dataclass(frozen=True, slots=True)
class TurningGrid:
    """Tells two values of each quantity."""

    green_from: str
    gco2_per_kwh: float
    name: str = NAME

    def fetch(self, start: datetime, end: datetime, now: datetime) -> Sequence[GridValue]:
        """Return what lies in the span; raise `GridUnavailable` where no turn is declared."""
        if not self.green_from:
            raise GridUnavailable("no turn is declared: set [grid.foreign_grid] green_from")
        turn = min(max(datetime.fromisoformat(self.green_from), start), end)
        steps = [
            (start, turn, {Quantity.CARBON_INTENSITY: self.gco2_per_kwh, Quantity.RENEWABLE_SHARE: 10.0}),
            (turn, end, {Quantity.CARBON_INTENSITY: 100.0, Quantity.RENEWABLE_SHARE: 90.0}),
        ]
        return [
            GridValue(quantity, GridKind.FORECAST, begin, until, value, NAME, now, now)
            for begin, until, values in steps
            if begin < until
            for quantity, value in values.items()
        ]


def make(host: Host | None, options: Options) -> GridProvider:
    """Return the provider."""
    return TurningGrid(options.green_from, options.gco2_per_kwh)
