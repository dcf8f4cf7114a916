"""What is known of the grid, and who tells it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

QUARTER = timedelta(minutes=15)
"""The grain of the grid's series, hence of the ledger's roll-ups; a divisor of every time zone's offset."""


class Quantity(StrEnum):
    """A property of the grid's mix, with its unit in its name."""

    CARBON_INTENSITY = "gco2_per_kwh"
    RENEWABLE_SHARE = "renewable_share_pct"

    @property
    def lower_is_greener(self) -> bool:
        """Whether a smaller value means a greener grid."""
        return self is Quantity.CARBON_INTENSITY


class GridKind(StrEnum):
    """Whether a grid value was seen or foreseen."""

    MEASURED = "measured"
    FORECAST = "forecast"


@dataclass(frozen=True, slots=True)
class GridValue:
    """One value of a grid series over ``[start, end)``, with where it came from and when."""

    quantity: Quantity
    kind: GridKind
    start: datetime
    end: datetime
    value: float
    source: str
    issued_at: datetime
    fetched_at: datetime


class GridProvider(Protocol):
    """A source of German grid data."""

    @property
    def name(self) -> str:
        """The provider's registered name; stored with each of its values."""

    def fetch(self, start: datetime, end: datetime, now: datetime) -> Sequence[GridValue]:
        """Return what is known of ``[start, end)``; raise `GridError` when nothing usable came.

        A value that the service does not have is left out, never a zero.
        """
