"""The page: one file, nothing from outside, and power whose area is the energy."""

from __future__ import annotations

import os
import pwd
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lab.story import Story

from vispa_green.ledgers import open_ledger
from vispa_green.model import Component, JobFact, JobPosting, Promise, Quality, Quantity
from vispa_green.reports.page import node_powers

ME = pwd.getpwuid(os.getuid()).pw_name
START = datetime(2026, 11, 20, 9, tzinfo=UTC)


@pytest.fixture
def told(story: Story) -> Story:
    for minute in range(0, 120, 10):
        shares = {"5": (60_000_000_000, 6_000_000_000), "6": (6_000_000_000, 600_000_000)}
        story.interval(START + timedelta(minutes=minute), 600, {Component.CPU: shares}, idle_uj=10_000_000)
    begin, end = START, START + timedelta(hours=2)
    story.facts(
        JobFact(
            "5",
            "5",
            ME,
            "phys",
            "main",
            "<script>x</script>",
            "COMPLETED",
            ("n1",),
            begin,
            begin,
            begin,
            end,
            None,
            4,
        )
    )
    story.grid(Quantity.CARBON_INTENSITY, START - timedelta(hours=3), [400.0, 400, 400, 200, 200, 300])
    story.grid(Quantity.RENEWABLE_SHARE, START - timedelta(hours=3), [40.0, 40, 40, 70, 70, 60])
    ledger = open_ledger(story.url)
    submitted = START - timedelta(hours=3)
    length = timedelta(hours=2)
    ledger.append_promise(
        Promise(
            "5", ME, submitted, START, length, None, Quantity.CARBON_INTENSITY, 210.0, 390.0, "best_mean", "greener"
        )
    )
    ledger.close()
    return story


def test_the_page_needs_nothing_from_outside(told: Story, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    done = told.run("report", "page", "--out", str(out), "-S", "2026-11-20T09:00", "-E", "2026-11-20T14:00")
    assert done.returncode == 0, done.stderr
    page = out.read_text()
    assert not re.search(r"(?:src|href)=\"(?!#)", page), "every reference is into the page itself"
    assert not re.search(r"<script|@import|url\((?!#)", page)
    assert "&lt;script&gt;x&lt;/script&gt;" in page
    assert page.count("<svg") == 2
    assert 'aria-label="n1: 242 Wh for jobs, at most 121 W; most used job 5, job 6."' in page
    assert "1 green window is shaded." in page
    assert "210 g CO2/kWh</td><td>200 g CO2/kWh" in page
    assert '<td class="text">better</td>' in page
    assert "to the microjoule" in page


def test_a_page_of_nothing_is_a_page(story: Story, tmp_path: Path) -> None:
    done = story.run("report", "page", "--out", str(tmp_path / "page.html"))
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "page.html").read_text()
    assert "No job was charged" in page
    assert "Nothing is known of the grid" in page


def test_a_place_that_cannot_be_written_is_one_line(story: Story) -> None:
    done = story.run("report", "page", "--out", "/nonexistent/page.html")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "/nonexistent/page.html cannot be written" in done.stderr


SPANS = st.lists(
    st.tuples(st.integers(0, 3000), st.integers(1, 600), st.integers(0, 10**12), st.integers(0, 10**12)), max_size=12
)


@given(SPANS)
def test_the_area_under_the_power_is_the_energy(spans: list[tuple[int, int, int, int]]) -> None:
    postings = [
        JobPosting(
            str(i), "n1", Component.CPU, Quality.MEASURED, START + timedelta(seconds=begin),
            START + timedelta(seconds=begin + length), busy, idle,
        )
        for i, (begin, length, busy, idle) in enumerate(spans)
    ]  # fmt: skip
    for power in node_powers(postings, {}, START, START + timedelta(hours=1)):
        area_uj = sum(sum(values) * 60 * 1e6 for _, values in power.series)
        assert area_uj == pytest.approx(sum(busy + idle for *_, busy, idle in spans), rel=1e-9, abs=1)
