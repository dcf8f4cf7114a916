"""Slurm-like scheduling: priorities, partitions, nodes and the limits of backfill do what their names say."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vispa_green_sim.account import energy
from vispa_green_sim.engine import Conditions, simulate
from vispa_green_sim.errors import MachineError
from vispa_green_sim.machine import Machine, NodeClass, NodePowerModel, Partition
from vispa_green_sim.result import Run, statistics
from vispa_green_sim.scheduling._priority import Weights
from vispa_green_sim.scheduling.slurm_like import Options
from vispa_green_sim.sleep import Sleep, State
from vispa_green_sim.workload import Workload

from tests.simulation.traces import KTH, made, trace

SITE = Machine(
    (NodeClass("cpu", 2, 8, 16_000, 0), NodeClass("gpu", 1, 8, 32_000, 4)),
    (
        Partition("main", ((0, 0), (0, 1)), is_default=True),
        Partition("gpu", ((1, 0),)),
        Partition("all", ((0, 0), (0, 1), (1, 0)), priority_tier=0),
    ),
)
PLAIN = Weights(age=0, fairshare=0, job_size=0, partition=0, qos=0)


def play(workload: Workload, machine: Machine = SITE, options: Options | None = None) -> Run:
    return simulate(workload, machine, "slurm_like", Conditions(options=options or Options(weights=PLAIN)))


def test_memory_and_gpus_are_taken_too() -> None:
    """Two jobs of 1 CPU and 10 GB do not share a node of 16 GB; three of 2 GPUs do not share 4."""
    jobs = made([(0, 100, 100, 1)] * 3)
    assert list(play(replace(jobs, memory_mib=[10_000] * 3)).starts) == [0, 0, 100]
    gpu = replace(jobs, gpus=[2] * 3, partition=["gpu"] * 3)
    assert list(play(gpu).starts) == [0, 0, 100]


def test_a_job_of_two_nodes_gets_two() -> None:
    """Although one would have the room."""
    jobs = made([(0, 50, 50, 1), (0, 100, 100, 8), (1, 10, 10, 2)])
    assert list(play(replace(jobs, nodes=[0, 1, 2])).starts) == [0, 0, 100]


def test_partitions_wait_for_their_own_nodes_only() -> None:
    """The gpu partition is free while main is full, and a higher tier goes first on shared nodes."""
    jobs = made([(0, 100, 100, 16), (1, 10, 10, 8), (2, 10, 10, 8), (3, 5, 5, 1)])
    run = play(replace(jobs, partition=["main", "main", "gpu", "gpu"]))
    assert list(run.starts) == [0, 100, 2, 12]
    tiers = made([(0, 100, 100, 24), (1, 10, 10, 16), (2, 10, 10, 16)])
    run = play(replace(tiers, partition=["all", "all", "main"]))
    assert run.starts[2] < run.starts[1]


def test_what_no_partition_can_hold_is_told_before_the_run() -> None:
    """With job, need and remedy."""
    jobs = made([(0, 10, 10, 1)])
    with pytest.raises(MachineError, match=r"job 0 wants 1 CPUs, 0 MiB and 1 GPUs .* 'main' does not have even"):
        play(replace(jobs, gpus=[1], partition=["main"]))
    with pytest.raises(MachineError, match=r"job 0 wants partition 'man'; the machine has all, gpu, main"):
        play(replace(jobs, partition=["man"]))


def test_priorities_order_the_queue() -> None:
    """By QOS, by size, by the use of the past, by a bonus; each alone."""
    machine = Machine.of_processors(4)
    jobs = made([(0, 100, 100, 4), (1, 10, 10, 4), (2, 10, 10, 4)])
    assert list(play(jobs, machine).starts) == [0, 100, 110]
    by_qos = Options(weights=replace(PLAIN, qos=10, qos_factor={"high": 1.0}))
    assert list(play(replace(jobs, qos=["", "low", "high"]), machine, by_qos).starts) == [0, 110, 100]
    by_bonus = Options(weights=replace(PLAIN, bonus=[0.0, 0.0, 5.0]))
    assert list(play(jobs, machine, by_bonus).starts) == [0, 110, 100]
    fair = Options(weights=replace(PLAIN, fairshare=10))
    assert list(play(replace(jobs, user=["ada", "ada", "bob"]), machine, fair).starts) == [0, 110, 100]
    small = made([(0, 100, 100, 4), (1, 10, 10, 4), (2, 10, 10, 3)])
    by_size = Options(weights=replace(PLAIN, job_size=10, favor_small=True))
    assert list(play(small, machine, by_size).starts) == [0, 110, 100]


def test_backfill_keeps_to_its_limits() -> None:
    """A job behind ``bf_max_job_test`` others, or beyond its user's limit, is not looked at."""
    machine = Machine.of_processors(4)
    rows = [(0, 300, 300, 3), (1, 10, 10, 4), (2, 10, 10, 4), (3, 60, 60, 1)]
    jobs = replace(made(rows), user=["a", "a", "a", "a"])
    assert play(jobs, machine).starts[3] < 300
    assert play(jobs, machine, Options(weights=PLAIN, bf_max_job_test=2)).starts[3] >= 300
    assert play(jobs, machine, Options(weights=PLAIN, bf_max_job_user=2)).starts[3] >= 300


