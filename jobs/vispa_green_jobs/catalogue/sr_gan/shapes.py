"""What physicists read off a shower: where it is and how wide it is. Events × y × x in, one number each out."""

from __future__ import annotations

import numpy as np

from vispa_green_jobs.catalogue.sr_gan.toy import Array, Images

LOG_CUT = 4.5
"""w₀ of the logarithmic weights: a cell counts if it has more than e^−4.5 = 1.1 % of the energy. There the widths of
crystals, which we compare with, tell photons from π⁰ best."""


def centroid_mm(images: Images, pitch_mm: float, *, logarithmic: bool = False) -> Array:
    """Return the mean position of the energy (events × (x, y)), weighted by energy or by its logarithm."""
    weights = _log_weights(images) if logarithmic else images.astype(np.float64)
    return _moments(weights, pitch_mm)[:, :2]


def width_mm(images: Images, pitch_mm: float) -> Array:
    """Return the square root of the larger eigenvalue of the covariance of positions, weighted logarithmically.

    The logarithm makes light of the core and cuts the tails, so a second photon shows as length.
    """
    _, _, xx, yy, xy = _moments(_log_weights(images), pitch_mm).T
    width: Array = np.sqrt(np.maximum((xx + yy) / 2 + np.sqrt((xx - yy) ** 2 / 4 + xy**2), 0))
    return width


def hottest_share(images: Images) -> Array:
    """Return the share of the energy that is in the hottest cell."""
    share: Array = images.max(axis=(1, 2)) / images.sum(axis=(1, 2), dtype=np.float64)
    return share


def roughness(images: Images) -> Array:
    """Return Σ|difference of neighbours| ÷ Σ energy: smooth images are not like showers, which are grainy."""
    across = np.abs(np.diff(images, axis=2)).sum(axis=(1, 2), dtype=np.float64)
    along = np.abs(np.diff(images, axis=1)).sum(axis=(1, 2), dtype=np.float64)
    rough: Array = (across + along) / images.sum(axis=(1, 2), dtype=np.float64)
    return rough


def resolution_mm(found: Array, true: Array) -> float:
    """Return the rms over both coordinates of the distance between two positions."""
    return float(np.sqrt(np.mean((found - true) ** 2)))


def _log_weights(images: Images) -> Array:
    share = images / images.sum(axis=(1, 2), keepdims=True, dtype=np.float64)
    weights: Array = np.maximum(LOG_CUT + np.log(np.maximum(share, 1e-12)), 0)
    return weights


def _moments(weights: Array, pitch_mm: float) -> Array:
    """Return events × (mean x, mean y, var x, var y, covariance)."""
    size = weights.shape[1]
    at = (np.arange(size) - (size - 1) / 2) * pitch_mm
    normalised = weights / weights.sum(axis=(1, 2), keepdims=True)
    columns, rows = normalised.sum(axis=1), normalised.sum(axis=2)
    x, y = columns @ at, rows @ at
    xy = np.einsum("eyx,y,x->e", normalised, at, at, optimize=True) - x * y
    return np.stack([x, y, columns @ at**2 - x**2, rows @ at**2 - y**2, xy], axis=1)
