"""Sources of grid data, one file each; a file defines ``make(host, options) -> GridProvider``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vispa_green.registry import Variants

if TYPE_CHECKING:
    from vispa_green.model import GridProvider

PROVIDERS: Variants[GridProvider] = Variants("grid provider", __name__, "grid")
