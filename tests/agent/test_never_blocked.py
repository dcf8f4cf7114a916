"""Nothing that others hold up holds up a look: the ledger, Slurm, a meter. Real processes, real locks."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from lab.hosttree import HostTree
from lab.node import LabNode, configuration

from vispa_green.agent.bindings import Held, SlurmBindings
from vispa_green.agent.sources import SlowSource
from vispa_green.errors import MeterError, SlurmError
from vispa_green.model import Binding, Component, Instant, Quality

PROGRAM = Path(sys.executable).with_name("vispa-green")
INTERVAL_S = 1.0


@contextmanager
def agent(tree: HostTree, directory: Path, *, slurm: bool = False) -> Iterator[subprocess.Popen[str]]:
    """Run the agent's own command; it has taken its first reading, and its log goes to a file."""
    config = directory / "config.toml"
    config.write_text(
        f'[host]\nname = "n1"\nsysfs_root = "{tree.sysfs_root}"\nprocfs_root = "{tree.procfs_root}"\n'
        f'cgroup_root = "{tree.cgroup_root}"\n[agent]\nspool_dir = "{directory / "spool"}"\ndeliver_s = 0.5\n'
        f'interval_s = {INTERVAL_S}\n[meters]\nenabled = ["rapl"]\n'
        f'[ledger]\nurl = "sqlite://{directory / "ledger.sqlite"}"\n[slurm]\nenabled = {str(slurm).lower()}\n'
    )
    log = directory / "agent.log"
    environment = os.environ | {"PATH": f"{directory / 'bin'}:{os.environ['PATH']}"}
    command = [str(PROGRAM), "agent", "run", "--config", str(config)]
    with log.open("w") as file, subprocess.Popen(command, env=environment, stderr=file, text=True) as process:
        try:
            until(lambda: "first reading" in log.read_text())
            yield process
        finally:
            process.kill()


def until(condition: object, within_s: float = 30) -> None:
    deadline = time.monotonic() + within_s  # noqa: TID251 - a real process is waited for
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not come about"  # noqa: TID251
        time.sleep(0.05)


def ended_within(process: subprocess.Popen[str], seconds: float) -> bool:
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def run_jobs(tree: HostTree, numbers: range, seconds: float) -> None:
    """Start the jobs at once, let them work, and end them."""
    for job in numbers:
        tree.start_job(job, 1000, "0-1")
        tree.set_process(5000 + job, {"SLURM_JOB_ID": str(job)}, job_id=job)
    for _ in range(round(seconds * 5)):
        time.sleep(0.2)
        tree.add_energy("package-0", 20_000_000)
        tree.add_cpu(len(numbers) * 100_000_000, 100_000_000)
        for job in numbers:
            tree.burn(job, 100_000_000)
    for job in numbers:
        tree.end_job(job)


def longest_s(directory: Path) -> float:
    with closing(sqlite3.connect(directory / "ledger.sqlite")) as ledger:
        (longest_us,) = ledger.execute("SELECT max(end_us - start_us) FROM node_interval").fetchone()
    return float(longest_us / 1e6)


def seen_jobs(directory: Path) -> dict[str, int]:
    environment = os.environ | {"VISPA_GREEN_CONFIG": str(directory / "config.toml")}
    done = subprocess.run([str(PROGRAM), "energy", "-a", "--json"], env=environment, check=True, capture_output=True)
    return {job["job_id"]: job["cpu_energy_uj"] for job in json.loads(done.stdout)["jobs"]}


def test_a_locked_ledger_delays_no_reading_and_loses_no_job(tmp_path: Path) -> None:
    tree = HostTree(tmp_path / "host", packages=1, dram=False)
    with agent(tree, tmp_path) as process:
        until((tmp_path / "ledger.sqlite").exists)
        time.sleep(1)
        with closing(sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None, timeout=10)) as other:
            other.execute("BEGIN EXCLUSIVE")
            run_jobs(tree, range(1, 4), 3)
            time.sleep(5)
            run_jobs(tree, range(4, 7), 3)
            other.execute("ROLLBACK")
        until(lambda: len(seen_jobs(tmp_path)) == 6)
        assert ended_within(process, 10)
    assert longest_s(tmp_path) <= 2 * INTERVAL_S
    assert all(seen_jobs(tmp_path).values())


def test_an_agent_ends_soon_though_its_ledger_is_locked(tmp_path: Path) -> None:
    tree = HostTree(tmp_path / "host", packages=1, dram=False)
    with agent(tree, tmp_path) as process:
        until((tmp_path / "ledger.sqlite").exists)
        time.sleep(1)
        with closing(sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None, timeout=10)) as other:
            other.execute("BEGIN EXCLUSIVE")
            tree.add_energy("package-0", 77_000_000)
            assert ended_within(process, 9)
            assert "waits in the spool" in (tmp_path / "agent.log").read_text()
            other.execute("ROLLBACK")
    with agent(tree, tmp_path) as process:
        assert ended_within(process, 10)
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as ledger:
        (measured,) = ledger.execute("SELECT sum(measured_uj) FROM energy_entry").fetchone()
    assert measured == 77_000_000


def slurm_that_hangs(directory: Path) -> None:
    (directory / "bin").mkdir()
    for name in ("scontrol", "squeue"):
        (directory / "bin" / name).write_text("#!/bin/sh\nexec sleep 60\n")
        (directory / "bin" / name).chmod(0o755)


