"""Electromagnetic showers in a homogeneous calorimeter by parameterisation: GFLASH, without Geant4.

Grindhammer & Peters, hep-ex/0001020, written from the formulas. E, t, r: energy in GeV, depth in radiation
lengths, distance from the axis in Molière radii; y = E/E_c. Profiles:

    dE/dt ∝ (bt)^(a−1) e^(−bt),  b = (a−1)/T,    with ln T, ln a normal and correlated
    dE/dr = p·2rR_c²/(r²+R_c²)² + (1−p)·2rR_t²/(r²+R_t²)²

Energy is laid down in N = 93 ln(Z) E^0.876 spots, so images fluctuate as they should. Only e± are
parameterised: a photon is an electron that starts where it converts, 9/7 X₀ deep in the mean.

What is known of a shower has double precision, what is drawn for its ten thousand spots has single: half the time,
and 1e-7 of a position is no physics. Make some ten showers at a time: the arrays then stay in the cache.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Single = npt.NDArray[np.float32]

PION_MASS_GEV = 0.13498
MIN_Y = 10.0
"""Below 10 critical energies (0.09 GeV in PbWO₄) the profile keeps the shape it has there."""


@dataclass(frozen=True, slots=True)
class Material:
    """A homogeneous calorimeter. For a compound, Z is the mean weighted by mass."""

    z: float
    radiation_length_cm: float
    critical_energy_gev: float
    moliere_radius_cm: float


PBWO4 = Material(z=68.3, radiation_length_cm=0.893, critical_energy_gev=8.76e-3, moliere_radius_cm=2.16)
"""Critical energy by 2.66 (X₀ Z/A)^1.1 MeV as in GFLASH (PDG: 9.64), Molière radius by 21.2 MeV/E_c (PDG: 2.0)."""


@dataclass(frozen=True, slots=True)
class Spots:
    """Energy deposits: ``event`` is the row of the particle; x, y across, z into the calorimeter."""

    event: npt.NDArray[np.intp]
    x_cm: Single
    y_cm: Single
    z_cm: Single
    energy_gev: Single


@dataclass(frozen=True, slots=True)
class Profile:
    """The longitudinal shape of each shower."""

    maximum: Array
    """T, in radiation lengths."""
    shape: Array
    """a, and the mean of ln a in ``mean_log_shape``."""
    mean_log_shape: Array

    @classmethod
    def draw(cls, energy_gev: Array, material: Material, rng: np.random.Generator) -> Profile:
        """Draw T and a of each shower, correlated as in hep-ex/0001020."""
        log_y = np.log(np.maximum(energy_gev / material.critical_energy_gev, MIN_Y))
        mean_t = np.log(log_y - 0.812)
        mean_a = np.log(0.81 + (0.458 + 2.26 / material.z) * log_y)
        width_t, width_a = 1 / (-1.4 + 1.26 * log_y), 1 / (-0.58 + 0.86 * log_y)
        correlation = 0.705 - 0.023 * log_y
        common, opposite = np.sqrt((1 + correlation) / 2), np.sqrt((1 - correlation) / 2)
        first, second = rng.standard_normal((2, len(energy_gev)))
        maximum = np.exp(mean_t + width_t * (common * first + opposite * second))
        shape = np.exp(mean_a + width_a * (common * first - opposite * second))
        return cls(maximum, np.maximum(shape, 1.05), mean_a)


def electrons(
    energy_gev: Array,
    material: Material,
    rng: np.random.Generator,
    *,
    x_cm: Array | float = 0.0,
    y_cm: Array | float = 0.0,
    start_cm: Array | float = 0.0,
) -> Spots:
    """Return the deposits of electrons that enter along z at (x, y) and begin to shower at ``start_cm``.

    The spots of a shower sum to its energy, however deep it goes; what lies behind a calorimeter leaks.
    """
    profile = Profile.draw(energy_gev, material, rng)
    expected = 93 * np.log(material.z) * energy_gev**0.876
    each = _Spread(np.maximum(rng.poisson(expected), 1))
    event = np.repeat(np.arange(len(energy_gev)), each.spots)
    depth, share = _depths(profile, each, event, material, rng)
    radius = _radii(depth, profile, each, energy_gev, material, rng) * np.float32(material.moliere_radius_cm)
    angle = rng.random(len(event), dtype=np.float32) * np.float32(2 * np.pi)
    return Spots(
        event,
        each(x_cm) + radius * np.cos(angle),
        each(y_cm) + radius * np.sin(angle),
        each(start_cm) + depth * np.float32(material.radiation_length_cm),
        share * each(energy_gev / np.bincount(event, share, len(energy_gev))),
    )


def photons(
    energy_gev: Array,
    material: Material,
    rng: np.random.Generator,
    *,
    x_cm: Array | float = 0.0,
    y_cm: Array | float = 0.0,
) -> Spots:
    """Return the deposits of photons: electrons that start at the conversion, Exp(9/7 X₀) deep."""
    start = rng.exponential(9 / 7 * material.radiation_length_cm, len(energy_gev))
    return electrons(energy_gev, material, rng, x_cm=x_cm, y_cm=y_cm, start_cm=start)


def pions(
    energy_gev: Array,
    material: Material,
    rng: np.random.Generator,
    *,
    distance_cm: float,
    x_cm: Array | float = 0.0,
    y_cm: Array | float = 0.0,
) -> Spots:
    """Return the deposits of π⁰ → γγ that decay ``distance_cm`` before the calorimeter and point to (x, y)."""
    energies, slopes = pion_decay(energy_gev, rng)
    angle = rng.uniform(0, 2 * np.pi, len(energy_gev))
    rows = np.arange(len(energy_gev))
    # The second photon goes the other way; one that flies backwards never arrives.
    both = np.concatenate(energies), np.concatenate([slopes[0], -slopes[1]]) * distance_cm
    direction, event = np.tile(angle, 2), np.tile(rows, 2)
    arrives = np.isfinite(both[1])
    offset = np.where(arrives, both[1], 0.0)
    centre_x = np.broadcast_to(np.asarray(x_cm, dtype=np.float64), energy_gev.shape)[event]
    centre_y = np.broadcast_to(np.asarray(y_cm, dtype=np.float64), energy_gev.shape)[event]
    x, y = centre_x + offset * np.cos(direction), centre_y + offset * np.sin(direction)
    made = photons(both[0][arrives], material, rng, x_cm=x[arrives], y_cm=y[arrives])
    return Spots(event[arrives][made.event], made.x_cm, made.y_cm, made.z_cm, made.energy_gev)


def pion_decay(energy_gev: Array, rng: np.random.Generator) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Return the energies of the two photons and |p_t/p_z| of each about the pion's direction.

    Flat in cos θ*: E_{1,2} = E/2 (1 ± β cos θ*), p_t = m/2 sin θ*, p_z = γm/2 (β ± cos θ*). A photon that flies
    backwards has an infinite slope.
    """
    gamma = energy_gev / PION_MASS_GEV
    beta = np.sqrt(1 - gamma**-2)
    cosine = rng.uniform(-1, 1, len(energy_gev))
    transverse = PION_MASS_GEV / 2 * np.sqrt(1 - cosine**2)
    energies = energy_gev / 2 * (1 + beta * cosine), energy_gev / 2 * (1 - beta * cosine)
    forward = [gamma * PION_MASS_GEV / 2 * (beta + sign * cosine) for sign in (1, -1)]
    first, second = (
        np.divide(transverse, along, out=np.full_like(along, np.inf), where=along > 0) for along in forward
    )
    return energies, (first, second)


