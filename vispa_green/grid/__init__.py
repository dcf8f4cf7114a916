"""Sources of grid data, one file each; a file defines ``provider(options) -> GridProvider``."""

from vispa_green.model import GridProvider
from vispa_green.registry import Registry

PROVIDERS: Registry[GridProvider] = Registry("grid provider", __name__, "provider")
