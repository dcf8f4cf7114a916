"""CO2 as a report of an earlier day had it, and what revised values have changed since."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from lab.story import Story

from tests.unit.test_tag import fact
from vispa_green.ledgers import open_ledger
from vispa_green.model import Component, GridKind, GridValue, Quantity

START = datetime(2026, 11, 17, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
REPORTED = "2026-11-18T08:00"
SINCE = ("-S", "2026-11-17", "-E", "2026-11-19", "-a")
KWH_UJ = 3_600_000_000_000


@pytest.fixture
def revised(story: Story) -> Story:
    """A kWh in an hour that was 400 g at first and 300 g by a later revision, another in one that was unknown."""
    story.interval(START, 3600, {Component.CPU: {"1": (KWH_UJ, 0)}})
    story.interval(START + 24 * HOUR, 3600, {Component.CPU: {"2": (KWH_UJ, 0)}})
    story.facts(fact("1"), fact("2"))
    ledger = open_ledger(story.url)
    for start, number, fetched in (
        (START, 400.0, START + HOUR), (START, 300.0, START + 48 * HOUR), (START + 24 * HOUR, 500.0, START + 50 * HOUR)
    ):  # fmt: skip
        known = GridKind.MEASURED, start, start + HOUR
        ledger.grid.append([GridValue(Quantity.CARBON_INTENSITY, *known, number, "x", start, fetched)])
    ledger.close()
    return story


def answer(story: Story, *words: str) -> dict[str, Any]:
    done = story.run(*words, "--json")
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def test_a_report_of_that_day_can_be_made_again(revised: Story) -> None:
    for words, known in ((("--as-of", REPORTED), {"1": 400, "2": None}), ((), {"1": 300, "2": 500})):
        jobs = answer(revised, "energy", *SINCE, *words)["jobs"]
        assert {job["job_id"]: job["co2_g"] for job in jobs} == pytest.approx(known)
        by_day = answer(revised, "energy", "--by", "day", *SINCE, *words)["totals"]
        assert [total["co2_g"] for total in by_day] == pytest.approx(list(known.values()))


def test_the_change_is_told_where_it_is_one(revised: Story) -> None:
    rows = answer(revised, "ledger", "reprice", "--then", REPORTED, "--by", "day", *SINCE)["totals"]
    assert [(row["co2_g_then"], row["co2_g"], row["co2_change_g"]) for row in rows] == [
        (pytest.approx(400), pytest.approx(300), pytest.approx(-100)),
        (None, pytest.approx(500), None),
    ]
    told = revised.run("ledger", "reprice", "--then", REPORTED, *SINCE).stdout
    assert "400 g of 50 %" in told, "and no change: then it was known for half of the energy only"
    assert "%" not in told.splitlines()[1].split("800 g")[1]


def test_a_report_of_tomorrow_there_is_none(revised: Story) -> None:
    done = revised.run("ledger", "reprice", "--then", "+1hour")
    assert done.returncode != 0
    assert "--then +1hour lies ahead" in done.stderr
