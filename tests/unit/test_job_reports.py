"""The join of postings, presence, Slurm's facts and the grid to one row a job."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vispa_green.energy.carbon import GridSignal
from vispa_green.energy.jobs import HOLE, EnergyParts, GridBackground, JobEnergy, charged_spans, job_energies
from vispa_green.model import (
    Component,
    GridKind,
    GridValue,
    JobFact,
    JobPosting,
    JobPresence,
    Quality,
    Quantity,
)
from vispa_green.units import UJ_PER_WH, energy_text, mass_text, percent_text

START = datetime(2026, 11, 16, 12, tzinfo=UTC)
KWH = 1000 * UJ_PER_WH


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def posting(
    begin_s: float,
    end_s: float,
    busy_uj: int,
    idle_uj: int = 0,
    component: Component = Component.CPU,
    quality: Quality = Quality.MEASURED,
    node: str = "n1",
) -> JobPosting:
    return JobPosting("7", node, component, quality, at(begin_s), at(end_s), busy_uj, idle_uj)


def stay(begin_s: float, end_s: float, present_s: float | None = None, node: str = "n1") -> JobPresence:
    present_us = int(1e6 * (end_s - begin_s if present_s is None else present_s))
    return JobPresence("7", node, 1234, at(begin_s), at(end_s), present_us, present_us * 500)


def fact(begin_s: float | None, end_s: float | None, nodes: tuple[str, ...] = ("n1",)) -> JobFact:
    return JobFact(
        job_id="7",
        display_id="5_2",
        user="ada",
        account="physics",
        partition="main",
        name="fit",
        state="COMPLETED",
        nodes=nodes,
        submit=at(-60),
        eligible=at(-60),
        start=None if begin_s is None else at(begin_s),
        end=None if end_s is None else at(end_s),
        time_limit=None,
        cpus=2 * len(nodes),
    )


def grid(*values: float, quantity: Quantity = Quantity.CARBON_INTENSITY, step_s: float = 60) -> GridSignal:
    return GridSignal.from_values(
        [
            GridValue(quantity, GridKind.MEASURED, at(i * step_s), at((i + 1) * step_s), value, "x", START, START)
            for i, value in enumerate(values)
        ],
        quantity,
    )


def row(
    postings: list[JobPosting],
    stays: list[JobPresence],
    facts: list[JobFact] | None = None,
    background: GridBackground | None = None,
    running_until: datetime | None = None,
) -> JobEnergy:
    (only,) = job_energies(
        postings, stays, facts or [], background or GridBackground(), user_of=str, running_until=running_until
    )
    return only


def test_busy_energy_is_told_by_component_and_idle_energy_by_itself() -> None:
    job = row(
        [
            posting(0, 60, 10, 1),
            posting(0, 60, 20, 2, Component.DRAM),
            posting(0, 60, 30, 0, Component.GPU),
            posting(60, 90, 5, 3),
        ],
        [stay(0, 90)],
    )
    assert job.parts == EnergyParts(cpu_uj=15, dram_uj=20, gpu_uj=30, idle_uj=6)
    assert job.energy_uj == 71


def test_a_whole_node_counter_counts_only_where_its_parts_are_not_metered() -> None:
    whole = posting(0, 60, 100, 7, Component.NODE)
    elsewhere = posting(0, 60, 50, 0, Component.NODE, node="n2")
    job = row([posting(0, 60, 10), whole, elsewhere], [stay(0, 60), stay(0, 60, node="n2")])
    assert job.parts == EnergyParts(cpu_uj=10, node_uj=50)


@pytest.mark.parametrize(
    ("qualities", "expected"),
    [
        ((Quality.MEASURED, Quality.MEASURED), Quality.MEASURED),
        ((Quality.MEASURED, Quality.ESTIMATED), Quality.ESTIMATED),
        ((Quality.ESTIMATED, Quality.GAP), Quality.GAP),
    ],
)
def test_quality_is_the_worst_of_its_postings(qualities: tuple[Quality, ...], expected: Quality) -> None:
    postings = [posting(60 * i, 60 * i + 60, 9, quality=quality) for i, quality in enumerate(qualities)]
    assert row(postings, [stay(0, 120)], [fact(0, 120)]).quality is expected


def test_a_requeued_job_shows_each_of_its_runs_and_they_sum_to_its_energy() -> None:
    runs = [posting(0, 60, 10, 1), posting(60, 90, 20, node="n2"), posting(30, 80, 5), posting(3600, 3660, 7)]
    stays = [stay(0, 3660, present_s=140), stay(60, 90, node="n2")]
    job = row(runs, stays, [fact(3600, 3660)], GridBackground(grid(100, 100, step_s=1800)))
    first, second = job.charged
    assert (first.start, first.end, first.energy_uj) == (at(0), at(90), 36)
    assert (second.start, second.end, second.energy_uj, second.co2_g) == (at(3600), at(3660), 7, None)
    assert first.co2_g == pytest.approx(job.co2_g)


def test_a_short_hole_is_no_end_of_a_run() -> None:
    job = row([posting(0, 60, 10), posting(120, 180, 20)], [stay(0, 180)], [fact(0, 180)])
    assert [span.energy_uj for span in job.charged] == [30]


@given(st.lists(st.tuples(st.integers(0, 9999), st.integers(1, 600), st.integers(0, 1000)), min_size=1))
def test_spans_lose_nothing_and_lie_apart(pieces: list[tuple[int, int, int]]) -> None:
    spans = charged_spans([posting(begin, begin + length, uj) for begin, length, uj in pieces], None)
    assert sum(span.energy_uj for span in spans) == sum(uj for _, _, uj in pieces)
    assert all(later.start - earlier.end > HOLE for earlier, later in pairwise(spans))
    assert (spans[0].start, spans[-1].end) == (at(min(b for b, _, _ in pieces)), at(max(b + n for b, n, _ in pieces)))


def test_what_a_first_run_had_in_the_account_hides_no_hole_in_the_last() -> None:
    """Of the last run of 60 s, Slurm's, only 30 s are there; the 600 s before it do not make up for that."""
    runs = [posting(0, 600, 60, 1), posting(3600, 3630, 3, 1)]
    job = row(runs, [stay(0, 3630, present_s=630)], [fact(3600, 3660)])
    assert job.coverage == pytest.approx(630 / 660)
    lost = row(runs, [stay(0, 3630, present_s=630)], [fact(3600, 3960)])
    assert lost.coverage == pytest.approx(630 / 960)
    assert lost.quality is Quality.GAP


