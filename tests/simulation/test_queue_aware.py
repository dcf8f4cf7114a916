"""Laws of the queue-aware policy and of the gate that asks it; and what it is worth on a small real trace."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from vispa_green_sim.account import job_emissions_g
from vispa_green_sim.adoption import Adoption, adopters
from vispa_green_sim.bound import Problem, bound
from vispa_green_sim.engine import simulate
from vispa_green_sim.forecasts import forecasts_of
from vispa_green_sim.grid import GridClock, GridSeries
from vispa_green_sim.interventions import Knowledge, Trial
from vispa_green_sim.interventions.green_windows import GreenWindows
from vispa_green_sim.machine import Machine
from vispa_green_sim.result import Run
from vispa_green_sim.workload import Workload

from tests.simulation.traces import KTH, made, trace
from vispa_green.energy.carbon import GridSignal
from vispa_green.model import GridKind, GridValue, JobRequest, Policy, Quantity
from vispa_green.policies.best_mean import BestMean
from vispa_green.policies.queue_aware import QueueAware
from vispa_green.shifting.outlook import LIMIT_USED, CpuClaim, outlook

T0 = datetime(2025, 6, 2, tzinfo=UTC)
CPUS = 16
HOUR = timedelta(hours=1)
FREE = {Quantity.CARBON_INTENSITY: 0.0}


def signal(values: list[int]) -> GridSignal:
    """Return hourly values from T0, in g/kWh."""
    quantity, kind = Quantity.CARBON_INTENSITY, GridKind.FORECAST
    return GridSignal.from_values(
        [
            GridValue(quantity, kind, T0 + n * HOUR, T0 + (n + 1) * HOUR, value, "x", T0, T0)
            for n, value in enumerate(values)
        ],
        quantity,
    )


def request(minutes: int, cpus: int = 4, slack_hours: int = 12, *, is_held: bool = False) -> JobRequest:
    duration = timedelta(minutes=minutes)
    return JobRequest(duration, T0, T0 + slack_hours * HOUR + duration, cpus, is_held)


DAYS = st.lists(st.integers(50, 700), min_size=24, max_size=24)


@given(values=DAYS, minutes=st.integers(1, 600), cpus=st.integers(1, CPUS))
def test_on_an_empty_machine_it_chooses_the_best_mean_of_the_expected_length(
    values: list[int], minutes: int, cpus: int
) -> None:
    grid, asked = signal(values), request(minutes, cpus)
    expected = timedelta(seconds=round(asked.duration.total_seconds() * LIMIT_USED))
    latest = asked.finish_by - asked.duration
    best = BestMean().choose(JobRequest(expected, T0, latest + expected, cpus), grid)
    whole = grid.mean(best.start, best.start + asked.duration)
    assume(best.start == T0 or whole < grid.mean(T0, T0 + asked.duration) - 1e-6)
    window = QueueAware(FREE).choose(asked, grid, outlook(T0, CPUS, []))
    assert best.mean is not None
    assert grid.mean(window.start, window.start + expected) == pytest.approx(best.mean)


@given(values=DAYS, minutes=st.integers(1, 600), cpus=st.integers(1, CPUS))
def test_behind_a_queue_longer_than_its_slack_a_job_is_let_in_at_once(
    values: list[int], minutes: int, cpus: int
) -> None:
    ahead = outlook(T0, CPUS, [CpuClaim(CPUS, 2 * 3600)], [CpuClaim(CPUS, 11 * 3600)])
    assert QueueAware().choose(request(minutes, cpus), signal(values), ahead).start == T0


@given(values=DAYS, minutes=st.integers(1, 600), cpus=st.integers(1, CPUS), price=st.floats(0, 20))
def test_a_higher_price_never_makes_a_job_wait_longer_on_an_empty_machine(
    values: list[int], minutes: int, cpus: int, price: float
) -> None:
    ahead, grid, asked = outlook(T0, CPUS, []), signal(values), request(minutes, cpus)
    cheap = QueueAware({Quantity.CARBON_INTENSITY: price}).choose(asked, grid, ahead)
    dear = QueueAware({Quantity.CARBON_INTENSITY: price + 1}).choose(asked, grid, ahead)
    assert dear.start <= cheap.start


def test_a_small_job_starts_at_once_and_a_large_one_waits() -> None:
    grid, ahead = signal([400] * 4 + [200] * 20), outlook(T0, CPUS, [])
    assert QueueAware().choose(request(5, 1), grid, ahead).start == T0
    assert QueueAware().choose(request(240, 8), grid, ahead).start == T0 + 4 * HOUR


def test_a_full_hour_is_passed_over_for_the_next_green_one() -> None:
    """Held jobs count from their planned start: plans stagger."""
    grid = signal([400] * 4 + [200] * 4 + [300] * 16)
    asked = request(200, 16)
    alone = QueueAware().choose(asked, grid, outlook(T0, CPUS, []))
    assert alone.start == T0 + 4 * HOUR
    taken = CpuClaim(16, 4 * 3600, 4 * 3600)
    second = QueueAware().choose(asked, grid, outlook(T0, CPUS, [], [], [taken]))
    assert second.start != alone.start


def test_a_held_job_waits_for_room_and_pushes_nobody_aside() -> None:
    grid = signal([200] * 24)
    busy = outlook(T0, CPUS, [CpuClaim(CPUS, 3600)], [CpuClaim(4, 3600)])
    assert QueueAware().choose(request(60), grid, busy).start == T0
    assert T0 < QueueAware().choose(request(60, is_held=True), grid, busy).start <= T0 + HOUR
    assert QueueAware().choose(request(60, slack_hours=0, is_held=True), grid, busy).start == T0


def waves(days: int = 200) -> GridSeries:
    """Return a grid that is greenest at noon, on some days more than on others."""
    hours = np.arange(24 * days)
    depth = 120 + 60 * np.sin(hours / 24 / 5)
    values = 380 + depth * np.cos(2 * np.pi * (hours % 24) / 24)
    edges = int(T0.timestamp()) + 3600 * np.arange(len(hours) + 1)
    return GridSeries(Quantity.CARBON_INTENSITY, edges.astype(np.int64), values)


def play(
    workload: Workload, cpus: int, policy: Policy, slack_s: int, rate: float = 1.0
) -> tuple[Run, Run, GridClock]:
    """Return the run without and with green windows."""
    machine, clock = Machine.of_processors(cpus), GridClock(waves(), T0)
    trial = Trial.of(workload, machine, [1000] * len(workload))
    knowledge = Knowledge(forecasts_of("oracle", clock), adopters(workload, Adoption(rate), 1))
    changed = GreenWindows(policy, slack_s).applied(trial, knowledge)
    return simulate(workload, machine), simulate(workload, machine, conditions=changed.for_engine()), clock


JOBS = st.lists(
    st.tuples(st.integers(0, 100_000), st.integers(1, 20_000), st.integers(1, 30_000), st.integers(1, CPUS)).map(
        lambda job: (job[0], min(job[1], job[2]), job[2], job[3])
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=40)
@given(jobs=JOBS, slack_hours=st.integers(0, 24))
def test_no_job_is_held_beyond_its_slack(jobs: list[tuple[int, int, int, int]], slack_hours: int) -> None:
    workload = made(jobs)
    for policy in (QueueAware(), QueueAware(FREE), BestMean()):
        _, after, _ = play(workload, CPUS, policy, slack_hours * 3600)
        assert after.released is not None
        held = np.asarray(after.released) - np.asarray(workload.submit_s)
        assert held.min() >= 0
        assert held.max() <= slack_hours * 3600


@settings(max_examples=40)
@given(jobs=JOBS)
def test_without_slack_or_volunteers_nothing_changes(jobs: list[tuple[int, int, int, int]]) -> None:
    workload = made(jobs)
    before, after, _ = play(workload, CPUS, QueueAware(), 0)
    assert before.starts == after.starts
    before, after, _ = play(workload, CPUS, QueueAware(), 12 * 3600, rate=0.0)
    assert before.starts == after.starts


def test_on_a_real_trace_it_keeps_most_of_the_saving_for_a_fraction_of_the_wait() -> None:
    """The first 3,000 jobs of KTH, everybody takes part; the full figures: docs/simulation/queue-aware.md."""
    workload = trace(*KTH).picked(range(3000))
    figures = {}
    for policy in (BestMean(), QueueAware()):
        before, after, clock = play(workload, 100, policy, 12 * 3600)
        powers = [1000 * processors for processors in workload.processors]
        saved = 1 - job_emissions_g(after, powers, clock).sum() / job_emissions_g(before, powers, clock).sum()
        figures[type(policy)] = saved, float((after.wait_s - before.wait_s).mean())
    (naive, naive_wait), (aware, aware_wait) = figures[BestMean], figures[QueueAware]
    assert aware >= 0.75 * naive > 0
    assert aware / aware_wait >= 3 * naive / naive_wait


@settings(max_examples=40)
@given(jobs=JOBS, moves=st.lists(st.floats(0, 1), min_size=25, max_size=25))
def test_no_schedule_that_fits_saves_more_than_the_bound(
    jobs: list[tuple[int, int, int, int]], moves: list[float]
) -> None:
    """On a machine that never fills every schedule fits."""
    workload = made(jobs)
    run = simulate(workload, Machine.of_processors(25 * CPUS))
    problem = Problem.of(run, np.ones(len(workload), dtype=np.bool_), GridClock(waves(), T0), 12 * 3600)
    part = np.asarray(moves[: len(workload)])
    starts = problem.old_start_s + (part * 12 * 3600).astype(np.int64)
    saved = 100 * (problem.co2(problem.old_start_s) - problem.co2(starts)) / problem.total
    found = bound(problem, steps=20)
    assert saved <= found.most_saved_pct + 1e-6
    assert found.most_saved_pct <= found.uncontended_pct + 1e-6
