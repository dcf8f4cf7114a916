"""How fast the simulation is: CPU-seconds, jobs per CPU-second and memory, beside its targets. No assertions on time.

The machine's figures differ, so they are shown, not judged. AccaSim is run in a process of its own where
`VISPA_GREEN_ACCASIM` names a Python that has it (``pip install accasim==1.1.3`` in a venv).
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from vispa_green_sim.engine import NONE, Conditions, simulate
from vispa_green_sim.machine import Machine
from vispa_green_sim.result import statistics
from vispa_green_sim.sleep import Sleep
from vispa_green_sim.workload import Workload

from tests.simulation.traces import HPC2N, KTH, data, trace

pytestmark = [pytest.mark.full, pytest.mark.timeout(1800)]
AccaSim = """
import collections, collections.abc, sys, time
for name in ("Mapping", "MutableMapping", "Iterable", "Sequence", "Callable", "Hashable"):
    setattr(collections, name, getattr(collections.abc, name))  # gone from there since Python 3.10
from accasim.base.allocator_class import FirstFit
from accasim.base.scheduler_class import EASYBackfilling
from accasim.base.simulator_class import Simulator
quiet = {"scheduling_output": False, "statistics_output": False, "show_statistics": False}
simulator = Simulator("log.swf", "system.json", EASYBackfilling(FirstFit()), **quiet)
begin = time.process_time()
simulator.start_simulation()
print("CPU", time.process_time() - begin)
"""
SYSTEM = (
    '{"system_name": "kth", "start_time": 0, "equivalence": {"processor": {"core": 1}},'
    ' "groups": {"g0": {"core": 1}}, "resources": {"g0": 100}}'
)


def show(what: str, jobs: int, cpu_s: float, target: str) -> None:
    print(f"\n{what:<52}{cpu_s:8.2f} CPU-s {jobs / cpu_s:12,.0f} jobs/CPU-s   {target}", flush=True)


def fastest(rounds: int, play: Callable[[], object]) -> float:
    """Return the least CPU time: what disturbs only ever adds."""
    times = []
    for _ in range(rounds):
        begin = time.process_time()
        play()
        times.append(time.process_time() - begin)
    return min(times)


@pytest.mark.parametrize(
    ("conditions", "what", "target"),
    [
        (NONE, "EASY, HPC2N, first 100,000 jobs", ">= 150,000 jobs/CPU-s"),
        (Conditions(sleep=Sleep(600)), "the same, idle nodes sleep after 600 s", ">= 100,000 jobs/CPU-s"),
    ],
)
def test_easy(conditions: Conditions, what: str, target: str) -> None:
    """The first 100,000 jobs of HPC2N."""
    workload, machine = trace(*HPC2N).picked(range(100_000)), Machine.of_processors(HPC2N[1])
    show(what, 100_000, fastest(5, lambda: simulate(workload, machine, "easy", conditions)), target)


def million() -> Workload:
    return trace(*HPC2N).repeated(5, gap_s=3600)


def test_a_million_jobs() -> None:
    """HPC2N five times after one another; memory measured in a run of its own, as measuring slows it."""
    workload, machine = million(), Machine.of_processors(HPC2N[1])
    show(
        f"EASY, {len(workload):,} jobs", len(workload), fastest(1, lambda: simulate(workload, machine)), "<= 7 CPU-s"
    )
    gc.collect()
    tracemalloc.start()
    simulate(workload, machine)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(f"{'':<52}{peak / 2**20:8.1f} MB above the loaded trace, target <= 100 MB")


def test_a_hundred_replications() -> None:
    """KTH, one process."""
    workload, machine = trace(*KTH), Machine.of_processors(KTH[1])
    cpu_s = fastest(1, lambda: [simulate(workload, machine) for _ in range(100)])
    show("EASY, KTH, 100 replications", 100 * len(workload), cpu_s, "<= 15 CPU-s")


@pytest.mark.parametrize("scheduler", ["fcfs", "easy", "conservative", "slurm_like"])
def test_each_scheduler_on_kth(scheduler: str) -> None:
    """With its longest wait: a mean can look well where somebody starves."""
    workload, machine = trace(*KTH), Machine.of_processors(KTH[1])
    begin = time.process_time()
    found = statistics(simulate(workload, machine, scheduler))
    show(f"{scheduler}, KTH (longest wait {found.max_wait_s:,} s)", len(workload), time.process_time() - begin, "")


def test_accasim_on_the_same_trace() -> None:
    """The first 3,000 jobs of KTH; the ratio is that of CPU-seconds."""
    python = os.environ.get("VISPA_GREEN_ACCASIM")
    if not python:
        pytest.skip(
            "AccaSim is not at hand: set VISPA_GREEN_ACCASIM to the Python of a venv with accasim 1.1.3. It does not "
            "import on Python >= 3.10 without our shim (collections.Mapping)"
        )
    jobs = 3000
    text = subprocess.run(["zcat", data(KTH[0])], capture_output=True, text=True, check=True).stdout.splitlines()
    header = [line for line in text if line.startswith(";")]
    with tempfile.TemporaryDirectory() as folder:
        log = [*header, *[line for line in text if not line.startswith(";")][:jobs]]
        Path(folder, "log.swf").write_text("\n".join(log) + "\n")
        Path(folder, "system.json").write_text(SYSTEM)
        done = subprocess.run([python, "-c", AccaSim], cwd=folder, capture_output=True, text=True, check=False)
    workload, machine = trace(*KTH).picked(range(jobs)), Machine.of_processors(KTH[1])
    ours = fastest(5, lambda: simulate(workload, machine))
    show(f"EASY, KTH, first {jobs:,} jobs", jobs, ours, "")
    found = [line for line in done.stdout.splitlines() if line.startswith("CPU ")]
    if not found:
        print(f"AccaSim 1.1.3 failed: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return
    theirs = float(found[-1].split()[1])
    show("AccaSim 1.1.3 (shim), the same", jobs, theirs, f"we are {theirs / ours:.0f} times as fast")
