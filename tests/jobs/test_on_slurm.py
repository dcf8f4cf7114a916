"""A bundled job on the real Slurm: paused by its signal, requeued, resumed; one account holds both segments."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from lab.cluster import Cluster
from vispa_green_jobs.batch import Submission, render
from vispa_green_jobs.catalogue import JOBS
from vispa_green_jobs.record import moment

from vispa_green import host
from vispa_green.model import Selection
from vispa_green.session import open_session

pytest.importorskip("torch", reason="torch is not installed: run `deploy/setup.sh torch`")
pytestmark = pytest.mark.slurm

PROGRAM = Path(sys.executable).with_name("vispa-green")
SMALL = ["steps=100000", "train_events=3000", "test_events=200", "batch=256", "hidden=[8]", "transforms=2"]
SMALL += ["kinematic_bins=[4,4,3]", "judge_rounds=1"]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A place that Slurm's users can enter, which pytest's are not."""
    with tempfile.TemporaryDirectory(prefix="vg-", dir="/tmp", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def environment(slurm_cluster: Cluster, account: dict[str, str]) -> dict[str, str]:
    """This test's account on the shared cluster."""
    return account | slurm_cluster.environment


@pytest.fixture
def agents(slurm_cluster: Cluster, environment: dict[str, str], tmp_path: Path) -> Iterator[None]:
    """The agents of both nodes, which find the processes of jobs on this host."""
    running = []
    for node in slurm_cluster.node_names:
        config = tmp_path / f"{node}.toml"
        text = (tmp_path / "config.toml").read_text().replace('spool"', f'spool-{node}"')
        text = text.replace("[agent]\n", "[agent]\ninterval_s = 0.5\nscan_s = 0.25\ndeliver_s = 0.5\n")
        config.write_text(f'{text}[host]\nname = "{node}"\n')
        command = [str(PROGRAM), "agent", "run", "--config", str(config)]
        running.append(subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL))
    yield
    for agent in running:
        agent.terminate()
        agent.wait(timeout=20)


