"""Laws of every intervention: energy balances, all work is done, and nobody taking part is no change."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from vispa_green_sim.account import energy, power_of, state_changes
from vispa_green_sim.engine import simulate
from vispa_green_sim.forecasts import forecasts_of
from vispa_green_sim.grid import GridClock, from_csv
from vispa_green_sim.inputs import Options, read_workload
from vispa_green_sim.interventions import INTERVENTIONS, InterventionError, Knowledge, Stage, Trial, make, take
from vispa_green_sim.interventions._curves import CURVES
from vispa_green_sim.machine import Machine
from vispa_green_sim.power import job_powers
from vispa_green_sim.result import Run
from vispa_green_sim.workload import Workload

from tests.simulation.small_study import PROCESSORS, grid, history
from vispa_green.model import Quantity

OPTIONS: dict[str, dict[str, Any]] = {
    "power_cap": {"curve": "taurus_cpu", "cap": 68.8},
    "suspend": {"every_hours": 1},
}
"""Of interventions that need some, or that would have nothing to do in so short a history."""
HOUR_S = 3600


@pytest.fixture
def jobs(tmp_path: Path) -> Workload:
    (tmp_path / "jobs.swf").write_text(history(250))
    known = read_workload(tmp_path / "jobs.swf", Options(PROCESSORS))
    memory = [1024 * width for width in known.processors]
    return replace(known, memory_mib=memory, used_memory_mib=[part // 3 for part in memory])


@pytest.fixture
def clock(tmp_path: Path) -> GridClock:
    (tmp_path / "grid.csv").write_text(grid())
    return GridClock(from_csv(tmp_path / "grid.csv", Quantity.CARBON_INTENSITY), datetime(2025, 3, 3, tzinfo=UTC))


def played(name: str, jobs: Workload, clock: GridClock, taking: bool) -> tuple[Trial, Run]:
    knowledge = Knowledge(forecasts_of("day_ahead", clock), np.full(len(jobs), taking))
    machine = Machine.of_processors(PROCESSORS)
    before = Trial.of(jobs, machine, job_powers(jobs, machine))
    trial = take([make(name, OPTIONS.get(name, {}))], before, knowledge)
    return trial, simulate(trial.workload, trial.machine, "easy", trial.for_engine())


@pytest.mark.parametrize("name", INTERVENTIONS.names())
def test_energy_balances(name: str, jobs: Workload, clock: GridClock) -> None:
    """Every second each node is in one state; energy is the sum over states and jobs, as integers."""
    trial, run = played(name, jobs, clock, taking=True)
    begin, end = run.span_s
    used = energy(run, trial.job_mw, end)
    node_s = 0
    static_mj = 0
    for change in state_changes(run):
        in_state = int((change.nodes * np.maximum(0, end - np.maximum(begin, change.times_s))).sum())
        node_s += in_state
        static_mj += in_state * power_of(trial.machine.classes[0].power, change.state)
    assert node_s == PROCESSORS * (end - begin)
    assert static_mj == sum(used.static_mj.values())
    dynamic_mj = sum(mw * (stop - start) for mw, start, stop in zip(trial.job_mw, run.starts, run.ends, strict=True))
    assert dynamic_mj == used.dynamic_mj
    assert used.total_mj == static_mj + dynamic_mj


@pytest.mark.parametrize("name", INTERVENTIONS.names())
def test_all_work_is_done(name: str, jobs: Workload, clock: GridClock) -> None:
    """Each job runs to its end, on as many processors, for at least its run time, and never before its submission."""
    trial, run = played(name, jobs, clock, taking=True)
    done = [0] * len(jobs)
    for row, owner in enumerate(trial.origin):
        done[owner] += run.ends[row] - run.starts[row]
        assert trial.workload.processors[row] == jobs.processors[owner]
        assert run.starts[row] >= jobs.submit_s[owner]
    assert all(ran >= wanted for ran, wanted in zip(done, jobs.run_s, strict=True))
    assert all(run <= request for run, request in zip(trial.workload.run_s, trial.workload.request_s, strict=True))


@pytest.mark.parametrize("name", [name for name in INTERVENTIONS.names() if name != "sleep_idle"])  # the site's alone
def test_nobody_taking_part_is_no_change(name: str, jobs: Workload, clock: GridClock) -> None:
    """With 0 % adoption the schedule and the powers are those without the intervention."""
    trial, run = played(name, jobs, clock, taking=False)
    plain = simulate(jobs, trial.machine)
    assert run.starts == plain.starts
    assert run.ends == plain.ends
    assert list(trial.job_mw) == job_powers(jobs, trial.machine)


@pytest.mark.parametrize("name", INTERVENTIONS.names())
def test_an_intervention_is_pure(name: str, jobs: Workload, clock: GridClock) -> None:
    """Taken twice it gives the same; what it was given is as before."""
    before = repr(jobs.__reduce_ex__(2))
    first, second = played(name, jobs, clock, taking=True)[1], played(name, jobs, clock, taking=True)[1]
    assert (first.starts, first.ends) == (second.starts, second.ends)
    assert repr(jobs.__reduce_ex__(2)) == before


def test_interventions_combine(jobs: Workload, clock: GridClock) -> None:
    """All at once, in any order of the list, is one scenario: stages say what comes first."""
    machine = Machine.of_processors(PROCESSORS)
    knowledge = Knowledge(forecasts_of("day_ahead", clock), np.arange(len(jobs)) % 3 == 0)
    interventions = [make(name, OPTIONS.get(name, {})) for name in INTERVENTIONS.names()]
    runs = []
    for listed in (interventions, interventions[::-1]):
        trial = take(listed, Trial.of(jobs, machine, job_powers(jobs, machine)), knowledge)
        runs.append(simulate(trial.workload, machine, "easy", trial.for_engine()))
    assert runs[0].starts == runs[1].starts
    assert [one.stage for one in interventions] == [Stage(one.stage) for one in interventions]


def test_suspended_parts_follow_one_another(jobs: Workload, clock: GridClock) -> None:
    """A part starts after the one before has ended; pauses stay within the slack; the overhead is paid."""
    trial, run = played("suspend", jobs, clock, taking=True)
    released = run.released
    assert released is not None
    pause: dict[int, int] = {}
    parts: dict[int, int] = {}
    for row in range(1, len(trial.workload)):
        owner = trial.origin[row]
        if trial.origin[row - 1] == owner:
            assert released[row] >= run.ends[row - 1]
            assert run.starts[row] >= released[row]
            pause[owner] = pause.get(owner, 0) + released[row] - run.ends[row - 1]
            parts[owner] = parts.get(owner, 0) + 1
    assert max(pause.values()) <= 12 * HOUR_S
    assert sum(value > 0 for value in pause.values()) > 10
    ran: dict[int, int] = {}
    for row, owner in enumerate(trial.origin):
        ran[owner] = ran.get(owner, 0) + run.ends[row] - run.starts[row]
    assert all(seconds == jobs.run_s[job] + 300 * parts.get(job, 0) for job, seconds in ran.items())


def test_the_green_partition_holds_no_longer_than_allowed(jobs: Workload, clock: GridClock) -> None:
    """Jobs enter in green hours, or when their longest delay has passed."""
    _, run = played("green_partition", jobs, clock, taking=True)
    assert run.released is not None
    held = np.frombuffer(run.released, dtype=np.int64) - np.asarray(jobs.submit_s)
    assert held.max() <= 24 * HOUR_S
    assert (held > 0).mean() > 0.3
    hours = [clock.mean(moment, moment + 60) for moment in run.released]
    assert np.mean(hours) < np.mean([clock.mean(moment, moment + 60) for moment in jobs.submit_s])


def test_memory_is_never_cut_below_use(jobs: Workload, clock: GridClock) -> None:
    """Requests fall to use plus margin, never rise, and stay where use is unknown."""
    unknown = replace(jobs, used_memory_mib=[0, *jobs.used_memory_mib[1:]])
    trial, _ = played("right_size_memory", unknown, clock, taking=True)
    assert trial.workload.memory_mib[0] == jobs.memory_mib[0]
    for cut, asked, used in zip(trial.workload.memory_mib, jobs.memory_mib, unknown.used_memory_mib, strict=True):
        assert used <= cut <= asked
    assert sum(trial.workload.memory_mib) < 0.5 * sum(jobs.memory_mib)
    with pytest.raises(InterventionError, match="no used memory; take it out"):
        played("right_size_memory", replace(jobs, used_memory_mib=()), clock, taking=True)


def test_curves_trade_time_for_energy() -> None:
    """Every measured cap is slower and draws less; the gentle ones save energy."""
    for curve in CURVES.values():
        assert [point.time_ratio for point in curve] == sorted((p.time_ratio for p in curve), reverse=True)
        assert [point.power_ratio for point in curve] == sorted(p.power_ratio for p in curve)
        assert (curve[-1].time_ratio, curve[-1].power_ratio) == (1, 1)
        assert min(point.time_ratio * point.power_ratio for point in curve) < 0.85


def test_gpu_caps_need_gpus(jobs: Workload, clock: GridClock) -> None:
    """A GPU curve on a history without GPUs is a mistake, told with the way out; on GPU jobs it works."""
    machine = Machine.of_processors(PROCESSORS)
    knowledge = Knowledge(forecasts_of("day_ahead", clock), np.full(len(jobs), fill_value=True))
    cap = make("power_cap", {"curve": "v100_resnet50", "cap": 150})
    with pytest.raises(InterventionError, match="no GPU jobs; take the curve taurus_cpu"):
        take([cap], Trial.of(jobs, machine, job_powers(jobs, machine)), knowledge)
    with_gpus = replace(jobs, gpus=[job % 2 for job in range(len(jobs))])
    trial = take([cap], Trial.of(with_gpus, machine, [1000] * len(jobs)), knowledge)
    assert list(trial.job_mw[:4]) == [1000, 657, 1000, 657]
    assert trial.workload.run_s[1] == round(jobs.run_s[1] * 4148.66 / 3514.99)
    assert trial.workload.run_s[0] == jobs.run_s[0]
