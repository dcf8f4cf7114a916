"""Models that split a shared component's energy, one file each; a file defines ``make(host, options)``."""

from vispa_green.model import AttributionModel
from vispa_green.registry import Variants

MODELS: Variants[AttributionModel] = Variants("attribution model", __name__, "attribution")
