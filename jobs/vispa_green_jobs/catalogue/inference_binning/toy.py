"""The toy of the public neos demonstration: Gaussians in a plane, a background that may shift along a diagonal.

Unit covariance; signal at (−1, 1), background at (1, −1), its up and down variations at (2.5, 2) and
(−2.5, −1.5); 20 signal and 100 background events are expected.
"""

from __future__ import annotations

import numpy as np
import torch

SIGNAL_EVENTS, BACKGROUND_EVENTS = 20.0, 100.0
CENTRES = {"signal": (-1.0, 1.0), "background": (1.0, -1.0), "up": (2.5, 2.0), "down": (-2.5, -1.5)}
EXPECTED = {name: SIGNAL_EVENTS if name == "signal" else BACKGROUND_EVENTS for name in CENTRES}

Samples = dict[str, torch.Tensor]


def generate(events: int, rng: np.random.Generator) -> Samples:
    """Draw so many events of each sample."""
    return {
        name: torch.from_numpy(rng.normal(centre, 1.0, (events, 2)).astype(np.float32))
        for name, centre in CENTRES.items()
    }
