"""What the agent costs a node: 64 jobs, two sockets with DRAM, eight stand-in GPUs.

Beside it, in the same run: the bare reads of the same files and cards, and CodeCarbon where it is installed.

The limit is for an agent at 1 Hz. It looks each second, and a look reads counters only where a job has come or gone:
so the limit is asserted for the pace of the defaults, which is that. What readings at 1 Hz would cost is measured as
well and printed beside the same limit.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import nvml
from lab.hosttree import HostTree

from vispa_green.config import AgentSection

pytestmark = pytest.mark.full

PROGRAM = Path(sys.executable).with_name("vispa-green")
JOBS, CARDS = 64, 8
DELIVER_S = AgentSection().deliver_s
SECONDS = float(os.environ.get("VISPA_GREEN_BENCH_SECONDS", 3 * DELIVER_S))
"""Whole deliveries, or their part would be a matter of luck."""
WARM_UP_S = DELIVER_S + 10
"""The jobs are no longer young, and the first delivery has loaded what it needs."""
MOST_OF_A_CORE, MOST_RSS_MB = 0.002, 30

BARE = """
import os, pathlib, resource, sys, time
import pynvml
pynvml.nvmlInit()
cards = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
files = [path for path in sys.stdin.read().split() if path]
def once():
    for path in files:
        descriptor = os.open(path, os.O_RDONLY)
        os.read(descriptor, 4096)
        os.close(descriptor)
    for card in cards:
        pynvml.nvmlDeviceGetTotalEnergyConsumption(card)
once()
before = time.process_time()
for _ in range(200):
    once()
