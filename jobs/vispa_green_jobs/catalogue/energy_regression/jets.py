"""The second toy: jets of 30 to 150 GeV as lists of particle-flow candidates.

Jets are not generated and simulated as in the thesis (CMS, 14.8 million): ours are a caricature with its causes
of resolution. A jet's momentum is shared among 4 + Poisson particles; 60 % of them are charged, 27 % photons,
13 % neutral hadrons, each measured as well as its kind is; some go beside the jet; and soft neutral particles from
other collisions are added, spread evenly over the cone. Three jets in ten fly beyond the tracker, where charged
particles are seen as neutral hadrons: so some jets are known better than others. The spectrum falls like pT⁻².
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Array = npt.NDArray[np.float64]

LOWEST_GEV, HIGHEST_GEV = 30.0, 150.0
CONE = 0.4
SLOTS = 32
"""Particles of a jet that are looked at, from the hardest on; in the mean there are 13."""
KINDS = 3
KIND_SHARES = (0.60, 0.27, 0.13)
"""Of charged particles, photons and neutral hadrons."""
STOCHASTIC = np.array([0.0, 0.10, 1.0])
CONSTANT = np.array([0.01, 0.01, 0.05])
RESPONSE = np.array([1.0, 1.0, 0.75])
"""σ/p = stochastic/√p ⊕ constant for each kind, and the mean of measured over true."""
TRACK_EFFICIENCY = 0.95
TRACKED = 0.7
"""Of all jets."""
SOFTEST_GEV = 0.5
PILE_UP_PARTICLES, PILE_UP_GEV = 6.0, 1.2
FEATURES = 6 + KINDS


@dataclass(frozen=True, slots=True)
class Jets:
    """Candidates of jets as tensors: jets × slot (× feature), the truth and the plain sum in GeV."""

    particles: Tensor
    present: Tensor
    truth: Tensor
    sum_gev: Tensor


def momenta(jets: int, rng: np.random.Generator) -> Array:
    """Draw transverse momenta with a density that falls like pT⁻²."""
    low, high = 1 / LOWEST_GEV, 1 / HIGHEST_GEV
    return 1 / rng.uniform(high, low, jets)


def generate(jets: int, rng: np.random.Generator) -> Jets:
    """Draw so many jets, measured."""
    truth = momenta(jets, rng)
    number = 4 + rng.poisson(5 * np.log(truth / 10))
    slots = int(number.max())
    there = np.arange(slots) < number[:, None]
    shares = rng.gamma(0.7, size=(jets, slots)) * there
    true_p = truth[:, None] * shares / shares.sum(axis=1, keepdims=True)
    kind = rng.choice(KINDS, (jets, slots), p=KIND_SHARES)
    kind = np.where((kind == 0) & (rng.random((jets, 1)) > TRACKED), KINDS - 1, kind)
    # Harder particles fly closer to the axis; what flies beyond the cone is lost.
    radius = rng.rayleigh(1.0, (jets, slots)) * 0.6 / (1 + true_p) ** 0.6
    measured = _measured(true_p, kind, rng) * (radius < CONE)
    extra, extra_radius, extra_kind = _pile_up(jets, rng)
    momentum = np.concatenate([measured, extra], axis=1)
    return _arranged(
        truth,
        momentum,
        np.concatenate([radius, extra_radius], axis=1),
        np.concatenate([kind, extra_kind], axis=1),
        rng.uniform(0, 2 * np.pi, momentum.shape),
    )


def _measured(true_p: Array, kind: npt.NDArray[np.int64], rng: np.random.Generator) -> Array:
    floor = np.maximum(true_p, 0.05)
    width = np.hypot(STOCHASTIC[kind] / np.sqrt(floor), CONSTANT[kind])
    found = true_p * RESPONSE[kind] * (1 + width * rng.standard_normal(true_p.shape))
    seen = (kind != 0) | (rng.random(true_p.shape) < TRACK_EFFICIENCY)
    measured: Array = np.where(seen & (found > SOFTEST_GEV), found, 0.0)
    return measured


def _pile_up(jets: int, rng: np.random.Generator) -> tuple[Array, Array, npt.NDArray[np.int64]]:
    number = rng.poisson(PILE_UP_PARTICLES, jets)
    shape = jets, int(number.max())
    there = np.arange(shape[1]) < number[:, None]
    momentum = (SOFTEST_GEV + rng.exponential(PILE_UP_GEV, shape)) * there
    return momentum, CONE * np.sqrt(rng.random(shape)), rng.integers(1, KINDS, shape)


def _arranged(truth: Array, momentum: Array, radius: Array, kind: npt.NDArray[np.int64], angle: Array) -> Jets:
    """Sort by momentum, keep the hardest, make features of order one."""
    order = np.argsort(-momentum, axis=1)[:, :SLOTS]

    def sorted_(values: Array) -> Array:
        return np.take_along_axis(values, order, axis=1)

    p, r, phi = sorted_(momentum), sorted_(radius), sorted_(angle)
    k = np.take_along_axis(kind, order, axis=1)
    columns = [
        np.log(np.maximum(p, 0.1)),
        p / 20,
        p * r / 2,
        r / CONE,
        r / CONE * np.cos(phi),
        r / CONE * np.sin(phi),
    ]
    columns += [(k == number).astype(np.float64) for number in range(KINDS)]
    return Jets(
        _tensor(np.stack(columns, axis=2)),
        _tensor((p > 0).astype(np.float64)),
        _tensor(truth),
        _tensor(momentum.sum(axis=1)),
    )


def _tensor(values: Array) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))
