"""Photons and π⁰ in a PbWO₄ calorimeter that is read out twice: in crystals, and in pixels a quarter as wide.

Showers are GFLASH's. Particles start 1.29 m before the front face (the radius of CMS's barrel) along its normal,
with 20 to 100 GeV, and point to somewhere in the four crystals around the centre. Pixels are the truth; crystals
are sums of pixels with electronic noise, and those below a threshold are not read out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vispa_green_jobs.context import RunContext
from vispa_green_jobs.shared import gflash

Images = npt.NDArray[np.float32]
"""Energy in GeV: events × y × x."""
Array = npt.NDArray[np.float64]

SPLIT = 4
"""Pixels along the side of a crystal."""
CRYSTAL_CM = 2.2
DEPTH_CM = 23.0
FLIGHT_CM = 129.0
LOWEST_GEV, HIGHEST_GEV = 20.0, 100.0
NOISE_GEV, THRESHOLD_GEV = 0.04, 0.08
CHUNK = 16
"""Showers made at a time."""


@dataclass(frozen=True, slots=True)
class Showers:
    """Events seen twice."""

    crystals: Images
    """Low resolution (LR), with noise and threshold."""
    pixels: Images
    """High resolution (HR), the deposits themselves."""
    is_pion: npt.NDArray[np.bool_]
    impact_cm: Array
    """Where the particle points to: events × (x, y)."""

    def __len__(self) -> int:
        return len(self.is_pion)


def generate(context: RunContext, purpose: str, events: int, crystals: int) -> Showers:
    """Make events on ``crystals`` × ``crystals``, half of them π⁰, in random order."""
    rng = context.rng(purpose)
    is_pion = rng.permutation(np.arange(events) % 2 == 1)
    energy = rng.uniform(LOWEST_GEV, HIGHEST_GEV, events)
    impact = rng.uniform(-CRYSTAL_CM, CRYSTAL_CM, (events, 2))
    pixels = np.zeros((events, crystals * SPLIT, crystals * SPLIT), dtype=np.float32)
    context.say(f"{purpose}: making {events} showers")
    for wanted in (False, True):
        rows = np.flatnonzero(is_pion == wanted)
        for first in range(0, len(rows), CHUNK):
            chunk = rows[first : first + CHUNK]
            pixels[chunk] = _deposits(energy[chunk], impact[chunk], crystals, rng, pions=wanted)
            context.pause_point()
    return Showers(read_out(pixels, rng), pixels, is_pion, impact)


def read_out(pixels: Images, rng: np.random.Generator) -> Images:
    """Return what the crystals show of the pixels."""
    exact = in_crystals(pixels)
    noisy = exact + np.float32(NOISE_GEV) * rng.standard_normal(exact.shape, dtype=np.float32)
    return np.where(noisy > THRESHOLD_GEV, noisy, np.float32(0))


def in_crystals(pixels: Images) -> Images:
    """Return the sums over the pixels of each crystal."""
    events, size = len(pixels), pixels.shape[1] // SPLIT
    sums: Images = pixels.reshape(events, size, SPLIT, size, SPLIT).sum(axis=(2, 4), dtype=np.float32)
    return sums


def spread(crystals: Images) -> Images:
    """Return an image in pixels that knows crystals only: their energy, evenly."""
    even: Images = np.repeat(np.repeat(crystals / np.float32(SPLIT**2), SPLIT, axis=1), SPLIT, axis=2)
    return even


def _deposits(energy: Array, impact: Array, crystals: int, rng: np.random.Generator, *, pions: bool) -> Array:
    x, y = impact.T
    if pions:
        spots = gflash.pions(energy, gflash.PBWO4, rng, distance_cm=FLIGHT_CM, x_cm=x, y_cm=y)
    else:
        spots = gflash.photons(energy, gflash.PBWO4, rng, x_cm=x, y_cm=y)
    pitch = CRYSTAL_CM / SPLIT
    return gflash.images(spots, len(energy), cells=crystals * SPLIT, pitch_cm=pitch, depth_cm=DEPTH_CM)
