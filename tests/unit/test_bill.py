"""What an auditor sees beside the account: each figure by its own stated factor, nothing without one."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lab.story import Story

from tests.unit.test_tag import fact
from vispa_green.energy.bill import AnnualFactors, Factor, Tariff, bill
from vispa_green.factors import annual_factors, names
from vispa_green.model import UJ_PER_KWH, Component

HOUR = timedelta(hours=1)
FACTORS = AnnualFactors("x", "1", "direct", {2022: 433.0, 2024: 363.0}, {2022: "final"})


def test_an_hour_of_a_kilowatt() -> None:
    made = bill(Tariff(1.5, 0.30, 2.0, FACTORS), UJ_PER_KWH, 2024, 8, HOUR)
    assert made.facility_energy_uj == 1.5 * UJ_PER_KWH
    assert made.cost_eur == pytest.approx(0.45), "the building's energy is paid, too"
    assert (made.co2_annual_g, made.embodied_g) == (363.0, 16.0)


def test_what_is_not_stated_or_not_known_is_no_zero() -> None:
    made = bill(Tariff(), UJ_PER_KWH, 2024, 8, HOUR)
    assert (made.facility_energy_uj, made.cost_eur, made.co2_annual_g, made.embodied_g) == (None,) * 4
    made = bill(Tariff(1.5, 0.3, 2.0, FACTORS), None, None, None, None)
    assert (made.facility_energy_uj, made.cost_eur, made.co2_annual_g, made.embodied_g) == (None,) * 4
    assert bill(Tariff(eur_per_kwh=0.3), UJ_PER_KWH, None, None, None).cost_eur == pytest.approx(0.3)


@pytest.mark.parametrize(("year", "of"), [(2022, 2022), (2023, 2024), (2024, 2024), (2030, 2024), (1990, 2022)])
def test_a_year_without_a_factor_has_that_of_the_nearest_and_says_so(year: int, of: int) -> None:
    assert FACTORS.of_year(year) == Factor(of, FACTORS.grams_per_kwh[of], FACTORS.status.get(of, ""))


@given(st.integers(0, 2**70), st.integers(0, 2**70), st.floats(1, 3))
def test_bills_of_parts_sum_to_that_of_the_whole(one: int, other: int, pue: float) -> None:
    tariff = Tariff(pue, 0.3, None, FACTORS)
    parts = [bill(tariff, energy_uj, 2024, None, None) for energy_uj in (one, other)]
    whole = bill(tariff, one + other, 2024, None, None)
    assert sum(p.cost_eur or 0 for p in parts) == pytest.approx(whole.cost_eur or 0)
    assert sum(p.co2_annual_g or 0 for p in parts) == pytest.approx(whole.co2_annual_g or 0)


@pytest.mark.parametrize("name", names())
def test_every_edition_says_what_it_is(name: str) -> None:
    factors = annual_factors(name)
    assert factors.name and factors.edition and factors.scope
    assert set(factors.status) == set(factors.grams_per_kwh)
    assert all(0 < grams < 1000 for grams in factors.grams_per_kwh.values())


def test_the_columns_of_a_job(story: Story) -> None:
    start = datetime(2024, 11, 17, 9, tzinfo=UTC)
    story.interval(start, 3600, {Component.CPU: {"1": (UJ_PER_KWH, 0)}})
    story.facts(fact("1", submit=start, eligible=start, start=start, end=start + HOUR, elapsed=HOUR, cpus=8))
    story.configure("[bill]\npue = 1.5\neur_per_kwh = 0.3\nembodied_g_per_cpu_hour = 2.0\n")
    done = story.run("energy", "-j", "1", "-nP", "-o", "co2annual,facility,cost,embodied")
    assert (done.stderr, done.stdout) == ("", "363.000000|5400000.000000|0.450000|16.000000\n")
    (row,) = json.loads(story.run("energy", "-j", "1", "--json").stdout)["jobs"]
    factor = row["bill"]["annual_factor"]
    assert (factor["year"], factor["status"], "13/2025" in factor["edition"]) == (2024, "estimate", True)
    unknown = story.run("energy", "--config", os.devnull, "-o", "costs")
    assert "did you mean 'cost'" in unknown.stderr
