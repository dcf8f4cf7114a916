"""Energy sources of a node, one file each; a file defines ``discover(host, options) -> list[Meter]``."""

from collections.abc import Sequence

from vispa_green.model import Meter
from vispa_green.registry import Registry

METERS: Registry[Sequence[Meter]] = Registry("meter", __name__, "discover")
