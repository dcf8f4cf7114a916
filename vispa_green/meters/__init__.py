"""Energy sources of a node, one file each; a file defines ``make(host, options)``, which returns its meters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vispa_green.registry import Variants

if TYPE_CHECKING:
    from vispa_green.model import Meter

METERS: Variants[Sequence[Meter]] = Variants("meter", __name__, "meters")
