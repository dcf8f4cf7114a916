"""What four bins could measure: the Fisher matrix of μ and one nuisance parameter, and CLs by pyhf."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from vispa_green_jobs.catalogue.inference_binning.toy import EXPECTED, Samples
from vispa_green_jobs.shared.soft_histogram import fisher_matrix, profiled_variance, soft_counts

Templates = Mapping[str, Tensor]
"""Expected events in each bin, of each sample."""
FEWEST = 1e-3
"""Expected events that a bin is given at least, so that an empty one has no infinite information."""


def templates(scores: Samples, edges: Tensor, bandwidth: float) -> Templates:
    """Return the histograms of all samples, normalised to what is expected of them."""
    return {
        name: EXPECTED[name] / len(score) * soft_counts(score, edges, bandwidth) for name, score in scores.items()
    }


def sigma_mu(expected: Templates) -> Tensor:
    """Return the expected uncertainty of the signal strength μ at μ = 1, the shift θ fitted too.

    n = μ s + b + θ (up − down)/2 with θ constrained to 1: σ² = (F⁻¹)_μμ on Asimov data.
    """
    counts = (expected["signal"] + expected["background"]).clamp(min=FEWEST)
    jacobian = torch.stack([expected["signal"], (expected["up"] - expected["down"]) / 2], dim=1)
    fisher = fisher_matrix(counts, jacobian, torch.tensor([math.inf, 1.0]))
    return profiled_variance(fisher).sqrt()


def cls(expected: Templates) -> float:
    """Return pyhf's expected CLs of μ = 1 on background-only data; pyhf interpolates up and down by itself."""
    import pyhf

    plain = {name: np.maximum(counts.double().numpy(), FEWEST).tolist() for name, counts in expected.items()}
    shape = {"hi_data": plain["up"], "lo_data": plain["down"]}
    signal_modifier = {"name": "mu", "type": "normfactor", "data": None}
    background_modifier = {"name": "shift", "type": "histosys", "data": shape}
    samples = [
        {"name": "signal", "data": plain["signal"], "modifiers": [signal_modifier]},
        {"name": "background", "data": plain["background"], "modifiers": [background_modifier]},
    ]
    # Not validated: we wrote it, and pyhf 0.7 does that through a deprecated part of jsonschema.
    specification = {"channels": [{"name": "only", "samples": samples}]}
    model = pyhf.Model(specification, poi_name="mu", validate=False)
    data = [*plain["background"], *model.config.auxdata]
    return float(pyhf.infer.hypotest(1.0, data, model, test_stat="qtilde"))