def images(spots: Spots, events: int, *, cells: int, pitch_cm: float, depth_cm: float) -> Array:
    """Return the energy in a square of ``cells`` × ``cells`` around (0, 0), in GeV (events × y × x)."""
    column = np.floor(spots.x_cm * np.float32(1 / pitch_cm) + np.float32(cells / 2))
    row = np.floor(spots.y_cm * np.float32(1 / pitch_cm) + np.float32(cells / 2))
    inside = (column >= 0) & (column < cells) & (row >= 0) & (row < cells) & (spots.z_cm < depth_cm)
    # One place more than there are cells, for what is outside: quicker than picking what is inside.
    pixel = np.where(inside, row * cells + column, 0).astype(np.intp)
    place = np.where(inside, spots.event * (cells * cells) + pixel, events * cells * cells)
    sums = np.bincount(place, spots.energy_gev, events * cells * cells + 1)
    flat: Array = sums[:-1].astype(np.float64, copy=False)
    return flat.reshape(events, cells, cells)


@dataclass(frozen=True, slots=True)
class _Spread:
    """Gives every spot what is known of its shower; the spots of one shower are neighbours."""

    spots: npt.NDArray[np.int64]
    """Of each shower."""

    def __call__(self, value: Array | float) -> Single:
        return np.repeat(np.broadcast_to(np.asarray(value, dtype=np.float32), self.spots.shape), self.spots)


