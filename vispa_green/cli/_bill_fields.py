"""The columns of ``vispa-green energy`` that a site's own figures make: see ``[bill]`` of its configuration."""

from __future__ import annotations

from collections.abc import Callable
from datetime import tzinfo
from typing import Any

from vispa_green.answers.billing import bill_of
from vispa_green.cli._fields import Field
from vispa_green.energy.bill import Bill, Tariff
from vispa_green.energy.jobs import JobEnergy
from vispa_green.units import UJ_PER_J, energy_text, mass_text


def bill_fields(tariff: Tariff, years: tzinfo) -> dict[str, Field]:
    """Return the columns by their names in lower case; what the site does not state is a dash."""

    def field(name: str, about: str, show: Callable[[Bill], str], raw: Callable[[Bill], str]) -> Field:
        return Field(
            name,
            10,
            lambda row, _: show(bill_of(row, tariff, years)),
            lambda row, _: raw(bill_of(row, tariff, years)),
            about,
        )

    annual = tariff.annual
    edition = f"{annual.name}, {annual.edition}" if annual else "[bill] annual is empty"
    fields = (
        field("CO2Annual", f"CO2 by the year's factor ({edition})", lambda b: mass_text(b.co2_annual_g),
              lambda b: _number(b.co2_annual_g)),
        field("Facility", "energy with the building's (PUE; J when parsable)",
              lambda b: energy_text(b.facility_energy_uj),
              lambda b: _number(None if b.facility_energy_uj is None else b.facility_energy_uj / UJ_PER_J)),
        field("Cost", "euros, at the site's price", lambda b: "–" if b.cost_eur is None else f"{b.cost_eur:.2f} €",
              lambda b: _number(b.cost_eur)),
        field("Embodied", "its share of making the machine (g CO2e when parsable)",
              lambda b: mass_text(b.embodied_g), lambda b: _number(b.embodied_g)),
    )  # fmt: skip
    return {one.name.lower(): one for one in fields}


def bill_record(row: JobEnergy, tariff: Tariff, years: tzinfo) -> dict[str, Any]:
    """Return a job's bill for JSON; ``null`` is not stated, or not known."""
    found, annual = bill_of(row, tariff, years), tariff.annual
    factor = found.annual
    return {
        "facility_energy_uj": found.facility_energy_uj,
        "cost_eur": found.cost_eur,
        "embodied_g": found.embodied_g,
        "co2_annual_g": found.co2_annual_g,
        "annual_factor": factor
        and annual
        and {
            "name": annual.name,
            "edition": annual.edition,
            "scope": annual.scope,
            "year": factor.year,
            "grams_per_kwh": factor.grams_per_kwh,
            "status": factor.status,
        },
    }


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"