def test_a_job_that_no_agent_saw_has_no_energy_rather_than_none_used() -> None:
    job = row([], [], [fact(0, 3600)])
    assert (job.energy_uj, job.parts, job.co2_g, job.coverage, job.quality) == (None, None, None, 0.0, Quality.GAP)
    assert (job.display_id, job.user, job.nodes) == ("5_2", "ada", ("n1",))


def test_a_pending_job_has_neither_energy_nor_quality() -> None:
    job = row([], [], [fact(None, None, ())])
    assert (job.energy_uj, job.coverage, job.quality, job.start) == (None, 0.0, None, None)


def test_a_part_of_the_run_out_of_sight_is_a_gap() -> None:
    job = row([posting(0, 60, 10)], [stay(0, 60)], [fact(0, 120)])
    assert (job.coverage, job.quality) == (0.5, Quality.GAP)


def test_a_node_out_of_sight_is_a_gap() -> None:
    job = row([posting(0, 60, 10)], [stay(0, 60)], [fact(0, 60, ("n1", "n2"))])
    assert (job.coverage, job.quality) == (0.5, Quality.GAP)


def test_slurms_whole_seconds_are_no_gap() -> None:
    job = row([posting(0, 10, 10)], [stay(0, 10, present_s=2.2)], [fact(0, 4)])
    assert job.quality is Quality.MEASURED
    assert job.coverage == pytest.approx(0.55)


def test_time_in_which_the_counters_failed_is_not_covered() -> None:
    """It was watched for 120 s and carried idle energy, but only 60 s of that were metered."""
    job = row([posting(0, 60, 10, 5)], [stay(0, 120)], [fact(0, 120)])
    assert (job.coverage, job.quality) == (0.5, Quality.GAP)


