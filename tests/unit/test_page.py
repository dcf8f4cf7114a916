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

from vispa_green.energy.power import Bins, NodePower, node_powers
from vispa_green.ledgers import open_ledger
from vispa_green.model import Component, JobFact, JobKey, JobPosting, NodeEnergy, Promise, Quality, Quantity
from vispa_green.reports.page import colour_keys

ME = pwd.getpwuid(os.getuid()).pw_name
START = datetime(2026, 11, 20, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def told(story: Story) -> Story:
    for minute in range(0, 120, 10):
        shares = {"5": (60_000_000_000, 6_000_000_000), "6": (6_000_000_000, 600_000_000)}
        story.interval(START + timedelta(minutes=minute), 600, {Component.CPU: shares}, idle_uj=8_000_000_000)
    submitted, length = START - timedelta(hours=3), timedelta(hours=2)
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
            submitted,
            submitted,
            START,
            START + length,
            None,
            4,
        )
    )
    story.grid(Quantity.CARBON_INTENSITY, START - timedelta(hours=3), [400.0, 400, 400, 200, 200, 300])
    story.grid(Quantity.RENEWABLE_SHARE, START - timedelta(hours=3), [40.0, 40, 40, 70, 70, 60])
    ledger = open_ledger(story.url)
    ledger.promises.append(
        Promise(
            "5",
            ME,
            submitted,
            START,
            length,
            None,
            Quantity.CARBON_INTENSITY,
            210.0,
            390.0,
            "best_mean",
            "greener",
            story.cluster,
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
    assert 'aria-label="n1: 269 Wh measured, 90 % of it for jobs, at most 134 W; most used job 5, job 6."' in page
    assert "1 green window is shaded." in page
    assert "210 g CO2/kWh</td><td>200 g CO2/kWh" in page
    assert '<td class="text">better</td>' in page
    assert "to the microjoule" in page


def test_a_page_of_nothing_is_a_page(story: Story, tmp_path: Path) -> None:
    done = story.run("report", "page", "--out", str(tmp_path / "page.html"))
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "page.html").read_text()
    assert "No node measured anything" in page
    assert "Nothing is known of the grid" in page


def test_a_place_that_cannot_be_written_is_one_line(story: Story) -> None:
    done = story.run("report", "page", "--out", "/nonexistent/page.html")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "/nonexistent/page.html cannot be written" in done.stderr


ENERGY_UJ = st.integers(0, 10**12)
SPANS = st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 600), *[ENERGY_UJ] * 4), max_size=12)


@given(SPANS)
def test_the_area_under_the_power_is_what_was_measured(spans: list[tuple[int, int, int, int, int, int]]) -> None:
    """More jobs than are drawn by name, in parts that overlap anyhow: not a microjoule is lost between the bins."""
    energies: list[NodeEnergy] = []
    postings: list[JobPosting] = []
    for i, (begin, length, busy, carried, idle, system) in enumerate(spans):
        times = (START + timedelta(seconds=begin), START + timedelta(seconds=begin + length))
        what = (list(Component)[i % 3], Quality.MEASURED)
        postings.append(JobPosting(JobKey("lab", str(i), None), "n1", *what, *times, busy, carried))
        total = busy + carried + idle + system
        energies.append(NodeEnergy("n1", *what, *times, total, busy + carried, idle, system))
    for power in node_powers(energies, postings, {}, START, START + timedelta(hours=1)):
        known_us = [part * power.bins.width.total_seconds() * 1e6 for part in power.known]
        area_uj = sum(
            sum(watts * us for watts, us in zip(values, known_us, strict=True)) for _, values in power.series
        )
        assert area_uj == pytest.approx(sum(energy.measured_uj for energy in energies), rel=1e-9, abs=1)
        assert power.measured_uj == sum(energy.measured_uj for energy in energies)


def test_jobs_are_called_as_they_are_shown_and_two_of_one_number_are_two() -> None:
    """Job 5 of two clusters; the larger is drawn first."""
    hour = timedelta(hours=1)
    keys = [JobKey(cluster, "5", START) for cluster in ("a", "b")]
    energy = NodeEnergy("n1", Component.CPU, Quality.MEASURED, START, START + hour, 100, 70, 20, 10)
    postings = [
        JobPosting(key, "n1", Component.CPU, Quality.MEASURED, START, START + hour, busy, 10)
        for key, busy in zip(keys, (20, 30), strict=True)
    ]
    [power] = node_powers([energy], postings, {keys[0]: "5_1", keys[1]: "5_2"}, START, START + 3 * hour)
    assert (power.measured_uj, power.jobs_uj) == (100, 70)
    assert [label for label, _ in power.series] == [
        "job 5_2", "job 5_1", "idle, carried by jobs", "system", "idle",
    ]  # fmt: skip
    assert power.known == pytest.approx((1,) * 64 + (0,) * 128)


def test_power_is_the_mean_over_what_is_known() -> None:
    """A reading that ends within a bin does not make that bin look half as strong."""
    uj = 900_000_000
    energy = NodeEnergy("n1", Component.CPU, Quality.MEASURED, START, START + 1.5 * MINUTE, uj, 0, uj, 0)
    [power] = node_powers([energy], [], {}, START, START + 192 * MINUTE)
    assert power.known[:3] == pytest.approx((1, 0.5, 0))
    assert power.series == (("idle", (pytest.approx(10), pytest.approx(10), *[0] * 190)),)


@pytest.mark.parametrize("length", [timedelta(microseconds=1), timedelta(seconds=47.3), timedelta(days=400)])
def test_bins_cover_any_time(length: timedelta) -> None:
    bins = Bins.over(START, START + length)
    assert 1 <= bins.count <= 192
    assert abs(bins.edges[-1] - START - length) < timedelta(milliseconds=1)
    assert sum(part for _, part in bins.parts(START, START + length)) == pytest.approx(1)


def test_a_page_of_minutes_has_seconds_and_names_its_zone(told: Story, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    told.run("report", "page", "--out", str(out), "-S", "2026-11-20T10:20:30", "-E", "2026-11-20T10:22")
    page = out.read_text()
    assert "Fri 20 Nov 2026 10:20:30 – 10:22:00" in page
    assert re.search(r">10:2\d:\d\d</text>", page), "the axis tells seconds"
    assert "times are in Europe/Berlin." in page


NODES = st.lists(st.lists(st.integers(0, 9), max_size=6, unique=True), max_size=5)


@given(NODES)
def test_no_colour_is_used_twice_in_a_plot_nor_changed_without_need(nodes: list[list[int]]) -> None:
    bins = Bins.over(START, START + MINUTE)
    powers = [
        NodePower(str(i), bins, tuple((f"job {job}", ()) for job in jobs), (), 0, 0) for i, jobs in enumerate(nodes)
    ]
    keys = colour_keys(powers)
    for power, key in zip(powers, keys, strict=True):
        assert list(key) == [label for label, _ in power.series]
        assert len(set(key.values())) == len(key)
    if len({job for jobs in nodes for job in jobs}) <= 6:
        assert len({(label, colour) for key in keys for label, colour in key.items()}) == len(set().union(*keys))
