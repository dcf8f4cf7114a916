"""``vispa-green simulate replay``: one run, its schedule and its figures."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from vispa_green_sim.errors import WorkloadError

from tests.simulation.traces import KTH, data
from vispa_green.cli import vispa_green
from vispa_green.errors import UnknownPlugin, UsageError

ROWS = "1 0 0 10 2 -1 -1 2 20 -1 1 1 1 1 1 1 -1 -1\n2 1 0 10 2 -1 -1 2 20 -1 1 1 1 1 1 1 -1 -1\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "two.swf"
    path.write_text(ROWS)
    return path


def replay(*arguments: object) -> str:
    done = CliRunner().invoke(vispa_green, ["simulate", "replay", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_oracles_figures_come_out_of_the_command(tmp_path: Path) -> None:
    """As JSON, and the schedule as CSV in order of submission."""
    out = tmp_path / "out.csv"
    asked = ("--workload", data(KTH[0]), "--processors", 100, "--policy", "easy", "--schedule", out, "--json")
    found = json.loads(replay(*asked))
    assert found["mean_wait_s"] == pytest.approx(6419.03, abs=0.005)
    assert (found["max_wait_s"], found["jobs"], found["processors"]) == (248_239, 27_992, 100)
    assert {"median_wait_s", "p95_wait_s", "mean_slowdown", "makespan_s", "utilisation"} <= found.keys()
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert rows[0] == {"job_id": "15", "submit": "599850", "start": "599850", "end": "603327"}
    assert sum(int(r["start"]) - int(r["submit"]) for r in rows) / len(rows) == found["mean_wait_s"]
    first = out.read_bytes()
    replay(*asked)
    assert out.read_bytes() == first


def test_people_get_a_table(log: Path) -> None:
    """And the machine's size is needed where the file does not say it."""
    assert "wait, mean        4 s" in replay("--workload", log, "--processors", 2, "--policy", "fcfs")
    with pytest.raises(UsageError, match="does not say how large the machine is; give --processors P"):
        replay("--workload", log)


def test_typos_and_absent_files_are_told(log: Path) -> None:
    """In one line each."""
    with pytest.raises(UnknownPlugin, match="no scheduler called 'esay' – did you mean 'easy'"):
        replay("--workload", log, "--policy", "esay")
    with pytest.raises(WorkloadError, match="cannot be read"):
        replay("--workload", log.with_name("absent.swf"))
    with pytest.raises(UsageError, match="cannot be written"):
        replay("--workload", log, "--processors", 2, "--schedule", log / "out.csv")


def test_requests_above_the_machine_are_cut_and_shown(log: Path) -> None:
    """With the number of rows; the engine itself refuses them."""
    done = CliRunner().invoke(vispa_green, ["simulate", "replay", "--workload", str(log), "--processors", "1"])
    assert "2 rows: more than the machine's 1 processors, taken as all of them" in done.stderr