def test_a_sleeping_job_that_carries_no_idle_energy_is_covered_all_the_same() -> None:
    job = row([posting(0, 60, 10)], [stay(0, 120)], [fact(0, 120)])
    assert (job.coverage, job.quality) == (1.0, Quality.MEASURED)


def test_without_slurm_a_short_job_in_a_long_interval_is_fully_covered() -> None:
    assert row([posting(0, 60, 10)], [stay(0, 60, present_s=5)]).coverage == 1.0


def test_without_slurm_a_hole_between_sightings_is_not_covered() -> None:
    job = row([posting(0, 60, 10, 1), posting(180, 240, 10, 1)], [stay(0, 240, present_s=120)])
    assert (job.coverage, job.quality) == (0.5, Quality.GAP)


def test_a_running_job_is_covered_up_to_the_moment_slurm_was_asked() -> None:
    running = row([posting(0, 60, 9)], [stay(0, 60)], [fact(0, None)], running_until=at(80))
    assert running.coverage == pytest.approx(0.75)
    assert running.end is None


def test_co2_stands_for_the_part_of_the_energy_whose_grid_is_known() -> None:
    background = GridBackground(grid(400), grid(30, 60, quantity=Quantity.RENEWABLE_SHARE))
    job = row([posting(0, 60, KWH), posting(60, 120, 3 * KWH)], [stay(0, 120)], background=background)
    assert job.co2_g == pytest.approx(400)
    assert job.co2_coverage == pytest.approx(0.25)
    assert job.renewable_share_pct == pytest.approx(0.25 * 30 + 0.75 * 60)


def test_co2_is_unknown_where_nothing_is_known_of_the_grid() -> None:
    job = row([posting(600, 660, KWH)], [stay(600, 660)], background=GridBackground(grid(400)))
    assert (job.co2_g, job.co2_coverage, job.renewable_share_pct) == (None, 0.0, None)


def test_efficiency_is_cpu_time_used_of_cpu_time_reserved() -> None:
    job = row([posting(0, 60, 10)], [stay(0, 60)], [fact(0, 60)])
    assert job.cpu_efficiency == pytest.approx(0.25)  # half a CPU of two
    assert row([posting(0, 60, 10)], [stay(0, 60)]).cpu_efficiency is None


def test_without_facts_the_owner_is_found_by_uid() -> None:
    job = row([posting(0, 60, 10)], [stay(0, 60)])
    assert (job.user, job.display_id, job.nodes, job.start, job.end) == ("1234", "7", ("n1",), at(0), at(60))


@given(st.lists(st.tuples(st.sampled_from(Component), st.integers(0, 10**15), st.integers(0, 10**15)), max_size=8))
def test_no_microjoule_is_lost(shares: list[tuple[Component, int, int]]) -> None:
    postings = [posting(0, 60, busy, idle, component, node=f"{component}-node") for component, busy, idle in shares]
    total = sum(busy + idle for _, busy, idle in shares)
    rows = job_energies(postings, [stay(0, 60)], [], GridBackground(), user_of=str, running_until=None)
    assert sum(job.energy_uj or 0 for job in rows) == total
    assert all(0 <= job.coverage <= 1 for job in rows)


@pytest.mark.parametrize(
    ("energy_uj", "text"),
    [
        (None, "–"),
        (0, "0 J"),
        (1, "<0.01 J"),
        (812_345_678, "812 J"),
        (99_960_000, "100 J"),
        (3_600_000_000, "1.00 Wh"),
        (42 * UJ_PER_WH, "42.0 Wh"),
        (1_236 * UJ_PER_WH, "1.24 kWh"),
        (123_456 * UJ_PER_WH, "123 kWh"),
    ],
)
def test_energy_in_words(energy_uj: int | None, text: str) -> None:
    assert energy_text(energy_uj) == text


def test_masses_and_percentages_in_words() -> None:
    assert [mass_text(g) for g in (None, 0.004, 0.21, 42.13, 1300)] == ["–", "<0.01 g", "0.21 g", "42.1 g", "1.30 kg"]
    assert [percent_text(x) for x in (None, 0, 0.001, 0.5, 0.999, 1)] == [
        "–",
        "0 %",
        "<1 %",
        "50 %",
        ">99 %",
        "100 %",
    ]
