"""kill -9 at random instants: the agent's own command, a real process, a node that works meanwhile."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest
from lab.hosttree import HostTree

from vispa_green.ledgers import open_ledger

PROGRAM = Path(sys.executable).with_name("vispa-green")


def write_config(tree: HostTree, directory: Path) -> Path:
    path = directory / "config.toml"
    path.write_text(
        f"""
        [host]
        name = "{tree.node}"
        sysfs_root = "{tree.sysfs_root}"
        procfs_root = "{tree.procfs_root}"
        cgroup_root = "{tree.cgroup_root}"
        [agent]
        spool_dir = "{directory / "spool"}"
        scan_s = 0.02
        [ledger]
        url = "sqlite://{directory / "ledger.sqlite"}"
        [slurm]
        enabled = false
        """
    )
    return path


class Load(threading.Thread):
    """Works the node until told to stop: energy, CPU time, jobs that come and go."""

    def __init__(self, tree: HostTree) -> None:
        super().__init__()
        self._tree, self._stopped = tree, threading.Event()

    def run(self) -> None:
        number = 0
        while not self._stopped.wait(0.01):
            number += 1
            self._tree.add_energy("package-0", 1_000_003)
            self._tree.add_energy("dram-1", 70_001)
            self._tree.add_cpu(20_000_000, 60_000_000)
            job = 1 + number // 40
            if number % 40 == 1:
                self._tree.start_job(job, 1000, "0-1")
            self._tree.burn(1 + (number - 1) // 40, 10_000_000)
            if number % 40 == 0:
                self._tree.end_job(number // 40)

    def stop(self) -> None:
        self._stopped.set()
        self.join()


@pytest.mark.parametrize("kills", [15, pytest.param(50, marks=pytest.mark.full)])
def test_kills_lose_nothing_and_repeat_nothing(tmp_path: Path, kills: int) -> None:
    tree = HostTree(tmp_path / "host", max_energy_range_uj=9_000_000_000, first_uj=8_999_000_000)
    command = [str(PROGRAM), "agent", "run", "--config", str(write_config(tree, tmp_path)), "--interval", "0.05s"]
    subprocess.run([*command, "--samples", "1"], check=True, capture_output=True)
    load = Load(tree)
    load.start()
    instants = random.Random(20261122)
    try:
        for number in range(kills):
            with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as agent:
                if number % 5 and agent.stderr:  # each fifth is killed while it starts
                    next(line for line in agent.stderr if "first reading" in line)
                time.sleep(instants.uniform(0, 0.3))
                agent.kill()
    finally:
        load.stop()
    subprocess.run([*command, "--samples", "1"], check=True, capture_output=True)

    rows = open_ledger(f"sqlite://{tmp_path / 'ledger.sqlite'}").energy.balance()
    assert [row.difference_uj for row in rows] == [0] * len(rows)
    assert sum(row.measured_uj for row in rows) == tree.truth.node_uj
    intervals = sqlite3.connect(tmp_path / "ledger.sqlite").execute(
        "SELECT start_us, end_us, quality FROM node_interval ORDER BY sequence"
    )
    spans = intervals.fetchall()
    assert all(first[1] == second[0] for first, second in pairwise(spans))
    assert sum(quality == "gap" for _, _, quality in spans) >= kills * 4 // 5
