"""The join of a job's account, Slurm's facts and the grid to one row a job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vispa_green.energy.carbon import GridSignal
from vispa_green.energy.jobs import HOLE, JobEnergy, charged_spans, job_energies, runs_of
from vispa_green.energy.parts import EnergyParts, GridFigures
from vispa_green.model import (
    Component,
    EnergySum,
    GridKind,
    GridValue,
    JobAccount,
    JobFact,
    JobKey,
    JobPosting,
    JobStay,
    Quality,
    Quantity,
    Weighted,
)
from vispa_green.units import UJ_PER_WH, energy_text, mass_text, percent_text

START = datetime(2026, 11, 16, 12, tzinfo=UTC)
KWH = 1000 * UJ_PER_WH
KEY = JobKey("lab", "7", START - timedelta(minutes=1))
TEN = EnergySum(Component.CPU, Quality.MEASURED, 10, 0)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def posting(begin_s: float, end_s: float, busy_uj: int, node: str = "n1") -> JobPosting:
    return JobPosting(KEY, node, Component.CPU, Quality.MEASURED, at(begin_s), at(end_s), busy_uj, 0)


def stay(
    begin_s: float,
    end_s: float,
    *,
    present_s: float | None = None,
    metered_s: float | None = None,
    unwatched_s: float = 0,
    node: str = "n1",
    reserved_us: int | None = None,
) -> JobStay:
    """A job that kept half a CPU busy, watched and metered all the time unless told otherwise."""
    present = end_s - begin_s if present_s is None else present_s
    metered = present if metered_s is None else metered_s
    return JobStay(
        node, at(begin_s), at(end_s), int(1e6 * present), int(1e6 * metered), int(1e6 * unwatched_s),
        int(5e8 * present), reserved_us,
    )  # fmt: skip


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


def row(
    *stays: JobStay,
    fact: JobFact | None = None,
    sums: tuple[EnergySum, ...] = (TEN,),
    grid: Mapping[Quantity, Weighted] | None = None,
    running_until: datetime | None = None,
) -> JobEnergy:
    account = JobAccount(KEY, fact, 1234 if stays else None, stays, sums, grid or {})
    (only,) = job_energies([account], user_of=str, running_until=running_until)
    return only


def test_busy_energy_is_told_by_component_and_idle_energy_by_itself() -> None:
    sums = (
        EnergySum(Component.CPU, Quality.MEASURED, 10, 1),
        EnergySum(Component.CPU, Quality.ESTIMATED, 5, 3),
        EnergySum(Component.DRAM, Quality.MEASURED, 20, 2),
        EnergySum(Component.GPU, Quality.MEASURED, 30, 0),
        EnergySum(Component.NODE, Quality.MEASURED, 40, 4),
    )
    job = row(stay(0, 90), sums=sums)
    assert job.parts == EnergyParts(cpu_uj=15, dram_uj=20, gpu_uj=30, node_uj=40, idle_uj=10)
    assert job.energy_uj == 115


@pytest.mark.parametrize(
    ("qualities", "expected"),
    [
        ((Quality.MEASURED, Quality.MEASURED), Quality.MEASURED),
        ((Quality.MEASURED, Quality.ESTIMATED), Quality.ESTIMATED),
        ((Quality.ESTIMATED, Quality.GAP), Quality.GAP),
    ],
)
def test_quality_is_the_worst_of_its_sums(qualities: tuple[Quality, ...], expected: Quality) -> None:
    sums = tuple(
        EnergySum(component, quality, 9, 0) for component, quality in zip(Component, qualities, strict=False)
    )
    assert row(stay(0, 120), fact=fact(0, 120), sums=sums).quality is expected


def test_a_job_with_one_run_shows_it_as_long_as_it_was_there() -> None:
    job = row(stay(0, 60), stay(0, 90, node="n2"))
    assert [(span.start, span.end, span.energy_uj) for span in job.charged] == [(at(0), at(90), 10)]


def test_runs_part_where_the_job_was_on_no_node_for_longer_than_a_hole() -> None:
    stays = (stay(0, 60), stay(100, 150, node="n2"), stay(200, 260), stay(3600, 3660))
    assert runs_of(JobAccount(KEY, None, None, stays)) == [(at(0), at(260)), (at(3600), at(3660))]


def test_a_requeued_job_shows_each_of_its_runs_and_they_sum_to_its_energy() -> None:
    pieces = [posting(0, 60, 11), posting(60, 90, 20, "n2"), posting(30, 80, 5), posting(3600, 3660, 7)]
    values = [
        GridValue(
            Quantity.CARBON_INTENSITY, GridKind.MEASURED, at(i * 1800), at(i * 1800 + 1800), 100, "x", START, START
        )
        for i in range(2)
    ]
    first, second = charged_spans(pieces, GridSignal.from_values(values, Quantity.CARBON_INTENSITY))
    assert (first.start, first.end, first.energy_uj) == (at(0), at(90), 36)
    assert (second.start, second.end, second.energy_uj, second.co2_g) == (at(3600), at(3660), 7, None)
    assert first.co2_g == pytest.approx(36 / KWH * 100)


def test_a_short_hole_is_no_end_of_a_run() -> None:
    assert [span.energy_uj for span in charged_spans([posting(0, 60, 10), posting(120, 180, 20)], None)] == [30]


@given(st.lists(st.tuples(st.integers(0, 9999), st.integers(1, 600), st.integers(0, 1000)), min_size=1))
def test_spans_lose_nothing_and_lie_apart(pieces: list[tuple[int, int, int]]) -> None:
    spans = charged_spans([posting(begin, begin + length, uj) for begin, length, uj in pieces], None)
    assert sum(span.energy_uj for span in spans) == sum(uj for _, _, uj in pieces)
    assert all(later.start - earlier.end > HOLE for earlier, later in pairwise(spans))
    assert (spans[0].start, spans[-1].end) == (at(min(b for b, _, _ in pieces)), at(max(b + n for b, n, _ in pieces)))


def test_what_a_first_run_had_in_the_account_hides_no_hole_in_the_last() -> None:
    """Of the last run of 60 s, Slurm's, only 30 s are there; the 600 s before it do not make up for that."""
    stays = (stay(0, 600), stay(3600, 3630))
    assert row(*stays, fact=fact(3600, 3660)).coverage == pytest.approx(630 / 660)
    lost = row(*stays, fact=fact(3600, 3960))
    assert lost.coverage == pytest.approx(630 / 960)
    assert lost.quality is Quality.GAP


