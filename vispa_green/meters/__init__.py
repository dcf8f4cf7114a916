"""Energy sources of a node, one file each; a file defines ``make(host, options)``, which returns its meters."""

from collections.abc import Sequence

from vispa_green.model import Meter
from vispa_green.registry import Variants

METERS: Variants[Sequence[Meter]] = Variants("meter", __name__, "meters")
