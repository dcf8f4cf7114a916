"""Models that split a shared component's energy, one file each; a file defines ``make(host, options)``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vispa_green.registry import Variants

if TYPE_CHECKING:
    from vispa_green.model import AttributionModel

MODELS: Variants[AttributionModel] = Variants("attribution model", __name__, "attribution")