def test_a_job_that_no_agent_saw_has_no_energy_rather_than_none_used() -> None:
    job = row(fact=fact(0, 3600), sums=())
    assert (job.energy_uj, job.parts, job.co2_g, job.coverage, job.quality) == (None, None, None, 0.0, Quality.GAP)
    assert (job.display_id, job.user, job.nodes) == ("5_2", "ada", ("n1",))


@pytest.mark.parametrize("never", [fact(None, None, ()), fact(300, 300, ())], ids=["waits", "cancelled while it did"])
def test_a_job_that_has_not_run_has_neither_energy_nor_quality(never: JobFact) -> None:
    job = row(fact=never, sums=())
    assert (job.energy_uj, job.coverage, job.quality, job.has_run) == (None, 0.0, None, False)


def test_a_part_of_the_run_out_of_sight_is_a_gap() -> None:
    job = row(stay(0, 60), fact=fact(0, 120))
    assert (job.coverage, job.quality) == (0.5, Quality.GAP)


def test_a_node_out_of_sight_is_a_gap() -> None:
    job = row(stay(0, 60), fact=fact(0, 60, ("n1", "n2")))
    assert (job.coverage, job.quality) == (0.5, Quality.GAP)


def test_slurms_whole_seconds_are_no_gap() -> None:
    job = row(stay(0, 10, present_s=2.2), fact=fact(0, 4))
    assert job.quality is Quality.MEASURED
    assert job.coverage == pytest.approx(0.55)


def test_time_in_which_the_counters_failed_is_not_covered() -> None:
    """It was watched for 120 s, but only 60 s of that were metered."""
    job = row(stay(0, 120, metered_s=60), fact=fact(0, 120))
    assert (job.coverage, job.quality) == (0.5, Quality.GAP)


def test_a_job_that_sleeps_while_the_counters_are_read_is_covered_all_the_same() -> None:
    job = row(stay(0, 120), fact=fact(0, 120), sums=(EnergySum(Component.CPU, Quality.MEASURED, 0, 0),))
    assert (job.coverage, job.quality) == (1.0, Quality.MEASURED)


