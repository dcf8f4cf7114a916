"""The table over seeds: its figures are those of the runs, and a run that lacks a number counts against it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vispa_green_jobs import record as records
from vispa_green_jobs.claims import judge
from vispa_green_jobs.definition import Claim, Operator
from vispa_green_jobs.errors import JobError
from vispa_green_jobs.record import Cost, Record, Segment, Status
from vispa_green_jobs.table import complete, energy_line, found_in, lines, rows

Jobs = Callable[..., subprocess.CompletedProcess[str]]
numbers = st.floats(-1e6, 1e6)


@given(st.lists(numbers, min_size=1), st.sampled_from(Operator), numbers)
def test_all_runs_hold_exactly_if_the_worst_does(values: list[float], op: Operator, threshold: float) -> None:
    claim = Claim(metric="m", op=op, value=threshold, source="a test")
    (row,) = rows([judge([claim], {"m": value}) for value in values])
    assert row.worst in values
    assert row.median == median(values)
    assert row.runs == len(values)
    assert row.worst is not None
    (of_worst,) = judge([claim], {"m": row.worst})
    assert (row.held == row.runs) == of_worst.passed


def test_a_run_without_the_number_leaves_no_worst_and_does_not_hold() -> None:
    claim = Claim(metric="m", op=Operator.LESS, value=1.0, source="a test")
    (row,) = rows([judge([claim], {"m": 0.5}), judge([claim], {})])
    assert (row.held, row.runs, row.median, row.worst) == (1, 2, 0.5, None)
    assert lines("it", [row], 2)[-1] == "| m | 0.5 | – | < 1 | 1 of 2 |"


def test_two_claims_on_one_metric_are_two_rows() -> None:
    within = [Claim(metric="m", op=op, value=value, source="a test") for op, value in ((">", 1.0), ("<", 3.0))]
    assert [(row.op, row.worst) for row in rows([judge(within, {"m": v}) for v in (1.5, 2.5)])] == [
        (">", 1.5),
        ("<", 2.5),
    ]


def run_of(seed: int, status: Status = Status.COMPLETE, energy_uj: int | None = 3_600_000_000) -> Record:
    segment = Segment("2026-01-01T00:00:00+00:00", "n", "local", "run-1", cost=Cost("local meter", energy_uj))
    return Record("inference_binning", "smoke", seed, 1, {}, {}, status, (segment,))


def test_runs_are_found_by_job_and_preset_in_the_order_of_their_seeds(tmp_path: Path) -> None:
    for seed in (10, 9, 2):
        records.write(run_of(seed), tmp_path / f"a-{seed}")
    records.write(replace(run_of(1), preset="paper"), tmp_path / "b")
    records.write(replace(run_of(1), job="one_flow"), tmp_path / "c")
    records.write(run_of(4, Status.PAUSED), tmp_path / "d")
    runs = found_in(tmp_path, "inference_binning", "smoke")
    assert [record.seed for record in runs] == [2, 4, 9, 10]
    assert [record.seed for record in complete(runs)] == [2, 9, 10]
    with pytest.raises(JobError, match="has no run of sr_gan"):
        found_in(tmp_path, "sr_gan", "smoke")


def test_an_unknown_energy_is_said_and_not_summed_as_nothing() -> None:
    assert energy_line([run_of(0), run_of(1, energy_uj=None)]) == (
        "energy of a run: median 1.00 Wh, all together 1.00 Wh, of 1 unknown"
    )
    assert energy_line([run_of(1, energy_uj=None)]) == "energy unknown"


def test_the_command_says_in_its_exit_code_whether_all_hold(jobs: Jobs, tmp_path: Path) -> None:
    claim = Claim(metric="m", op=Operator.LESS, value=1.0, source="a test")
    for seed, value in enumerate((0.2, 0.4)):
        record = replace(run_of(seed), claims=judge([claim], {"m": value}))
        records.write(record, tmp_path / "runs" / str(seed))
    folder = str(tmp_path / "runs")
    held = jobs("table", "inference_binning", "--out", folder)
    assert held.returncode == 0
    assert "| m | 0.3 | 0.4 | < 1 | 2 of 2 |" in held.stdout
    records.write(replace(run_of(2), claims=judge([claim], {"m": 5.0})), tmp_path / "runs" / "2")
    failed = jobs("table", "inference_binning", "--out", folder, "--json")
    assert failed.returncode == 3
    (row,) = json.loads(failed.stdout)["claims"]
    assert (row["worst"], row["held"], row["runs"]) == (5.0, 2, 3)
