"""Showers against what is known of PbWO4, of π⁰ kinematics and of energy."""

from __future__ import annotations

import numpy as np
import pytest
from vispa_green_jobs.shared import gflash

EVENTS = 150


@pytest.mark.parametrize("energy_gev", [5.0, 20.0, 50.0])
def test_containment_in_crystals_is_that_of_cms(energy_gev: float) -> None:
    """S1/S9/S25 of 22 mm crystals, central incidence, 23 cm deep: about 0.79/0.94/0.97, leakage below 1 %."""
    rng = np.random.default_rng(int(energy_gev))
    spots = gflash.electrons(np.full(EVENTS, energy_gev), gflash.PBWO4, rng)
    image = gflash.images(spots, EVENTS, cells=25, pitch_cm=2.2, depth_cm=23)
    s1, s9, s25 = (image[:, 12 - k : 13 + k, 12 - k : 13 + k].sum(axis=(1, 2)).mean() / energy_gev for k in (0, 1, 2))
    assert 0.76 <= s1 <= 0.81
    assert 0.93 <= s9 <= 0.95
    assert 0.965 <= s25 <= 0.98
    assert image.sum() > 0.99 * EVENTS * energy_gev


def test_the_spots_of_a_shower_sum_to_its_energy() -> None:
    energies = np.array([0.1, 1.0, 30.0])
    spots = gflash.electrons(energies, gflash.PBWO4, np.random.default_rng(2))
    assert np.bincount(spots.event, spots.energy_gev) == pytest.approx(energies)
    assert spots.energy_gev.min() >= 0


@pytest.mark.parametrize("energy_gev", [5.0, 50.0])
def test_the_maximum_is_as_deep_as_rossi_says(energy_gev: float) -> None:
    drawn = gflash.Profile.draw(np.full(5000, energy_gev), gflash.PBWO4, np.random.default_rng(3))
    assert drawn.maximum.mean() == pytest.approx(np.log(energy_gev / 8.76e-3) - 0.8, rel=0.05)


def test_photons_start_later_than_electrons() -> None:
    energies = np.full(1500, 10.0)
    rng = np.random.default_rng(4)
    early, late = (make(energies, gflash.PBWO4, rng) for make in (gflash.electrons, gflash.photons))
    delay = np.average(late.z_cm, weights=late.energy_gev) - np.average(early.z_cm, weights=early.energy_gev)
    assert delay == pytest.approx(9 / 7 * 0.893, rel=0.15)


@pytest.mark.parametrize(
    ("energy_gev", "smallest_mm", "median_mm"), [(20, 17.4, 20.1), (50, 7.0, 8.0), (100, 3.5, 4.0)]
)
def test_pion_photons_are_apart_as_kinematics_says(energy_gev: float, smallest_mm: float, median_mm: float) -> None:
    """At 1.29 m the smallest separation is 2m/E; P(< x·smallest) = √(1 − 1/x²), so the median is 2/√3 of it."""
    energies, slopes = gflash.pion_decay(np.full(100_000, float(energy_gev)), np.random.default_rng(5))
    apart_mm = 1290 * (slopes[0] + slopes[1])
    assert apart_mm.min() == pytest.approx(smallest_mm, rel=0.01)
    assert np.median(apart_mm) == pytest.approx(median_mm, rel=0.02)
    assert energies[0] + energies[1] == pytest.approx(energy_gev)


def test_a_pion_deposits_its_energy_around_where_it_points() -> None:
    energies = np.full(200, 40.0)
    spots = gflash.pions(energies, gflash.PBWO4, np.random.default_rng(6), distance_cm=129, x_cm=1.0)
    assert np.bincount(spots.event, spots.energy_gev) == pytest.approx(energies)
    assert np.average(spots.x_cm, weights=spots.energy_gev) == pytest.approx(1.0, abs=0.15)
    assert np.average(spots.y_cm, weights=spots.energy_gev) == pytest.approx(0.0, abs=0.15)
