"""GPU energy by NVML, through the stand-in library: each job its own cards, an unowned card to idle."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from lab import nvml
from lab.hosttree import HostTree
from lab.processes import wait_until

PROGRAM = Path(sys.executable).with_name("vispa-green")
CARDS = 3


def state(energies_mj: list[int | None]) -> list[nvml.GpuState]:
    return [nvml.GpuState(f"GPU-{i}", mj, 50_000, minor=i) for i, mj in enumerate(energies_mj)]


@pytest.fixture
def node(tmp_path: Path) -> HostTree:
    tree = HostTree(tmp_path / "host")
    (tmp_path / "config.toml").write_text(
        f"""
        [host]
        name = "n1"
        sysfs_root = "{tree.sysfs_root}"
        procfs_root = "{tree.procfs_root}"
        cgroup_root = "{tree.cgroup_root}"
        [agent]
        spool_dir = "{tmp_path / "spool"}"
        deliver_s = 0.2
        [ledger]
        url = "sqlite://{tmp_path / "ledger.sqlite"}"
        [slurm]
        enabled = false
        """
    )
    for job_id, gpu in ((21, 0), (22, 2)):
        tree.start_job(job_id, 1000, "0-1")
        environ = {"SLURM_JOB_ID": str(job_id), "SLURM_JOB_GPUS": str(gpu), "CUDA_VISIBLE_DEVICES": "0"}
        tree.set_process(5000 + job_id, environ, job_id=job_id)
    return tree


def run_agent(tmp_path: Path) -> subprocess.Popen[bytes]:
    library = nvml.build(tmp_path / "lib")
    environment = os.environ | nvml.environment(library, tmp_path / "gpus.txt")
    command = [
        str(PROGRAM),
        "agent",
        "run",
        "--config",
        str(tmp_path / "config.toml"),
        "--interval",
        "0.5s",
    ]
    agent = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    await_reading(tmp_path)
    return agent


def await_reading(tmp_path: Path) -> None:
    """Wait until an interval that began from now on is in the ledger: one may have begun before."""
    before = intervals(tmp_path)
    assert wait_until(lambda: intervals(tmp_path) >= before + 2, timeout_s=60)


def intervals(tmp_path: Path) -> int:
    """Return how many intervals the ledger has, which the agent makes."""
    with suppress(sqlite3.OperationalError), closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as database:
        return int(database.execute("SELECT count(*) FROM node_interval").fetchone()[0])
    return 0


def query(tmp_path: Path, *words: str) -> dict[str, Any]:
    environment = os.environ | {"VISPA_GREEN_CONFIG": str(tmp_path / "config.toml")}
    done = subprocess.run([str(PROGRAM), *words, "--json"], env=environment, check=True, capture_output=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_each_job_gets_its_own_cards_joules(node: HostTree, tmp_path: Path) -> None:
    nvml.write_state(tmp_path / "gpus.txt", state([1000, 2000, 3000]))
    agent = run_agent(tmp_path)
    nvml.write_state(tmp_path / "gpus.txt", state([1000 + 300_123, 2000 + 50_456, 3000 + 200_789]))
    await_reading(tmp_path)
    agent.terminate()
    agent.wait()
    energies = {job["job_id"]: job["gpu_energy_uj"] for job in query(tmp_path, "energy", "-a")["jobs"]}
    assert energies == {"21": 300_123_000, "22": 200_789_000}
    [gpu] = [row for row in query(tmp_path, "ledger", "balance")["nodes"] if row["component"] == "gpu"]
    assert (gpu["measured_uj"], gpu["idle_uj"], gpu["difference_uj"]) == (551_368_000, 50_456_000, 0)


def test_a_card_that_falls_off_the_bus_is_a_gap(node: HostTree, tmp_path: Path) -> None:
    nvml.write_state(tmp_path / "gpus.txt", state([1000, 2000, 3000]))
    agent = run_agent(tmp_path)
    nvml.write_state(
        tmp_path / "gpus.txt", [*state([2000, 2500]), nvml.GpuState("GPU-2", 3000, minor=2, state="lost")]
    )
    await_reading(tmp_path)
    agent.terminate()
    agent.wait()
    [gpu] = [row for row in query(tmp_path, "ledger", "balance")["nodes"] if row["component"] == "gpu"]
    assert (gpu["measured_uj"], gpu["difference_uj"]) == (1_500_000, 0)


def test_a_restarted_driver_counts_anew_and_nothing_is_invented(node: HostTree, tmp_path: Path) -> None:
    nvml.write_state(tmp_path / "gpus.txt", state([900_000, 2000, 3000]))
    agent = run_agent(tmp_path)
    nvml.write_state(tmp_path / "gpus.txt", state([5, 2000, 3000]))
    await_reading(tmp_path)
    nvml.write_state(tmp_path / "gpus.txt", state([105, 2000, 3000]))
    await_reading(tmp_path)
    agent.terminate()
    agent.wait()
    energies = {job["job_id"]: job["gpu_energy_uj"] for job in query(tmp_path, "energy", "-a")["jobs"]}
    assert energies["21"] == 100_000
