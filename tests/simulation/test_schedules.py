"""Schedules are those of the definitions: to the job on random workloads, to the figure on real ones."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vispa_green_sim.engine import Conditions, simulate
from vispa_green_sim.errors import MachineError
from vispa_green_sim.gate import QueueView
from vispa_green_sim.machine import Machine
from vispa_green_sim.result import Run, statistics

from tests.simulation.slow_reference import Job, Reference
from tests.simulation.traces import HPC2N, KTH, made, trace

SIZE = 8
rows = st.tuples(
    st.integers(0, 60), st.integers(1, 40), st.integers(0, 30), st.integers(1, SIZE)
)  # submit, run, how much more was requested, processors
workloads = st.lists(rows, min_size=1, max_size=30).map(
    lambda jobs: sorted([(s, r, r + more, p) for s, r, more, p in jobs], key=lambda job: job[0])
)


def play(jobs: list[tuple[int, int, int, int]], scheduler: str) -> Run:
    return simulate(made(jobs), Machine.of_processors(SIZE), scheduler)


@pytest.mark.parametrize("scheduler", ["fcfs", "easy", "conservative"])
def test_each_start_is_the_slow_references(scheduler: str) -> None:
    """Also with ties in every combination: times are small numbers."""

    @settings(max_examples=300)
    @given(workloads)
    def check(jobs: list[tuple[int, int, int, int]]) -> None:
        reference = Reference([Job(*job) for job in jobs], SIZE, scheduler)
        assert list(play(jobs, scheduler).starts) == reference.play()

    check()


@pytest.mark.parametrize("scheduler", ["easy", "conservative"])
@settings(max_examples=200)
@given(workloads)
def test_nobody_starts_after_the_first_reservation(scheduler: str, jobs: list[tuple[int, int, int, int]]) -> None:
    """Under EASY that is the head job's, under conservative backfill everybody's."""
    reference = Reference([Job(*job) for job in jobs], SIZE, scheduler)
    reference.play()
    starts = play(jobs, scheduler).starts
    assert all(starts[job] <= promised for job, promised in reference.first_promise.items())


@pytest.mark.parametrize("scheduler", ["fcfs", "easy", "conservative", "slurm_like"])
@settings(max_examples=50)
@given(workloads)
def test_the_machine_is_never_overbooked(scheduler: str, jobs: list[tuple[int, int, int, int]]) -> None:
    """At every start, what runs fits; and every job runs once, not before its submission."""
    run = play(jobs, scheduler)
    for now in run.starts:
        assert sum(p for s, e, (_, _, _, p) in zip(run.starts, run.ends, jobs, strict=True) if s <= now < e) <= SIZE
    assert all(start >= job[0] for start, job in zip(run.starts, jobs, strict=True))
    assert all(e - s == job[1] for s, e, job in zip(run.starts, run.ends, jobs, strict=True))


# mean wait, longest wait, bounded slowdown, makespan, utilisation: simulation.md §4
ORACLE = {
    (KTH, "fcfs"): (218_980.58, 705_687, 4_297.07, 28_781_494, 0.68550),
    (KTH, "easy"): (6_419.03, 248_239, 86.3977, 28_763_776, 0.68592),
    (HPC2N, "fcfs"): (16_349.3, 1.163e6, 208.7, 109_598_927, 0.59652),
    (HPC2N, "easy"): (11_105.0, 1.163e6, 88.45, 109_598_927, 0.59652),
}


@pytest.mark.parametrize(("case", "scheduler"), ORACLE, ids=[f"{c[0][10:15]}-{p}" for c, p in ORACLE])
def test_real_traces_give_the_oracles_figures(case: tuple[str, int], scheduler: str) -> None:
    """Equal to the last digit that the oracle states."""
    found = statistics(simulate(trace(*case), Machine.of_processors(case[1]), scheduler))
    wait, longest, slowdown, makespan, utilisation = ORACLE[case, scheduler]
    assert found.mean_wait_s == pytest.approx(wait, abs=0.05 if wait > 7000 and case is HPC2N else 0.005)
    assert found.max_wait_s == (longest if longest < 1e6 else pytest.approx(longest, abs=500))
    assert found.mean_bounded_slowdown == pytest.approx(slowdown, abs=0.05 if slowdown == 208.7 else 0.005)
    assert found.makespan_s == makespan
    assert found.utilisation == pytest.approx(utilisation, abs=5e-6)


@pytest.mark.parametrize(
    ("case", "wait", "slowdown"),
    [
        pytest.param(KTH, 7_035.95, 90.0441, id="KTH"),
        pytest.param(HPC2N, 11_303.0, 88.26, id="HPC2N", marks=[pytest.mark.full, pytest.mark.timeout(1200)]),
    ],
)
def test_conservative_backfill_is_near_its_oracle(case: tuple[str, int], wait: float, slowdown: float) -> None:
    """Within 1.5 %: the oracle makes a pass at each event, we make one at each instant."""
    found = statistics(simulate(trace(*case), Machine.of_processors(case[1]), "conservative"))
    assert found.mean_wait_s == pytest.approx(wait, rel=0.015)
    assert found.mean_bounded_slowdown == pytest.approx(slowdown, rel=0.015)


class Indifferent:
    """A gate that never holds anyone."""

    def ask(self, job: int, now: int, view: QueueView) -> int:
        assert view.free + sum(view.workload.processors[j] for _, j in view.running) == view.total
        return now


class Hour:
    """Holds each job to the next full hour, asking twice on the way."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def ask(self, job: int, now: int, view: QueueView) -> int:
        self.asked.append((job, now))
        assert job in view.held_jobs
        return now if now % 3600 == 0 else min(now + 1800, -(-now // 3600) * 3600)


@pytest.mark.parametrize("scheduler", ["fcfs", "easy", "conservative"])
def test_a_gate_that_never_holds_changes_nothing(scheduler: str) -> None:
    """Bit for bit."""
    workload = trace(*KTH).picked(range(3000))
    machine = Machine.of_processors(100)
    assert simulate(workload, machine, scheduler, Conditions(gate=Indifferent())).starts == (
        simulate(workload, machine, scheduler).starts
    )


def test_held_jobs_start_when_released_and_keep_their_place() -> None:
    """Job 0 is held to 3600; then it stands before job 2, which came later but waits already."""
    jobs = [(1, 10, 10, 8), (2, 3598, 3598, 8), (3, 10, 10, 8)]
    gate = Hour()
    run = simulate(made(jobs), Machine.of_processors(8), "easy", Conditions(gate=gate, asked=[True, False, False]))
    assert run.released is not None
    assert list(run.released) == [3600, 2, 3]
    assert list(run.starts) == [3600, 2, 3610]
    assert gate.asked == [(0, 1), (0, 1801), (0, 3600)]


def test_a_job_wider_than_the_machine_is_told() -> None:
    """With its id and what to do."""
    with pytest.raises(MachineError, match="job 0 wants 9 processors, the machine has 8"):
        play([(0, 1, 1, 9)], "easy")


def test_a_job_past_its_limit_holds_what_it_has() -> None:
    """Its end is a surprise, not a licence to overbook."""
    jobs = [(0, 100, 10, 8), (1, 5, 5, 8), (20, 5, 5, 1)]
    assert [list(play(jobs, p).starts) for p in ("easy", "conservative")] == [[0, 100, 105], [0, 100, 105]]


def test_same_workload_same_bytes() -> None:
    """Twice the same."""
    workload = trace(*KTH).picked(range(2000))
    runs = [simulate(workload, Machine.of_processors(100), "easy") for _ in range(2)]
    assert runs[0].starts.tobytes() == runs[1].starts.tobytes()
