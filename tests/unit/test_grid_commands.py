"""plan, grid and green as programs: stable JSON, plain words, exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from lab import gridserver as lab

from vispa_green.cli._output import stamp
from vispa_green.ledgers import open_ledger
from vispa_green.model import (
    Component,
    EnergyEntry,
    JobShare,
    Move,
    NodeInterval,
    Origin,
    Promise,
    Quality,
    Quantity,
    SpooledInterval,
)

NOW = datetime.now(UTC).replace(microsecond=0)  # noqa: TID251 - the programs read the real clock
HOUR = timedelta(hours=1)
KWH = 3_600_000_000_000


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A recorded summer day from six hours ago on, and no Slurm."""
    series = lab.compress(lab.german_day(Path("/nowhere"), days=2), NOW - 6 * HOUR)
    lab.write_csv(tmp_path / "grid.csv", series, NOW.timestamp())
    file = tmp_path / "config.toml"
    file.write_text(
        f'[ledger]\nurl = "sqlite://{tmp_path}/ledger.sqlite"\n[slurm]\nenabled = false\n'
        f'[grid]\nproviders = ["csv"]\n[grid.csv]\npath = "{tmp_path}/grid.csv"\n'
    )
    return file


def run(config: Path, *words: str) -> subprocess.CompletedProcess[str]:
    program = str(Path(sys.executable).parent / "vispa-green")
    environment = os.environ | {"VISPA_GREEN_CONFIG": str(config), "TZ": "Europe/Berlin"}
    return subprocess.run([program, *words], env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_a_plan_has_a_stable_schema(config: Path) -> None:
    answer = json.loads(run(config, "plan", "--duration", "4h", "--finish-by", "+24h", "--json").stdout)
    assert (answer["meta"], answer["warnings"]) == ({"version": 1}, [])
    plan = answer["plan"]
    assert list(plan) == [
        "start", "end", "duration_s", "finish_by", "policy", "quantity", "mean_gco2_per_kwh",
        "mean_renewable_share_pct", "start_now", "saving_pct", "reason",
    ]  # fmt: skip
    start, end = (datetime.fromisoformat(plan[key]) for key in ("start", "end"))
    assert (end - start).total_seconds() == plan["duration_s"] == 4 * 3600
    assert plan["mean_gco2_per_kwh"] < plan["start_now"]["mean_gco2_per_kwh"]
    assert run(config, "plan", "--duration", "4h", "--finish-by", "+24h").stdout.startswith("start   ")


def test_the_grid_is_told_with_its_source(config: Path) -> None:
    now = json.loads(run(config, "grid", "now", "--json").stdout)["grid"]
    assert now["gco2_per_kwh"]["source"] == "csv"
    chart = run(config, "grid", "forecast", "--hours", "5")
    assert len(chart.stdout.splitlines()) == 5 + 2
    assert "issued" in chart.stdout
    assert "gco2_per_kwh: " in run(config, "grid", "fetch").stdout


def test_where_nothing_is_known_it_says_so_and_fails(config: Path) -> None:
    config.with_name("grid.csv").unlink()
    for words in (["now"], ["forecast"], ["fetch"]):
        done = run(config, "grid", *words)
        assert done.returncode == 1
        assert "grid.csv" in done.stderr
    plan = json.loads(run(config, "plan", "--max-delay", "6h", "--json").stdout)
    assert "at once" in plan["plan"]["reason"]
    assert plan["plan"]["mean_gco2_per_kwh"] is None
    assert plan["warnings"]


def test_a_promise_is_held_against_measured_values(config: Path) -> None:
    """One kWh in the hour that began two hours ago, against the same kWh at submission, four hours ago."""
    store = open_ledger(f"sqlite://{config.parent}/ledger.sqlite", create=True)
    start, end = NOW - 2 * HOUR, NOW - HOUR
    used = EnergyEntry(Component.CPU, "rapl-0", Quality.MEASURED, KWH, jobs=(JobShare("7", KWH),))
    interval = NodeInterval("n1", "boot", start, end, 3_600_000_000, Quality.MEASURED, (used,))
    store.energy.append(Origin("cluster", "spool"), [SpooledInterval(1, interval)], NOW)
    promised = Promise(
        "7", "ada", NOW - 4 * HOUR, start, HOUR, NOW, Quantity.CARBON_INTENSITY, 300, 400, "best_mean", "greenest",
        "cluster",
    )  # fmt: skip
    store.promises.append(promised)
    store.close()
    (job,) = json.loads(run(config, "green", "7", "--json").stdout)["jobs"]
    assert job["saved_g"] == pytest.approx(job["gco2_if_started_at_submission"] - job["gco2"])
    assert job["covered_fraction"] == 1
    assert job["measured_mean"] == pytest.approx(job["gco2"], abs=0.01), "one kWh"
    assert job["verdict"] in {"better", "worse", "same"}
    assert (job["moves"], job["last_planned_start"]) == ([], job["planned_start"])
    told = run(config, "green", "7").stdout
    assert "moved" not in told
    assert "WORSE" in told or "Saved" in told or "no difference" in told
    unknown = run(config, "green", "8")
    assert unknown.returncode == 1
    assert "no green submission" in unknown.stderr


def test_a_moved_start_is_told_with_its_first_plan(config: Path) -> None:
    store = open_ledger(f"sqlite://{config.parent}/ledger.sqlite", create=True)
    start, co2 = NOW + HOUR, Quantity.CARBON_INTENSITY
    promise = Promise("7", "ada", NOW, start, HOUR, NOW + 9 * HOUR, co2, 300, 400, "best_mean", "greenest", "cluster")
    store.promises.append(promise)
    for hours in (2, 4):
        store.promises.append_moves(
            [
                Move(
                    "7",
                    NOW,
                    NOW + hours * HOUR,
                    "root",
                    start,
                    start + hours * HOUR,
                    co2,
                    301.0,
                    200.0 + hours,
                    "now greener",
                    "cluster",
                )
            ]
        )
        told = run(config, "green", "7").stdout
        assert ("moved once" in told) == (hours == 2)
    assert "moved 2 times, last to" in told
    assert "now greener" in told
    (job,) = json.loads(run(config, "green", "7", "--json").stdout)["jobs"]
    assert job["planned_start"] == stamp(start)
    assert job["last_planned_start"] == job["moves"][-1]["to"] == stamp(start + 4 * HOUR)
    assert job["moves"][1] == {
        "moved_at": stamp(NOW + 4 * HOUR), "moved_by": "root", "from": stamp(start), "to": stamp(start + 4 * HOUR),
        "quantity": "gco2_per_kwh", "forecast_mean_from": 301.0, "forecast_mean_to": 204.0, "reason": "now greener",
    }  # fmt: skip
    store.close()


def test_replanning_without_slurm_or_jobs_says_what_is_missing(config: Path) -> None:
    none = run(config, "replan")
    assert (none.returncode, none.stdout) == (0, "No green job waits for its start.\n")
    store = open_ledger(f"sqlite://{config.parent}/ledger.sqlite", create=True)
    co2 = Quantity.CARBON_INTENSITY
    store.promises.append(Promise("7", "ada", NOW, NOW, HOUR, NOW + 9 * HOUR, co2, 300, 400, "best_mean", "greenest"))
    store.close()
    disabled, unknown = run(config, "replan", "-a"), run(config, "replan", "8")
    assert (disabled.returncode, unknown.returncode) == (1, 1)
    assert "[slurm] enabled is false" in disabled.stderr
    assert "no green submission is known of job 8" in unknown.stderr
    assert run(config, "replan", "--dry-run", "--json").returncode == 0, "none of mine"
