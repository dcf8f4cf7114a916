"""The energy of a run is the integral of its power, told a second time by a replay that knows single nodes."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vispa_green_sim.account import Energy, emissions, energy, job_energy_mj, state_changes
from vispa_green_sim.engine import Conditions, simulate
from vispa_green_sim.errors import PowerError
from vispa_green_sim.grid import GridClock, GridSeries
from vispa_green_sim.machine import Machine, NodePowerModel
from vispa_green_sim.power import PowerSample, Priors, job_powers
from vispa_green_sim.result import Run
from vispa_green_sim.sleep import Sleep, State

from tests.simulation.traces import KTH, made, trace
from vispa_green.model import Quantity

POWER = NodePowerModel(
    idle_mw=101, off_mw=7, boot_mw=203, boot_s=11, shutdown_mw=57, shutdown_s=3, cpu_mw=307
)  # primes: no two mistakes cancel
SIZE = 6
MW = {State.IDLE: 101, State.ACTIVE: 101, State.OFF: 7, State.BOOT: 203, State.SHUTDOWN: 57}

rows = st.tuples(st.integers(0, 400), st.integers(1, 60), st.integers(0, 30), st.integers(1, SIZE))
workloads = st.lists(rows, min_size=1, max_size=25).map(
    lambda jobs: sorted([(s, r, r + more, p) for s, r, more, p in jobs], key=lambda job: job[0])
)
Interval = tuple[int, int, State]


def replayed(run: Run, rule: Sleep, end: int) -> list[list[Interval]]:
    """Give every node a name and a diary: takes nodes idle last, then those off longest, as documented."""
    begin = run.span_s[0]
    log = run.log
    assert log is not None
    idle = [(begin, n) for n in range(SIZE)]  # (since, node)
    off: list[tuple[int, int]] = []
    diary: list[list[Interval]] = [[] for _ in range(SIZE)]
    holds: dict[int, list[int]] = {}
    width = run.workload.processors
    allocated = allocations(run)
    events = sorted(
        [(run.ends[j], 0, j) for j in range(len(width))] + [(allocated[j], 2, j) for j in range(len(width))]
    )
    moments = sorted({t for t, _, _ in events} | set(range(begin, end + 1)))
    for now in moments:
        for _, _, job in [e for e in events if e[0] == now and e[1] == 0]:
            for node in holds.pop(job):
                diary[node].append((run.starts[job], now, State.ACTIVE))
                idle.append((now, node))
        # which comes first at the same instant, a job's end or the timer, makes no difference: ends renew
        for since, node in [i for i in idle if i[0] + rule.after_s <= now][: max(0, len(idle) - rule.spare)]:
            idle.remove((since, node))
            diary[node] += [(since, now, State.IDLE), (now, now + 3, State.SHUTDOWN)]
            off.append((now + 3, node))
        for _, _, job in [e for e in events if e[0] == now and e[1] == 2]:
            awake = [idle.pop() for _ in range(min(width[job], len(idle)))]
            woken = [off.pop(0) for _ in range(width[job] - len(awake))]
            start = run.starts[job]
            for since, node in awake:
                diary[node].append((since, start, State.IDLE))
            for since, node in woken:
                diary[node] += [(since, start - 11, State.OFF), (start - 11, start, State.BOOT)]
            holds[job] = [node for _, node in awake + woken]
    for since, node in idle:
        diary[node].append((since, end, State.IDLE))
    for since, node in off:
        diary[node].append((since, end, State.OFF))
    return diary


def allocations(run: Run) -> list[int]:
    """Without the boots before a start: from the same schedule, told by what the scheduler predicts."""
    return list(run.workload.recorded_start_s)


def with_allocations(jobs: list[tuple[int, int, int, int]], rule: Sleep) -> Run:
    """Play FCFS; its allocations are known without the engine: when enough processors are free, in order."""
    run = simulate(made(jobs), Machine.of_processors(SIZE, POWER), "fcfs", Conditions(sleep=rule))
    given_at: list[int] = []
    for job, (submit, _, _, width) in enumerate(jobs):
        at = max([submit, *given_at[-1:]])
        held = [(run.ends[j], jobs[j][3]) for j in range(job)]
        times = sorted({at, *(e for e, _ in held if e > at)})
        given_at.append(next(t for t in times if sum(p for e, p in held if e > t) + width <= SIZE))
    object.__setattr__(run.workload, "recorded_start_s", given_at)
    return run


@settings(max_examples=150)
@given(workloads, st.integers(1, 40), st.integers(0, 3))
def test_energy_by_state_is_the_sum_over_nodes_of_a_replay(
    jobs: list[tuple[int, int, int, int]], after: int, spare: int
) -> None:
    """Exactly, in integers, for each state; and no node is ever in two states or in none."""
    rule = Sleep(after, spare)
    run = with_allocations(jobs, rule)
    end = run.span_s[1] + 50
    spent = energy(run, [307 * p for _, _, _, p in jobs], end)
    diary = replayed(run, rule, end)
    by_state = dict.fromkeys(State, 0)
    for node in diary:
        days = sorted((b, min(e, end), s) for b, e, s in node if b < min(e, end))
        assert days[0][0] == run.span_s[0]
        assert days[-1][1] == end
        assert all(before[1] == following[0] for before, following in pairwise(days))
        for b, e, state in days:
            by_state[state] += (e - b) * MW[state]
    assert {s: spent.static_mj.get(("processor", s), 0) for s in State} == by_state
    assert spent.dynamic_mj == sum(307 * p * r for _, r, _, p in jobs)


def integral_of_power(run: Run, job_mw: list[int], end: int) -> int:
    """Lay the power out second by second."""
    begin = run.span_s[0]
    power = np.zeros(end - begin, dtype=np.int64)
    for change in state_changes(run):
        for time, nodes in zip(change.times_s, change.nodes, strict=True):
            power[max(0, int(time) - begin) :] += int(nodes) * MW[change.state]
    for start, stop, mw in zip(run.starts, run.ends, job_mw, strict=True):
        power[start - begin : max(0, min(stop, end) - begin)] += mw
    return int(power.sum())


@pytest.mark.parametrize("scheduler", ["fcfs", "easy", "conservative", "slurm_like"])
@settings(max_examples=40)
@given(workloads, st.sampled_from([None, Sleep(5), Sleep(20, 2)]))
def test_energy_is_the_integral_of_the_power_log(
    scheduler: str, jobs: list[tuple[int, int, int, int]], rule: Sleep | None
) -> None:
    """For every scheduler, with sleep and without; the nodes always add up to the machine."""
    run = simulate(made(jobs), Machine.of_processors(SIZE, POWER), scheduler, Conditions(sleep=rule))
    job_mw = [307 * p for _, _, _, p in jobs]
    spent = energy(run, job_mw)
    assert spent.total_mj == integral_of_power(run, job_mw, spent.end_s)
    assert int(job_energy_mj(run, job_mw).sum()) == spent.dynamic_mj
    for moment in range(spent.begin_s, spent.end_s, 7):
        counts = dict.fromkeys(State, 0)
        for change in state_changes(run):
            counts[change.state] += int(change.nodes[change.times_s <= moment].sum())
        assert sum(counts.values()) == SIZE
        assert min(counts.values()) >= 0


def clock(values: list[float], step_s: int = 900) -> GridClock:
    start = datetime(2025, 1, 6, tzinfo=UTC)
    edges = np.arange(len(values) + 1, dtype=np.int64) * step_s + int(start.timestamp())
    return GridClock(GridSeries(Quantity.CARBON_INTENSITY, edges, np.array(values)), start)


@pytest.mark.parametrize("rule", [None, Sleep(600), Sleep(3600, 10)])
def test_co2_is_the_sum_over_quarter_hours(rule: Sleep | None) -> None:
    """To 1e-9, on three weeks of a real trace; static and dynamic apart."""
    workload = trace(*KTH).picked(range(1500))
    machine = Machine.of_processors(100)
    run = simulate(workload, machine, "easy", Conditions(sleep=rule))
    begin, end = run.span_s
    quarters = (end // 900) + 1
    values = np.random.default_rng(1).uniform(50, 700, quarters)
    job_mw = job_powers(workload, machine)
    found = emissions(run, job_mw, clock(list(values)), pue=1.3)
    whole = energy_by_quarter(run, job_mw, begin, quarters)
    assert found.total_g == pytest.approx(float((whole * values).sum()) / 3.6e9 * 1.3, rel=1e-9)


def energy_by_quarter(run: Run, job_mw: list[int], begin: int, quarters: int) -> np.ndarray:
    """Account each quarter of an hour as a run of its own: what was spent until its end, less until its begin."""
    until = [energy(run, job_mw, max(begin, 900 * q)).total_mj if 900 * q > begin else 0 for q in range(quarters)]
    return np.diff([*until, energy(run, job_mw).total_mj]).astype(float)


def test_constant_intensity_makes_co2_energy_times_intensity() -> None:
    """Also across the repetition of a short series."""
    workload = trace(*KTH).picked(range(800))
    run = simulate(workload, Machine.of_processors(100), "easy", Conditions(sleep=Sleep(300)))
    job_mw = job_powers(workload, run.machine)
    spent: Energy = energy(run, job_mw)
    found = emissions(run, job_mw, clock([400.0] * 4 * 24 * 8))
    assert found.total_g == pytest.approx(spent.total_kwh * 400, rel=1e-9)
    assert found.dynamic_g == pytest.approx(spent.dynamic_mj / 3.6e9 * 400, rel=1e-9)
    assert spent.boots > 0


def test_priors_fall_back_from_like_jobs_to_all() -> None:
    """And the same seed draws the same."""
    samples = [PowerSample("ada", "hep", "fit", "cpu", 5000.0 + i) for i in range(9)]
    samples += [PowerSample("bob", "hep", "train", "gpu", 90_000.0)] * 2
    priors = Priors.of(samples)
    assert priors.mw_per_cpu("ada", "hep", "fit", "cpu") == 5004
    assert priors.mw_per_cpu("eve", "hep", "x", "cpu") == 5004
    assert priors.mw_per_cpu("bob", "hep", "train", "gpu") == pytest.approx((9 * 5004 + 180_000) / 11)
    assert priors.resampled(3).means_mw == priors.resampled(3).means_mw != priors.resampled(4).means_mw
    with pytest.raises(PowerError, match="node classes"):
        Priors.of([])
