"""Reports on accounts and the cluster: their figures are the sums of the account, and not for everybody."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lab.story import Story

from vispa_green.access import Principal
from vispa_green.answers.group import group_report
from vispa_green.energy.periods import Period, last_month
from vispa_green.energy.weekly import Week
from vispa_green.errors import UsageError
from vispa_green.model import Component, Dimension, JobFact
from vispa_green.session import open_session
from vispa_green.units import UJ_PER_WH

BERLIN = ZoneInfo("Europe/Berlin")
OCTOBER = datetime(2026, 10, 5, 12, tzinfo=BERLIN)


@given(st.dates(date(1971, 1, 1), date(2100, 1, 1)), st.booleans())
def test_periods_follow_one_another_without_a_hole(day: date, is_week: bool) -> None:
    monday = day - timedelta(days=day.weekday())
    period = Period.of_week(Week(monday, BERLIN)) if is_week else Period.month(f"{day:%Y-%m}", BERLIN)
    assert period.first <= day < period.after
    assert period.before.end == period.start
    assert period.before.after == period.first


def test_the_last_month_is_over() -> None:
    assert last_month(datetime(2026, 11, 1, tzinfo=BERLIN), BERLIN).name == "2026-10"
    assert last_month(datetime(2026, 10, 31, 23, 59, tzinfo=BERLIN), BERLIN).name == "2026-09"
    for wrong in ("2026-13", "2026", "9999-12", "2026-1", ""):
        with pytest.raises(UsageError, match="like 2026-11"):
            Period.month(wrong, BERLIN)


@pytest.fixture
def told(story: Story) -> Story:
    """Three jobs in October, two of account phys, and one of it in September."""
    for number, user, account, days, watt_hours in (
        ("1", "ada", "phys", 0, 10), ("2", "bob", "phys", 1, 20), ("3", "cyd", "chem", 2, 40),
        ("4", "ada", "phys", -20, 5),
    ):  # fmt: skip
        begin = OCTOBER + timedelta(days=days)
        story.interval(begin, 1800, {Component.CPU: {number: (watt_hours * UJ_PER_WH, 7)}}, uid=4711)
        end = begin + timedelta(minutes=30)
        story.facts(
            JobFact(number, number, user, account, "main", "fit", "COMPLETED", ("n1",), begin, begin, begin, end,
                    None, 1, project="px")
        )  # fmt: skip
    return story


def asked(story: Story, *words: str) -> dict[str, object]:
    done = story.run("report", *words, "--json")
    assert done.returncode == 0, done.stderr
    report: dict[str, object] = json.loads(done.stdout)["report"]
    return report


def test_sums_are_those_of_the_period_and_the_one_before(told: Story) -> None:
    phys, all_of_it = (
        asked(told, "account", "phys", "--month", "2026-10"),
        asked(told, "cluster", "--month", "2026-10"),
    )
    assert (phys["energy_uj"], phys["jobs"]) == (30 * UJ_PER_WH + 14, 2)
    assert (all_of_it["energy_uj"], all_of_it["jobs"]) == (70 * UJ_PER_WH + 21, 3)
    assert phys["before"] == phys["before"] | {"period": "2026-09", "energy_uj": 5 * UJ_PER_WH + 7}  # type: ignore[operator]
    week = asked(told, "cluster", "--week", "2026-W41")
    assert week["energy_uj"] == all_of_it["energy_uj"]
    by = all_of_it["by"]
    assert isinstance(by, dict)
    for rows in by.values():
        assert sum(row["energy_uj"] for row in rows) == all_of_it["energy_uj"]
    assert [row["account"] for row in by["account"]] == ["chem", "phys"], "the most first"


def test_the_text_says_it_in_both_languages(told: Story) -> None:
    english = told.run("report", "account", "phys", "--month", "2026-10").stdout
    german = told.run("report", "account", "phys", "--month", "2026-10", "--language", "de").stdout
    assert "Energy of account phys on cluster, 2026-10" in english
    assert "30.0 Wh" in english
    assert "30,0 Wh" in german
    assert "Nach Nutzern" in german


def test_it_is_for_who_may_see_all_of_it(told: Story) -> None:
    session = open_session(told.config)
    month = Period.month("2026-10", BERLIN)
    coordinator = replace(session, asker=Principal("dan", 4712, accounts=("phys",)))
    report = group_report(coordinator, "phys", month)
    assert {row.group[Dimension.USER] for row in report.by[Dimension.USER]} == {"ada", "bob"}
    for asking, account in (
        (coordinator, ""), (coordinator, "chem"), (replace(session, asker=Principal("ada", 4711)), "phys"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match="support and admins"):
            group_report(asking, account, month)
