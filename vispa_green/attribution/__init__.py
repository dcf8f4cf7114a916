"""Models that split a shared component's energy, one file each; a file defines ``model(options)``."""

from vispa_green.model import AttributionModel
from vispa_green.registry import Registry

MODELS: Registry[AttributionModel] = Registry("attribution model", __name__, "model")
