"""Bins that are worth most: boundaries learnt for signal significance, in one score or in several.

Two calls: ``binning = learn_bins(signal, background, 5)`` and ``binning.histogram(scores, weights)``. Needs numpy
only; Optuna, hist and matplotlib are imported by what uses them. Nothing of ``vispa_green`` is imported.
"""

try:
    import numpy  # noqa: F401 - only asked whether it is there
except ModuleNotFoundError as absent:
    raise ModuleNotFoundError("numpy is not installed; run: pip install 'vispa-green[binning]'") from absent

from vispa_green_binning.binning import Binning, Counts, IntervalBinning, MixtureBinning, load, save, to_hist
from vispa_green_binning.errors import BinningError, MissingExtra
from vispa_green_binning.evaluation import Evaluation, evaluate
from vispa_green_binning.learning import METHODS, learn_bins
from vispa_green_binning.sample import Sample

__all__ = [
    "learn_bins",
    "METHODS",
    "Binning",
    "IntervalBinning",
    "MixtureBinning",
    "Counts",
    "save",
    "load",
    "to_hist",
    "evaluate",
    "Evaluation",
    "Sample",
    "BinningError",
    "MissingExtra",
]