def record(out: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads((out / "metrics.json").read_text())
    except FileNotFoundError:
        return {}
    return content


def wait_for(condition: Callable[[], object], what: str, timeout_s: float = 150) -> None:
    end = time.monotonic() + timeout_s  # noqa: TID251 - the test's own patience
    while not condition():
        assert time.monotonic() < end, f"no {what} in {timeout_s} s"  # noqa: TID251
        time.sleep(0.2)


def state(cluster: Cluster, job_id: str) -> str:
    return cluster.run("squeue", "-h", "-t", "all", "-o", "%T", "-j", job_id).stdout.strip()


def wait_for_status(cluster: Cluster, job_id: str, out: Path, wanted: str) -> None:
    """Wait for a run's status; a job that Slurm has ended will not bring it any more."""

    def reached() -> bool:
        ended = state(cluster, job_id) in {"FAILED", "CANCELLED", "TIMEOUT"}
        has_it = record(out).get("status") == wanted
        assert has_it or not ended, cluster.run("scontrol", "show", "job", job_id).stdout
        return has_it

    wait_for(reached, f"{wanted} run in {out}")


def start_soon(cluster: Cluster, job_id: str) -> None:
    """Let a requeued job start before Slurm's two minutes are over.

    Not at once: slurmd refuses a start in the second in which it was told to end the job before
    ("already killed, do not launch batch job"), and Slurm then lets the job fail.
    """
    wait_for(lambda: state(cluster, job_id) == "PENDING", "requeue")
    cluster.run("scontrol", "update", f"JobId={job_id}", "StartTime=now+3")


def submit(environment: dict[str, str], folder: Path, *options: str) -> tuple[str, Path]:
    """Submit a run that never ends; return the job's id and its folder."""
    changes = [f"--set={change}" for change in SMALL]
    submitted = subprocess.run(
        [PROGRAM, "jobs", "submit", "one_flow", "--seed=4", "--out", folder, *changes, "--sbatch=--mem=0",
         "--sbatch=--cpus-per-task=1", *options],
        env=environment, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return submitted.stdout.split()[-1], folder / "one_flow-smoke-4"


def shorten(out: Path) -> None:
    """Let a paused run end with the steps it has: these tests have no hour."""
    content = record(out)
    done = content["segments"][0]["steps"]
    (out / "metrics.json").write_text(
        json.dumps(content | {"settings": content["settings"] | {"steps": max(1, done)}})
    )


def assert_both_segments_are_accounted(environment: dict[str, str], out: Path, job_id: str) -> None:
    def told_in_full() -> bool:
        command = [str(PROGRAM), "jobs", "check", "one_flow", "--out", str(out)]
        checked = subprocess.run(command, env=environment, capture_output=True, check=False)
        assert checked.returncode == 3  # so small a run meets no claim
        return not any("asks again" in segment["cost"]["source"] for segment in record(out)["segments"])

    wait_for(told_in_full, "account of both segments", timeout_s=60)  # agents deliver when they can
    for segment in record(out)["segments"]:
        assert segment["account_id"] == job_id
        assert segment["cost"]["source"] == f"ledger, Slurm job {job_id}"
        assert segment["cost"]["energy_uj"] > 0
        assert segment["cost"]["co2_g"] > 0


def write_grid(path: Path, steps: list[tuple[datetime, float]]) -> None:
    """Write a recorded grid in g/kWh; the last step holds for ever."""
    rows = [f"{start.isoformat()},50,{grams},measured" for start, grams in steps]
    header = "start_utc,renewable_share_pct,gco2_per_kwh,kind"
    path.write_text("\n".join([header, *rows, f"2099-01-01T00:00:00Z,50,{steps[-1][1]},measured"]) + "\n")


def test_paused_requeued_and_resumed_under_one_id(
    slurm_cluster: Cluster, environment: dict[str, str], agents: None, folder: Path
) -> None:
    job_id, out = submit(environment, folder)
    wait_for((out / "metrics.json").exists, "start")
    time.sleep(3)
    slurm_cluster.run("scancel", "--signal=USR1", "--batch", job_id)
    wait_for_status(slurm_cluster, job_id, out, "paused")
    shorten(out)
    start_soon(slurm_cluster, job_id)
    wait_for_status(slurm_cluster, job_id, out, "complete")
    slurm_cluster.wait([job_id], timeout_s=60)

    first, second = record(out)["segments"]
    assert (first["status"], second["status"]) == ("paused", "complete")
    assert_both_segments_are_accounted(environment, out, job_id)


def test_paused_when_the_green_window_closes_and_resumed_in_the_next(
    slurm_cluster: Cluster, environment: dict[str, str], agents: None, folder: Path, tmp_path: Path
) -> None:
    """Nobody signals it and nobody starts it again: the run plans both from the grid."""
    start = host.now().utc
    closes, reopens, closes_again = (start + timedelta(seconds=number) for number in (26, 46, 85))
    write_grid(
        tmp_path / "grid.csv", [(start - timedelta(days=1), 90), (closes, 600), (reopens, 100), (closes_again, 600)]
    )
    job_id, out = submit(
        environment, folder, "--green-hours", "--finish-by=+1h", "--work=45s", "--restart-costs=2s"
    )  # fmt: skip
    wait_for_status(slurm_cluster, job_id, out, "paused")
    shorten(out)
    wait_for(lambda: state(slurm_cluster, job_id) == "PENDING", "requeue")
    planned = slurm_cluster.run("squeue", "-h", "-o", "%S|%r", "-j", job_id).stdout.strip()
    wait_for_status(slurm_cluster, job_id, out, "complete")
    slurm_cluster.wait([job_id], timeout_s=60)

    first, second = record(out)["segments"]
    assert (first["status"], second["status"]) == ("paused", "complete")
    assert closes - timedelta(seconds=3) < moment(first["end"]) < reopens
    resume_at = moment(first["resume_at"])
    assert abs(resume_at - reopens) < timedelta(seconds=3)
    begin, reason = planned.split("|")
    assert reason == "BeginTime"
    assert abs(datetime.fromisoformat(begin).astimezone(UTC) - resume_at) < timedelta(seconds=4), planned
    assert moment(second["start"]) >= resume_at

    assert_both_segments_are_accounted(environment, out, job_id)
    asked = subprocess.run(
        [PROGRAM, "energy", "-j", job_id, "--json"], env=environment, capture_output=True, check=True
    )
    (row,) = json.loads(asked.stdout)["jobs"]
    assert row["energy_uj"] >= sum(segment["cost"]["energy_uj"] for segment in record(out)["segments"])
    asked = subprocess.run(
        [PROGRAM, "green", job_id, "--json"], env=environment, capture_output=True, check=True
    )  # fmt: skip
    (kept,) = json.loads(asked.stdout)["jobs"]
    assert kept["policy"] == "green_hours"
    assert kept["forecast_mean"] < kept["forecast_mean_if_started_at_submission"]
    assert kept["saved_g"] > 0
    with closing(open_session(Path(environment["VISPA_GREEN_CONFIG"])).ledger(read_only=True)) as ledger:
        charged = [(p.start, p.end) for p in ledger.energy.postings(Selection(job_ids=(job_id,)))]
    between = moment(first["end"]) + timedelta(seconds=6), resume_at  # the script's end, the agents' pace
    assert not [span for span in charged if span[0] > between[0] and span[1] < between[1]]
    assert any(end <= between[0] for _, end in charged)
    assert any(begin >= between[1] for begin, _ in charged)


def test_a_cancelled_job_stays_cancelled_and_a_task_requeues_only_itself(
    slurm_cluster: Cluster, environment: dict[str, str], folder: Path
) -> None:
    """The last task of an array has the array's own number: requeued by it, all tasks would be."""
    stand_in = folder / "python"
    stand_in.write_text(
        f"#!{sys.executable} -S\nimport os, pathlib, signal, sys, time\n"
        "signal.signal(signal.SIGUSR1, lambda *_: sys.exit(75))\n"
        f'pathlib.Path("{folder}", os.environ["SLURM_ARRAY_TASK_ID"]).touch()\n'
        "while True: time.sleep(0.05)\n"
    )
    stand_in.chmod(0o755)
    submission = Submission("one_flow", "smoke", "1-2", (), folder, sbatch=("--mem=100", "--cpus-per-task=1"))
    (folder / "slurm").mkdir()
    script = render(submission, JOBS.load("one_flow")().definition, str(stand_in))
    array = slurm_cluster.run("sbatch", "--parsable", input=script).stdout.strip()
    wait_for(lambda: all((folder / task).exists() for task in "12"), "start")
    last = slurm_cluster.run("squeue", "-h", "-j", array, "-O", "JobID,ArrayTaskID").stdout
    (own_number,) = [task for job_id, task in map(str.split, last.splitlines()) if job_id == array]

    slurm_cluster.run("scancel", "--signal=USR1", "--batch", f"{array}_{own_number}")
    wait_for(lambda: state(slurm_cluster, f"{array}_{own_number}") == "PENDING", "requeue")
    other = f"{array}_{3 - int(own_number)}"
    assert state(slurm_cluster, other) == "RUNNING"

    slurm_cluster.run("scancel", array)
    # Not "COMPLETING" any more: the scripts have ended and can requeue nothing.
    tasks = [other, f"{array}_{own_number}"]
    wait_for(lambda: not {"RUNNING", "COMPLETING"} & {state(slurm_cluster, task) for task in tasks}, "end")
    assert [state(slurm_cluster, task) for task in tasks] == ["CANCELLED"] * 2