@pytest.mark.full
def test_64_jobs_start_while_slurm_hangs_and_the_ledger_is_locked_for_a_minute(tmp_path: Path) -> None:
    tree = HostTree(tmp_path / "host", packages=1, dram=False)
    slurm_that_hangs(tmp_path)
    with agent(tree, tmp_path, slurm=True) as process:
        until((tmp_path / "ledger.sqlite").exists)
        time.sleep(1)
        with closing(sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None, timeout=10)) as other:
            other.execute("BEGIN EXCLUSIVE")
            time.sleep(20)
            run_jobs(tree, range(1, 65), 5)
            time.sleep(35)
            other.execute("ROLLBACK")
        until(lambda: len(seen_jobs(tmp_path)) == 64)
        assert ended_within(process, 10)
    assert longest_s(tmp_path) <= 2 * INTERVAL_S
    assert all(seen_jobs(tmp_path).values())


def test_64_jobs_start_while_slurm_hangs(tmp_path: Path) -> None:
    tree = HostTree(tmp_path / "host", packages=1, dram=False)
    slurm_that_hangs(tmp_path)
    with agent(tree, tmp_path, slurm=True) as process:
        run_jobs(tree, range(1, 65), 5)
        time.sleep(1)
        assert ended_within(process, 8)
    assert longest_s(tmp_path) <= 2 * INTERVAL_S
    assert sorted(map(int, seen_jobs(tmp_path))) == list(range(1, 65))
    assert all(seen_jobs(tmp_path).values())


class Slurm:
    """Answers what it is told to, or fails; counts how often it is asked."""

    def __init__(self) -> None:
        self.answer: Held | None = None
        self.asked = 0

    def __call__(self) -> Held:
        self.asked += 1
        if self.answer is None:
            raise SlurmError("slurmctld: no answer")
        return self.answer


def test_what_slurm_says_late_holds_from_then_on(tmp_path: Path) -> None:
    slurm = Slurm()
    source = SlurmBindings("n1", slurm, at_least_s=0.05)
    tree = HostTree(tmp_path / "host", packages=1, dram=False)
    node = LabNode(tree, configuration(tree, tmp_path), [source])
    tree.start_job(7, 1000, "0-3")
    tree.set_process(900, {"SLURM_JOB_ID": "7", "SLURM_JOB_GPUS": "1"}, job_id=7)

    def binding() -> Binding:
        node.work(1, {"package-0": 10}, {7: 1})
        node.agent.read(node.at)
        [job] = node.agent._spool.waiting(1000)[-1].interval.jobs
        return job.binding

    node.agent.read(node.at)
    assert binding().gpus == (1,)  # what the job's own process says
    until(lambda: binding().gpus == (1,) and slurm.asked >= 3)  # though it failed, it is asked again
    told = Binding(1000, 4, (0,), datetime(2026, 6, 21, tzinfo=UTC))
    slurm.answer = {"7": {"n1": told}, "8": {"n2": told}}
    until(lambda: binding() == told)
    asked = slurm.asked
    time.sleep(0.3)
    assert (binding(), slurm.asked) == (told, asked)  # all is known: it is left alone
    source.close()


def test_slurm_is_asked_once_for_all_jobs() -> None:
    slurm = Slurm()
    slurm.answer = {str(job): {"n1": Binding(1000, 1, ())} for job in range(64)}
    source = SlurmBindings("n1", slurm, at_least_s=0.2)
    unbound = {str(job) for job in range(64)}

    def all_bound() -> bool:
        unbound.difference_update([job for job in sorted(unbound) if source(job).allocated_cpus])
        return not unbound

    until(all_bound)
    assert slurm.asked <= 2
    source.close()


@dataclass
class Card:
    """A meter that answers when it is let."""

    device: str
    free: threading.Event
    value_uj: int = 0
    component: Component = Component.GPU
    quality: Quality = Quality.MEASURED
    modulus_uj: int | None = None
    gpu_index: int | None = None
    max_watts: int = 500
    prompt: bool = False

    def read_uj(self, at: Instant) -> int:
        self.free.wait(20)
        if self.value_uj < 0:
            raise MeterError(f"{self.device}: lost")
        return self.value_uj


def at(seconds: float) -> Instant:
    return Instant(datetime(2026, 6, 21, tzinfo=UTC), round(seconds * 1e9))


def test_a_meter_that_hangs_delays_nobody_and_its_answer_comes_later() -> None:
    quick, slow = threading.Event(), threading.Event()
    quick.set()
    cards = [Card("gpu-0", quick, 5), Card("gpu-1", slow, 6), Card("gpu-2", quick, -1)]
    source = SlowSource(cards, patience_s=0.2)
    began = time.monotonic()  # noqa: TID251 - how long a real thread is waited for
    first, second, third = source.read(at(1)), source.read(at(2)), source.read(at(3))
    assert time.monotonic() - began < 1  # noqa: TID251
    assert [one.value_uj for one in first] == [5, None, None]
    assert {one.value_uj for one in (*second, *third)} == {None}
    assert "no answer yet" in first[1].failure
    slow.set()
    until(lambda: source._asked is None)
    quick.clear()  # now another hangs, and what the first round found is taken with its own time
    late = source.read(at(4))
    assert [(one.value_uj, one.taken_ns) for one in late] == [
        (None, 4_000_000_000),
        (6, 1_000_000_000),
        (None, 1_000_000_000),
    ]
    assert late[2].failure == "gpu-2: lost"
    quick.set()
    until(lambda: source._asked is None)
    assert [one.value_uj for one in source.read(at(5))] == [5, 6, None]
    source.close()
