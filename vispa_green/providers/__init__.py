"""Sources of grid data, one file each; a file defines ``make(host, options) -> GridProvider``."""

from vispa_green.model import GridProvider
from vispa_green.registry import Variants

PROVIDERS: Variants[GridProvider] = Variants("grid provider", __name__, "grid")
