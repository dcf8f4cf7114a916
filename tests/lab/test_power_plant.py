"""The plant turns processor time into energy by its power model and keeps true books of it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lab.hosttree import HostTree
from lab.job_cpu import CgroupJobCpu, JobReading, ProcJobCpu
from lab.power_plant import GpuModel, GpuPlant, NodePlant, PowerModel, busy_gpu

BURN = "import time; t = time.process_time()\nwhile time.process_time() - t < {seconds}: pass"


def truth_of(root: Path) -> dict[str, Any]:
    books: dict[str, Any] = json.loads((root / "truth.json").read_text())
    return books


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("waited 20 s in vain")


@settings(max_examples=50)  # files are slow on a busy machine
@given(st.lists(st.tuples(st.integers(1, 10**9), st.integers(0, 10**9)), min_size=1, max_size=10))
def test_energy_follows_the_model_however_time_is_cut(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int]]
) -> None:
    tree = HostTree(tmp_path_factory.mktemp("node"), packages=2, cpus=4)
    plant = NodePlant(tree, PowerModel(10.0, 8.0, 2.0, 1.0, 0.0), cpus=4, packages=2)
    plant.tick(0, JobReading())
    used_ns = 0
    for dt_ns, burned_ns in steps:
        used_ns += burned_ns
        plant.tick(dt_ns, JobReading({1: used_ns}))
    elapsed_ns = sum(dt_ns for dt_ns, _ in steps)
    truth = tree.truth
    assert truth.energy_uj["package-0"] == int((10 * elapsed_ns + 4 * used_ns) / 1000)
    assert truth.energy_uj["dram-1"] == int((2 * elapsed_ns + used_ns / 2) / 1000)
    assert truth.busy_ns == used_ns
    assert truth.idle_ns >= 4 * elapsed_ns - used_ns


def test_jobs_from_before_the_plant_and_requeued_ones_are_counted_once(tmp_path: Path) -> None:
    tree = HostTree(tmp_path)
    plant = NodePlant(tree, PowerModel(system_cores=0.5), cpus=8, packages=2)
    for cpu_ns in ({1: 1000}, {1: 1500, 2: 10}, {1: 1600}, {1: 7, 3: 1}):
        plant.tick(100, JobReading(cpu_ns))
    assert truth_of(tmp_path)["job_cpu_ns"] == {"1": 600 + 7, "2": 10, "3": 1}
    assert tree.truth.busy_ns == 618 + 200


def test_processor_time_comes_from_control_groups(tmp_path: Path) -> None:
    tree = HostTree(tmp_path, node="n1")
    tree.start_job(5, 1001, "0-1")
    tree.burn(5, 123)
    reading = CgroupJobCpu(tree.cgroup_root, ["n1", "n2"]).read()
    assert reading == {"n1": JobReading({5: 123}), "n2": JobReading()}


def test_processes_pass_their_time_to_a_waiting_parent_or_leave_it_to_the_job(tmp_path: Path) -> None:
    tree = HostTree(tmp_path)
    mine = {"SLURM_JOB_ID": "7", "SLURMD_NODENAME": "n1"}
    jobs = ProcJobCpu(tree.procfs_root, ["n1"])
    tree.set_process(10, mine, cpu_ns=10**8)
    tree.set_process(11, mine, ppid=10, cpu_ns=2 * 10**8)
    tree.set_process(12, mine | {"SLURMD_NODENAME": "other"}, cpu_ns=10**9)
    assert jobs.read() == {"n1": JobReading({7: 3 * 10**8}, frozenset({10, 11}))}
    tree.set_process(11, {}, ppid=10, cpu_ns=3 * 10**8)  # a zombie has lost its environment
    assert jobs.read()["n1"].cpu_ns == {7: 4 * 10**8}
    tree.remove_process(11)  # waited for: the parent shows its time
    tree.set_process(10, mine, cpu_ns=4 * 10**8)
    assert jobs.read() == {"n1": JobReading({7: 4 * 10**8}, frozenset({10}))}
    tree.remove_process(10)
    assert jobs.read() == {"n1": JobReading({7: 4 * 10**8})}


def test_a_gpu_is_busy_while_a_process_of_its_file_lives(tmp_path: Path) -> None:
    busy = tmp_path / "gpu_busy"
    plant = GpuPlant(tmp_path, "n1", GpuModel(count=2, idle_w=50, busy_w=250))
    (busy / "1").write_text(f"0.5 {os.getpid()}\n")
    plant.tick(2 * 10**9)
    (busy / "1").write_text("")
    plant.tick(10**9)
    first, second = (line.split("\t") for line in (tmp_path / "nvml.txt").read_text().splitlines())
    assert (first[3], second[3]) == ("150000", "400000")
    assert first[0] != second[0]
    (busy / "0").write_text("1.0 4194999\n")  # beyond the largest pid
    assert busy_gpu(busy / "0") == (0.0, ())
    assert busy_gpu(busy / "7") == (0.0, ())


@contextmanager
def running_plant(*arguments: str) -> Iterator[None]:
    command = [sys.executable, "-m", "lab.power_plant", *arguments]
    environ = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2] / "deploy")}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            yield
        finally:
            process.terminate()
        assert process.wait(10) == 0


def test_the_program_follows_a_real_process_until_it_is_told_to_stop(tmp_path: Path) -> None:
    root, node = tmp_path / "tree", f"plant-test-{os.getpid()}"
    environ = os.environ | {"SLURM_JOB_ID": "33", "SLURMD_NODENAME": node}
    with running_plant(f"--node={node}={root}", "--source=proc", "--tick-seconds=0.02", "--gpus=1"):
        job = [sys.executable, "-c", BURN.format(seconds=0.3) + "\ntime.sleep(30)"]
        with subprocess.Popen(job, env=environ) as process:
            link = root / "proc" / str(process.pid)
            wait_until(lambda: truth_of(root)["job_cpu_ns"].get("33", 0) >= 300_000_000)
            assert link.is_symlink()
            assert b"SLURM_JOB_ID=33" in (link / "environ").read_bytes()
            process.terminate()
        wait_until(lambda: not link.is_symlink())
    truth = truth_of(root)
    assert 0.3 <= truth["job_cpu_ns"]["33"] / 1e9 < 5
    for number, device in enumerate(("package-0", "package-1")):
        shown = int((root / f"sys/class/powercap/intel-rapl:{number}/energy_uj").read_text())
        assert shown == truth["energy_uj"][device]
    assert (root / "nvml.txt").read_text().startswith("GPU-")
