"""What a value of the German grid can be; beyond it, the series is not what we take it for."""

from __future__ import annotations

import math

from vispa_green.errors import GridDataError
from vispa_green.model import Quantity

LIMITS = {Quantity.RENEWABLE_SHARE: (0.0, 1000.0), Quantity.CARBON_INTENSITY: (0.0, 2000.0)}
"""Shares of load above 100 % are real (141 % was seen: the rest is exported); lignite makes about 1100 g/kWh."""


def checked(value: object, quantity: Quantity, where: str) -> float:
    """Return the value; raise `GridDataError` if it is no number or outside the limits."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise GridDataError(f"{where}: {value!r} is no number")
    low, high = LIMITS[quantity]
    if not low <= value <= high:
        raise GridDataError(f"{where}: {value:g} is outside {low:g} .. {high:g} for {quantity}")
    return float(value)
