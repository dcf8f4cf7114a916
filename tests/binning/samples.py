"""Small samples that any test can afford."""

from __future__ import annotations

import numpy as np
from vispa_green_binning import Sample


def line(seed: int = 0, events: int = 300) -> tuple[Sample, Sample]:
    """One score: 30 signal events over 2000 background events, weighted unevenly."""
    random = np.random.default_rng(seed)
    signal, background = random.beta(4, 1.5, events), random.beta(1.5, 4, 2 * events)
    weights = random.uniform(0.5, 1.5, 2 * events)
    return Sample.of((signal, 30 / events)), Sample.of((background, 2000 * weights / weights.sum()))


def plane(seed: int = 0, events: int = 1500) -> tuple[dict[str, Sample], Sample]:
    """Two softmax scores of two signals that resemble each other, over background."""
    random = np.random.default_rng(seed)
    shapes = {"a": (4, 2, 1.5), "b": (2, 4, 1.5), "background": (1.2, 1.2, 3)}
    drawn = {name: random.dirichlet(shape, events)[:, :2] for name, shape in shapes.items()}
    below = Sample.of((drawn.pop("background"), 2000 / events))
    return {name: Sample.of((scores, 40 / events)) for name, scores in drawn.items()}, below