print((time.process_time() - before) / 200, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""

CODECARBON = """
import resource, sys, time
from codecarbon import OfflineEmissionsTracker
tracker = OfflineEmissionsTracker(country_iso_code="DEU", measure_power_secs=1, save_to_file=False, log_level="error")
tracker.start()
time.sleep(3)
before = time.process_time()
time.sleep(float(sys.argv[1]))
print((time.process_time() - before) / float(sys.argv[1]), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
tracker.stop()
"""


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """A place in memory, as the kernel's own files are; the disk is not what is measured."""
    memory = Path("/dev/shm")
    place = memory / f"bench-agent-{os.getpid()}" if memory.is_dir() else tmp_path / "memory"
    place.mkdir()
    yield place
    subprocess.run(["rm", "-rf", str(place)], check=True)


class Hardware(threading.Thread):
    """Moves every counter of the node twice a second, in place: the kernel's files are never other files."""

    def __init__(self, tree: HostTree, cards: Path) -> None:
        super().__init__(daemon=True)
        self._cards, self._stopped, self._steps = cards, threading.Event(), 0
        zones, jobs = tree.sysfs_root.glob("class/powercap/*/energy_uj"), tree.cgroup_root.rglob("cpu.stat")
        self._zones, self._jobs = [path.resolve() for path in zones], list(jobs)
        self._stat = tree.procfs_root / "stat"
        self.move()

    def move(self) -> None:
        self._steps += 1
        mj = 10_000_000 + 150_000 * self._steps
        nvml.write_state(self._cards, [nvml.GpuState(f"GPU-{i}", mj, 300_000, minor=i) for i in range(CARDS)])
        for number, path in enumerate(self._zones):
            rewrite(path, f"{10_000_000_000 + (100 - number) * 1_000_000 * self._steps}\n")
        for path in self._jobs:
            rewrite(path, f"usage_usec {10_000_000_000 + 490_000 * self._steps}\n")
        busy, idle = 10_000_000 + 50 * JOBS * self._steps, 10_000_000 + JOBS * self._steps
        rewrite(self._stat, f"cpu  {busy} 0 0 {idle} 0 0 0 0 0 0\n")

    def run(self) -> None:
        while not self._stopped.wait(0.5):
            self.move()

    def stop(self) -> None:
        self._stopped.set()
        self.join()


def rewrite(path: Path, text: str) -> None:
    """Put a text over the beginning of a file, in one call."""
    with path.open("r+b", buffering=0) as file:
        file.write(text.encode())


def node(directory: Path, interval_s: float, **agent: float) -> tuple[HostTree, Path]:
    tree = HostTree(directory / "host", cpus=JOBS, cgroup="v2")
    for job in range(JOBS):
        tree.start_job(1000 + job, 2000 + job % 10, str(job))
        gpus = {"SLURM_JOB_GPUS": str(job)} if job < CARDS else {}
        tree.set_process(5000 + job, {"SLURM_JOB_ID": str(1000 + job), **gpus}, job_id=1000 + job)
    more = "".join(f"{name} = {value}\n" for name, value in agent.items())
    config = directory / "config.toml"
    config.write_text(
        f'[host]\nname = "n1"\nsysfs_root = "{tree.sysfs_root}"\nprocfs_root = "{tree.procfs_root}"\n'
        f'cgroup_root = "{tree.cgroup_root}"\n[agent]\nspool_dir = "{directory / "spool"}"\n'
        f'interval_s = {interval_s}\n{more}[ledger]\nurl = "sqlite://{directory / "ledger.sqlite"}"\n'
        "[slurm]\nenabled = false\n"
    )
    return tree, config


def usage_of(pid: int) -> float:
    """Return the CPU seconds of a process's threads so far, to the nanosecond (proc_pid_schedstat)."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(path.read_text().split()[0]) for path in tasks) / 1e9


def peak_mb(pid: int) -> float:
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


def run_agent(directory: Path, interval_s: float, **agent: float) -> tuple[float, float]:
    """Return the part of a core that the agent uses once it runs, and its peak memory in MB."""
    tree, config = node(directory, interval_s, **agent)
    environment = os.environ | nvml.environment(nvml.build(directory / "lib"), directory / "gpus.txt")
    hardware = Hardware(tree, directory / "gpus.txt")
    hardware.start()
    command = [str(PROGRAM), "agent", "run", "--config", str(config)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        time.sleep(WARM_UP_S)
        used, since = usage_of(process.pid), time.monotonic()  # noqa: TID251 - a benchmark watches a real process
        time.sleep(SECONDS)
        share = (usage_of(process.pid) - used) / (time.monotonic() - since)  # noqa: TID251
        memory = peak_mb(process.pid)
        process.terminate()
    hardware.stop()
    return share, memory


def measured(directory: Path, interval_s: float) -> tuple[float, float]:
    """Run the agent and the bare reads; print what they cost beside the limits, and return what the agent does."""
    share, memory = run_agent(directory, interval_s)
    bare_s, _ = bare(directory)
    print(f"\nagent, a look each second, a reading each {interval_s:g} s: {share:.3%} of a core, {memory:.1f} MB")
    print(f"  limits: {MOST_OF_A_CORE:.1%} of a core ({verdict(share <= MOST_OF_A_CORE)}),"
          f" {MOST_RSS_MB} MB ({verdict(memory <= MOST_RSS_MB)})")  # fmt: skip
    print(f"  bare reads of the same files and cards at the same pace: {bare_s / interval_s:.3%} of a core")
    print(f"  load of this machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")
    return share, memory


def verdict(is_met: bool) -> str:
    return "met" if is_met else "missed"


def test_an_agent_at_1_hz_is_light(directory: Path) -> None:
    share, memory = measured(directory, AgentSection().interval_s)
    print(codecarbon())
    assert memory <= MOST_RSS_MB
    assert share <= MOST_OF_A_CORE


def test_an_agent_that_also_reads_each_second_is_as_small(directory: Path) -> None:
    _, memory = measured(directory, 1.0)
    assert memory <= MOST_RSS_MB


def bare(directory: Path) -> tuple[float, int]:
    tree = directory / "host"
    files = [*tree.glob("sys/class/powercap/*/energy_uj"), tree / "proc/stat"]
    files += [*tree.glob("cgroup/system.slice/*/job_*/cpu.stat")]
    environment = os.environ | nvml.environment(nvml.build(directory / "lib"), directory / "gpus.txt")
    done = subprocess.run(
        [sys.executable, "-c", BARE], env=environment, input="\n".join(map(str, files)), text=True,
        capture_output=True, check=True,
    )  # fmt: skip
    seconds, rss = done.stdout.split()
    return float(seconds), int(rss)


def codecarbon() -> str:
    python = os.environ.get("VISPA_GREEN_BENCH_CODECARBON", sys.executable)
    done = subprocess.run([python, "-c", CODECARBON, str(SECONDS)], capture_output=True, text=True, check=False)
    if done.returncode:
        return (
            "CodeCarbon: not installed here; `python -m venv X && X/bin/pip install codecarbon`, then"
            " VISPA_GREEN_BENCH_CODECARBON=X/bin/python"
        )
    share, rss = done.stdout.split()[-2:]
    return f"CodeCarbon, without counters and cards: {float(share):.3%} of a core, {int(rss) / 1024:.0f} MB"
