"""How long a study takes: 6 scenarios × 20 seeds on KTH, target 60 s on 2 cores. No assertions on time.

The machine is shared, so CPU-seconds of all processes are shown beside the wall clock.
"""

from __future__ import annotations

import resource
import time
from pathlib import Path

import pytest
from vispa_green_sim.studying import StudyOptions, study

from tests.simulation.traces import KTH, data

pytestmark = [pytest.mark.full, pytest.mark.timeout(1800)]

STUDY = """
[study]
name = "the benchmark"
seeds = 20

[workload]
file = "{jobs}"

[machine]
processors = 100
pue = 1.3

[grid]
file = "{grid}"
column = "ci_lc_g_kwh"
time_column = "utc_start"
start = 2025-01-06T00:00:00Z
"""
SCENARIOS = {
    "naive windows": '{ use = "green_windows", policy = "best_mean" }',
    "green partition": '{ use = "green_partition" }',
    "priority for volunteers": '{ use = "green_partition" }, { use = "priority_boost" }',
    "capped": '{ use = "power_cap", curve = "taurus_cpu", cap = 68.8 }',
    "asleep": '{ use = "sleep_idle" }',
    "pauses": '{ use = "suspend" }',
}


def test_six_scenarios_of_twenty_seeds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A quarter of users takes part, two processes; progress is shown by the study itself."""
    jobs, grid = data(KTH[0]), data("grid/de_smard_2025_hourly.csv")
    tables = [
        f'\n[[scenario]]\nname = "{name}"\nadoption = {{ rate = 0.25 }}\ninterventions = [{interventions}]\n'
        for name, interventions in SCENARIOS.items()
    ]
    file = tmp_path / "study.toml"
    file.write_text(STUDY.format(jobs=jobs, grid=grid) + "".join(tables))
    before, began = _cpu_s(), time.perf_counter()
    study(StudyOptions(file, 2, tmp_path / "out"))
    wall_s, cpu_s = time.perf_counter() - began, _cpu_s() - before
    with capsys.disabled():
        print(
            f"\nstudy of 6 scenarios × 20 seeds on KTH: {wall_s:.0f} s, {cpu_s:.0f} CPU-s (target: 60 s on 2 cores)"
        )


def _cpu_s() -> float:
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum((used := resource.getrusage(kind)).ru_utime + used.ru_stime for kind in kinds)