def _depths(
    profile: Profile, each: _Spread, event: npt.NDArray[np.intp], material: Material, rng: np.random.Generator
) -> tuple[Single, Single]:
    """Draw depths from the profile of the spots; return them and the energy share each stands for (f/f_spots)."""
    spot_maximum = profile.maximum * (0.698 + 0.00212 * material.z)
    spot_shape = np.maximum(profile.shape * (0.639 + 0.00334 * material.z), 1.02)
    spot_rate = (spot_shape - 1) / spot_maximum
    rate = (profile.shape - 1) / profile.maximum
    depth = rng.standard_gamma(each(spot_shape), dtype=np.float32) * each(1 / spot_rate)
    logarithm = each(profile.shape - spot_shape) * np.log(depth) - each(rate - spot_rate) * depth
    # Constants cancel when the shares of a shower are normalised; the mean keeps exp in range.
    mean = np.bincount(event, logarithm) / each.spots
    return depth, np.exp(logarithm - each(mean))


def _radii(
    depth: Single,
    profile: Profile,
    each: _Spread,
    energy_gev: Array,
    material: Material,
    rng: np.random.Generator,
) -> Single:
    """Draw distances from the axis, in Molière radii: core or tail, r = R √(u/(1−u))."""
    z, log_e = material.z, np.log(np.maximum(energy_gev, 0.1))
    mean_shape = np.exp(profile.mean_log_shape)
    # Distance in units of the depth of the shower's centre of gravity, as the paper scales it.
    scale = (profile.shape - 1) / (profile.shape * profile.maximum) * mean_shape / (mean_shape - 1)
    tau = depth * each(scale)
    core = each(0.0251 + 0.00319 * log_e) + np.float32(0.1162 - 0.000381 * z) * tau
    beyond = tau - np.float32(0.645)
    rise = np.exp(each(0.3585 + 0.0421 * log_e) * np.minimum(beyond, np.float32(10)))
    tail = np.float32(0.659 - 0.00309 * z) * (np.exp(np.float32(-2.59) * beyond) + rise)
    hump = (np.float32(0.401 + 0.00187 * z) - tau) * each(1 / (1.313 - 0.0686 * log_e))
    # More than 1 is always core: the fraction of the paper, cut at 1.
    fraction = np.float32(2.632 - 0.00094 * z) * np.exp(hump - np.exp(hump))
    chosen = np.where(rng.random(len(depth), dtype=np.float32) < fraction, core, tail)
    uniform = rng.random(len(depth), dtype=np.float32)
    radius: Single = chosen * np.sqrt(uniform / (1 - uniform))
    return radius
