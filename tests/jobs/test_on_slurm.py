"""A bundled job on the real Slurm: paused by its signal, requeued, resumed; one account holds both segments."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lab.cluster import Cluster

pytest.importorskip("torch", reason="torch is not installed: run `deploy/setup.sh torch`")
pytestmark = [pytest.mark.slurm, pytest.mark.full, pytest.mark.xdist_group("slurm")]

PROGRAM = Path(sys.executable).with_name("vispa-green")
SMALL = ["steps=100000", "train_events=3000", "test_events=2000", "batch=256", "hidden=[8]", "transforms=2"]
SMALL += ["kinematic_bins=[4,4,3]", "judge_rounds=3"]


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
        text = text.replace("[agent]\n", "[agent]\ninterval_s = 0.5\nscan_s = 0.25\n")
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


def wait_for(condition: Callable[[], object], what: str, timeout_s: float = 120) -> None:
    end = time.monotonic() + timeout_s  # noqa: TID251 - the test's own patience
    while not condition():
        assert time.monotonic() < end, f"no {what} in {timeout_s} s"  # noqa: TID251
        time.sleep(0.2)


def test_paused_requeued_and_resumed_under_one_id(
    slurm_cluster: Cluster, environment: dict[str, str], agents: None, folder: Path
) -> None:
    changes = [word for change in SMALL for word in ("--set", change)]
    submitted = subprocess.run(
        [PROGRAM, "jobs", "submit", "one_flow", "--seed", "4", "--out", folder, *changes, "--sbatch=--mem=0",
         "--sbatch=--cpus-per-task=1"],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    job_id = submitted.stdout.split()[-1]
    out = folder / "one_flow-smoke-4"
    wait_for((out / "metrics.json").exists, "start")
    time.sleep(3)
    slurm_cluster.run("scancel", "--signal=USR1", "--batch", job_id)
    log = folder / f"slurm/one_flow-smoke-{job_id}.out"
    wait_for(lambda: record(out).get("status") == "paused", f"pause; {log.read_text() if log.exists() else ''}")

    # A paused run is free to be shortened: this test has no hour.
    done = record(out)["segments"][0]["steps"]
    content = record(out) | {"settings": record(out)["settings"] | {"steps": done}}
    (out / "metrics.json").write_text(json.dumps(content))
    wait_for(lambda: "PENDING" in slurm_cluster.run("squeue", "-h", "-o", "%T", "-j", job_id).stdout, "requeue")
    slurm_cluster.run("scontrol", "update", f"JobId={job_id}", "StartTime=now")
    wait_for(lambda: record(out).get("status") == "complete", f"end; see {log}")
    slurm_cluster.wait([job_id], timeout_s=60)

    time.sleep(2)  # the agents deliver
    checked = subprocess.run(
        [PROGRAM, "jobs", "check", "one_flow", "--out", out], env=environment, capture_output=True, check=False
    )
    assert checked.returncode == 3
    first, second = record(out)["segments"]
    assert (first["status"], second["status"]) == ("paused", "complete")
    assert {first["account_id"], second["account_id"]} == {job_id}
    for segment in (first, second):
        assert segment["cost"]["source"] == f"ledger, Slurm job {job_id}"
        assert segment["cost"]["energy_uj"] > 0
        assert segment["cost"]["co2_g"] > 0
