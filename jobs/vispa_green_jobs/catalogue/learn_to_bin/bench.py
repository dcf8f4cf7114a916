"""One bench for every binning: learnt from one sample of a toy, judged on another, kept as one part of the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from vispa_green_binning import Binning, Evaluation, IntervalBinning, MixtureBinning, evaluate, learn_bins, save, toys
from vispa_green_binning.binning import Bins
from vispa_green_binning.toys import Toy

from vispa_green_jobs.context import RunContext
from vispa_green_jobs.files import write_whole
from vispa_green_jobs.shared.parts import once

if TYPE_CHECKING:
    from vispa_green_jobs.catalogue.learn_to_bin import Settings

BINARY, LIMITED, SEPARABLE = "binary", "limited", "separable"
"""One score; two scores of signals that resemble each other; two of signals that argmax separates."""
SEEDS = 2**31
"""Optuna takes no larger ones."""

Judged = Mapping[str, float]
"""What is kept of a binning: ``seen`` and ``unseen`` significance (of several signals: their geometric mean), and
the expected background of its emptiest bin, ``least_seen`` and ``least_unseen``."""


class Bench:
    """Samples, drawn when first asked for because a resumed run may need none, and what is learnt from them."""

    def __init__(self, settings: Settings, context: RunContext) -> None:
        self.settings, self._context = settings, context
        self._drawn: dict[tuple[str, str], Toy] = {}

    def learning(self, toy: str) -> Toy:
        """Return the events to learn from."""
        return self._toy(toy, "learning", 1)

    def unseen(self, toy: str) -> Toy:
        """Return the events to judge with."""
        return self._toy(toy, "test data", self.settings.unseen_factor)

    def learnt(self, sample: Toy, bins: int, method: str) -> Binning:
        """Return a binning by the plug-in."""
        return learn_bins(
            sample.signals,
            sample.background,
            bins,
            method,
            min_background=self.settings.min_background,
            seed=self._context.seed_of(f"learning by {method}") % SEEDS,
            effort=self.settings.effort,
        )

    def judged(self, toy: str, name: str, make: Callable[[], Bins]) -> Judged:
        """Return how the binning that ``make`` returns does on a toy. It is made once, its boundaries are kept."""

        def compute() -> Judged:
            binning = make()
            if isinstance(binning, IntervalBinning | MixtureBinning):
                write_whole(self.boundaries(toy, name), lambda temporary: save(binning, temporary))
            seen, unseen = on(binning, self.learning(toy)), on(binning, self.unseen(toy))
            return {
                "seen": seen.combined,
                "unseen": unseen.combined,
                "least_seen": seen.least_background,
                "least_unseen": unseen.least_background,
            }

        kept: Judged = once(self._context, f"{toy}-{name}", compute)
        return kept

    def boundaries(self, toy: str, name: str) -> Path:
        """Return the file with boundaries or regions; `vispa_green_binning.load` reads it."""
        return self._context.out / "bins" / f"{toy}-{name}.json"

    def _toy(self, toy: str, purpose: str, factor: int) -> Toy:
        if (toy, purpose) not in self._drawn:
            self._drawn[toy, purpose] = self._draw(toy, self._context.seed_of(f"{toy}: {purpose}"), factor)
        return self._drawn[toy, purpose]

    def _draw(self, toy: str, seed: int, factor: int) -> Toy:
        if toy == BINARY:
            signal, background = (factor * events for events in self.settings.binary_events)
            return toys.binary(seed, signal, background)
        signal, background = (factor * events for events in self.settings.three_class_events)
        return toys.three_class(seed, limited=toy == LIMITED, n_signal=signal, n_background=background)


def on(binning: Bins, sample: Toy) -> Evaluation:
    """Evaluate a binning on a sample."""
    return evaluate(binning, sample.signals, sample.background)
