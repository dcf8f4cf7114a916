"""What an auditor wants beside the account: annual factors, the building, money, the machine itself. Pure.

Each is a figure of its own, made from the account by a stated factor; none is mixed into energy or CO2, and without
its factor it is ``None``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from vispa_green.model import UJ_PER_KWH


@dataclass(frozen=True, slots=True)
class AnnualFactors:
    """Grams of CO2 for a kWh of the year's mix, as an authority published them in one edition."""

    name: str
    edition: str
    scope: str
    grams_per_kwh: Mapping[int, float]
    status: Mapping[int, str]

    def of_year(self, year: int) -> Factor:
        """Return the factor of a year: its own, else of the nearest year that there is one for."""
        nearest = min(self.grams_per_kwh, key=lambda known: (abs(known - year), -known))
        return Factor(nearest, self.grams_per_kwh[nearest], self.status.get(nearest, ""))


class Factor(NamedTuple):
    """An annual factor, the year that it was published for, and how final it is."""

    year: int
    grams_per_kwh: float
    status: str


@dataclass(frozen=True, slots=True)
class Tariff:
    """What a site states of itself; ``None`` is not stated.

    ``pue`` is the power usage effectiveness of the building (ISO/IEC 30134-2): all of its energy by that of its
    computers. ``embodied_g_per_cpu_hour`` spreads what making the machines cost over the CPU hours of their lives.
    """

    pue: float | None = None
    eur_per_kwh: float | None = None
    embodied_g_per_cpu_hour: float | None = None
    annual: AnnualFactors | None = None


@dataclass(frozen=True, slots=True)
class Bill:
    """The figures of one job or one sum."""

    facility_energy_uj: int | None
    """With cooling and losses of the building."""
    cost_eur: float | None
    """Of the facility's energy, where the PUE is stated, else of the computers'."""
    co2_annual_g: float | None
    annual: Factor | None
    embodied_g: float | None


def bill(
    tariff: Tariff, energy_uj: int | None, year: int | None, cpus: int | None, elapsed: timedelta | None
) -> Bill:
    """Return what an energy comes to; ``year`` is that of its end, CPUs were reserved for so long."""
    facility_uj = None if energy_uj is None or tariff.pue is None else round(energy_uj * tariff.pue)
    paid_uj = energy_uj if facility_uj is None else facility_uj
    cost = None if paid_uj is None or tariff.eur_per_kwh is None else paid_uj / UJ_PER_KWH * tariff.eur_per_kwh
    factor = None if tariff.annual is None or year is None else tariff.annual.of_year(year)
    co2_g = None if energy_uj is None or factor is None else energy_uj / UJ_PER_KWH * factor.grams_per_kwh
    embodied = tariff.embodied_g_per_cpu_hour
    if embodied is not None:
        embodied = None if cpus is None or elapsed is None else embodied * cpus * (elapsed / timedelta(hours=1))
    return Bill(facility_uj, cost, co2_g, factor, embodied)