def test_a_suspended_job_ran_as_long_as_slurm_says_and_is_covered() -> None:
    """Slurm counts no suspended time, the agents see the job all the while."""
    suspended = replace(fact(0, 38), elapsed=timedelta(seconds=18))
    job = row(stay(0, 38), fact=suspended)
    assert (job.elapsed, job.coverage, job.quality) == (timedelta(seconds=18), 1.0, Quality.MEASURED)


def test_without_slurm_a_short_job_in_a_long_interval_is_fully_covered() -> None:
    assert row(stay(0, 60, present_s=5)).coverage == 1.0


def test_without_slurm_a_time_in_which_nobody_watched_is_not_covered() -> None:
    job = row(stay(0, 240, present_s=120, unwatched_s=120))
    assert (job.coverage, job.quality, job.elapsed) == (0.5, Quality.GAP, timedelta(seconds=240))


def test_a_running_job_is_covered_up_to_the_moment_slurm_was_asked() -> None:
    running = row(stay(0, 60), fact=fact(0, None), running_until=at(80))
    assert running.coverage == pytest.approx(0.75)
    assert (running.end, running.elapsed) == (None, timedelta(seconds=80))


def test_co2_stands_for_the_part_of_the_energy_whose_grid_is_known() -> None:
    grid = {
        Quantity.CARBON_INTENSITY: Weighted(KWH, KWH * 400.0),
        Quantity.RENEWABLE_SHARE: Weighted(4 * KWH, KWH * 30.0 + 3 * KWH * 60.0),
    }
    job = row(stay(0, 120), sums=(EnergySum(Component.CPU, Quality.MEASURED, 3 * KWH, KWH),), grid=grid)
    assert job.grid.co2_g == pytest.approx(400)
    assert job.grid.co2_coverage == pytest.approx(0.25)
    assert job.grid.renewable_share_pct == pytest.approx(0.25 * 30 + 0.75 * 60)
    assert job.co2_g == job.grid.co2_g


def test_co2_is_unknown_where_nothing_is_known_of_the_grid() -> None:
    job = row(stay(0, 60), grid={Quantity.CARBON_INTENSITY: Weighted()})
    assert job.grid == GridFigures(None, 0.0, None)


def test_efficiency_is_cpu_time_used_of_cpu_time_reserved() -> None:
    job = row(stay(0, 60), fact=fact(0, 60))
    assert job.cpu_efficiency == pytest.approx(0.25)  # half a CPU of two
    assert row(stay(0, 60)).cpu_efficiency is None
    of_four = stay(0, 60, reserved_us=4 * 60_000_000)
    assert row(of_four, fact=fact(0, 60)).cpu_efficiency == pytest.approx(0.125), "the agents know it better"


def test_without_facts_the_owner_is_found_by_uid() -> None:
    job = row(stay(0, 60))
    assert (job.user, job.display_id, job.nodes, job.start, job.end) == ("1234", "7", ("n1",), at(0), at(60))


def test_rows_are_in_order_of_start_and_the_unstarted_come_last() -> None:
    keys = [JobKey("lab", str(number), None) for number in range(3)]
    accounts = [
        JobAccount(keys[0], replace(fact(None, None), job_id="0"), None),
        JobAccount(keys[1], None, None, (stay(60, 90),), (TEN,)),
        JobAccount(keys[2], None, None, (stay(0, 90),), (TEN,)),
    ]
    assert [one.job_id for one in job_energies(accounts, user_of=str, running_until=None)] == ["2", "1", "0"]


AMOUNT = st.integers(0, 10**15)


@given(
    st.lists(st.builds(EnergySum, st.sampled_from(Component), st.sampled_from(Quality), AMOUNT, AMOUNT), max_size=8),
    st.lists(st.tuples(*[st.integers(0, 10**4)] * 4), max_size=3),
)
def test_no_microjoule_is_lost(sums: list[EnergySum], times: list[tuple[int, int, int, int]]) -> None:
    stays = [
        stay(begin, begin + length, metered_s=min(length, metered), unwatched_s=more)
        for begin, length, metered, more in times
    ]
    job = row(*stays, sums=tuple(sums))
    assert (job.energy_uj or 0) == sum(one.busy_uj + one.idle_uj for one in sums)
    assert 0 <= job.coverage <= 1


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