def test_backfill_waits_for_its_interval() -> None:
    """And is then woken, although nothing else happens."""
    machine = Machine.of_processors(4)
    jobs = made([(0, 900, 900, 3), (0, 10, 10, 4), (20, 60, 60, 1)])
    assert play(jobs, machine, Options(weights=PLAIN, bf_interval_s=600)).starts[2] == 600
    assert play(jobs, machine, Options(weights=PLAIN, bf_interval_s=1)).starts[2] == 20


rows = st.tuples(
    st.integers(0, 900), st.integers(1, 200), st.integers(0, 90), st.integers(1, 16), st.integers(0, 9000)
)


@settings(max_examples=60)
@given(st.lists(rows, min_size=1, max_size=25), st.sampled_from([None, Sleep(30), Sleep(100, 1)]))
def test_nodes_are_in_one_state_each_and_energy_is_theirs(
    jobs: list[tuple[int, int, int, int, int]], rule: Sleep | None
) -> None:
    """With packing, memory and sleep: the nodes of each class add up at any time, and nobody is lost."""
    jobs = sorted(jobs, key=lambda job: job[0])
    workload = replace(made([(s, r, r + m, p) for s, r, m, p, _ in jobs]), memory_mib=[m for *_, m in jobs])
    power = NodePowerModel(idle_mw=3, off_mw=3, boot_mw=3, shutdown_mw=3, boot_s=20, shutdown_s=5)
    machine = Machine(tuple(replace(kind, power=power) for kind in SITE.classes))
    run = simulate(workload, machine, "slurm_like", Conditions(sleep=rule))
    spent = energy(run, [0] * len(jobs))
    assert spent.total_mj == 3 * 3 * (spent.end_s - spent.begin_s)
    assert min(spent.static_mj.values()) >= 0
    assert all(start >= submit for start, (submit, *_) in zip(run.starts, jobs, strict=True))
    assert (rule is not None) or spent.static_mj.get(("cpu", State.OFF), 0) == 0


@pytest.mark.timeout(120)
def test_a_real_trace_waits_about_as_with_easy() -> None:
    """Not equal, as priorities differ; but of the same size, and the same work is done."""
    workload, machine = trace(*KTH).picked(range(4000)), Machine.of_processors(100)
    like, easy = (statistics(simulate(workload, machine, scheduler)) for scheduler in ("slurm_like", "easy"))
    assert like.mean_wait_s is not None
    assert easy.mean_wait_s is not None
    assert 0.3 < like.mean_wait_s / easy.mean_wait_s < 2
    assert like.makespan_s == pytest.approx(easy.makespan_s, rel=0.05)
