"""The throwaway cluster keeps its promises: it runs jobs as Slurm does and leaves nothing behind."""

import os
import shutil
import signal
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import pytest
from lab.cluster import Cluster, ClusterSpec, open_cluster
from lab.processes import LabError, birth_ticks, wait_until

pytestmark = pytest.mark.slurm


@pytest.fixture
def output(slurm_cluster: Cluster, tmp_path: Path) -> Path:
    """Where a job of a test may write."""
    return tmp_path / "output"


def submit(cluster: Cluster, script: str, *options: str, output: Path | str = "/dev/null") -> str:
    text = f"#!/bin/sh\n{script}\n"
    return cluster.run("sbatch", "--parsable", f"--output={output}", *options, input=text).stdout.strip()


def accounting(cluster: Cluster, job_id: str, field: str) -> str:
    # the job's own line is the first; with -X alone its TotalCPU would be zero
    return cluster.run("sacct", "-n", "-P", "-j", job_id, "-o", field).stdout.splitlines()[0]


def state_in_queue(cluster: Cluster, job_id: str) -> str:
    return cluster.run("squeue", "-h", "-j", job_id, "-o", "%T").stdout.strip()


def saved_state(root: Path) -> int:
    with suppress(FileNotFoundError):  # for a moment, while slurmctld replaces it
        return (root / "state" / "job_state").stat().st_mtime_ns
    return 0


def processes_naming(root: Path) -> list[int]:
    """Live processes whose command line, environment or open files point into this directory."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid() or birth_ticks(int(entry.name)) is None:
            continue
        with suppress(OSError):
            texts = [(entry / name).read_text(errors="replace") for name in ("cmdline", "environ")]
            texts += [str(fd.readlink()) for fd in (entry / "fd").iterdir()]
            if any(str(root) in text for text in texts):
                found.append(int(entry.name))
    return found


def control_groups(nodes: Iterable[str]) -> list[Path]:
    return [path for node in nodes for path in Path("/sys/fs/cgroup").glob(f"*/slurm_{node}")]


def test_a_job_ends_completed_and_its_cpu_time_is_accounted(slurm_cluster: Cluster) -> None:
    """The job burns some CPU; sacct knows it as soon as `wait` returns."""
    job = submit(slurm_cluster, "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done", "--comment=green")
    assert slurm_cluster.wait([job], timeout_s=60) == {job: "COMPLETED"}
    assert accounting(slurm_cluster, job, "TotalCPU") > "00:00.050"
    assert accounting(slurm_cluster, job, "Comment") == "green"


def test_a_failed_job_is_told_from_a_completed_one(slurm_cluster: Cluster) -> None:
    """Also as one task of an array."""
    good = submit(slurm_cluster, "true")
    array = submit(slurm_cluster, "exit $SLURM_ARRAY_TASK_ID", "--array=0-1")
    assert slurm_cluster.wait([good, array], timeout_s=60) == {good: "COMPLETED", array: "FAILED"}


def test_a_job_with_a_begin_time_starts_then(slurm_cluster: Cluster) -> None:
    """Not before it, and promptly after it."""
    job = submit(slurm_cluster, "true", "--begin=now+3")
    begin, state = slurm_cluster.run("squeue", "-h", "-j", job, "-o", "%S|%T").stdout.strip().split("|")
    assert state == "PENDING"
    slurm_cluster.wait([job], timeout_s=60)
    start = accounting(slurm_cluster, job, "Start")
    late_s = (datetime.fromisoformat(start) - datetime.fromisoformat(begin)).total_seconds()
    assert 0 <= late_s <= 3


def test_a_two_node_job_runs_on_both(slurm_cluster: Cluster, output: Path) -> None:
    """One task each, told apart by the name srun gives them."""
    options = ("--nodes=2", "--ntasks-per-node=1")
    job = submit(slurm_cluster, "srun printenv SLURMD_NODENAME", *options, output=output)
    assert slurm_cluster.wait([job], timeout_s=60) == {job: "COMPLETED"}
    assert sorted(output.read_text().split()) == sorted(slurm_cluster.node_names)


def test_a_gpu_job_sees_the_gpu_that_slurm_gave_it(slurm_cluster: Cluster, output: Path) -> None:
    """The same index in the job's environment and in scontrol, and not that of the job beside it."""
    first_node = f"--nodelist={slurm_cluster.node_names[0]}"
    neighbour = submit(slurm_cluster, "sleep 60", "--gres=gpu:1", first_node)
    job = submit(slurm_cluster, "echo $SLURM_JOB_GPUS; sleep 60", "--gres=gpu:1", first_node, output=output)
    assert wait_until(lambda: output.exists() and output.read_text().strip() != "", timeout_s=30)
    gpu = output.read_text().strip()
    shown = slurm_cluster.run("scontrol", "-d", "-o", "show", "job", job).stdout
    beside = slurm_cluster.run("scontrol", "-d", "-o", "show", "job", neighbour).stdout
    slurm_cluster.run("scancel", job, neighbour)
    assert f"(IDX:{gpu})" in shown
    assert "(IDX:" in beside
    assert f"(IDX:{gpu})" not in beside


def test_stop_leaves_no_process_and_no_control_group(cluster_root: Path) -> None:
    """Although a job runs, one of whose children left its session and its environment."""
    escaped = cluster_root / "escaped"
    with Cluster(ClusterSpec(root=cluster_root, nodes=1)) as cluster:  # beside the shared one, with its own names
        submit(cluster, f"env -i setsid sleep 987 & echo $! > {escaped}; sleep 987")
        assert wait_until(lambda: escaped.exists() and escaped.read_text() != "", timeout_s=30)
        assert processes_naming(cluster_root)
        assert birth_ticks(int(escaped.read_text())) is not None
        if cluster.tracking == "cgroup_v1":
            assert control_groups(cluster.node_names)
    assert processes_naming(cluster_root) == []
    assert birth_ticks(int(escaped.read_text())) is None
    assert control_groups(cluster.node_names) == []


def test_a_start_after_a_crash_of_everything_continues(cluster_root: Path) -> None:
    """kill -9 of every daemon, then a new start over the same directory: jobs and accounting are still there."""
    crashed = Cluster(ClusterSpec(root=cluster_root, nodes=1))
    crashed.start()
    running = submit(crashed, "sleep 987")
    done = submit(crashed, "true")
    assert crashed.wait([done], timeout_s=60) == {done: "COMPLETED"}
    # slurmctld writes its state some seconds after a change; what it had not written would be lost
    before = saved_state(cluster_root)
    assert wait_until(lambda: saved_state(cluster_root) not in {0, before}, timeout_s=30)
    for pid in crashed.daemon_pids().values():
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: not any(crashed.daemon_pids().values()), timeout_s=10)
    with open_cluster(cluster_root) as cluster:
        assert accounting(cluster, done, "State") == "COMPLETED"
        assert state_in_queue(cluster, running) == "RUNNING"
        later = submit(cluster, "true")
        assert int(later) > int(done)
        assert cluster.wait([later], timeout_s=60) == {later: "COMPLETED"}
    assert processes_naming(cluster_root) == []
    assert control_groups(cluster.node_names) == []


def test_a_start_that_fails_ends_what_it_started_and_shows_why(cluster_root: Path) -> None:
    """slurmctld refuses the setting; the error carries its words."""
    cluster = Cluster(ClusterSpec(root=cluster_root, nodes=1, extra_conf="SchedulerType=sched/nonsense"))
    with pytest.raises(LabError, match="sched/nonsense"):
        cluster.start()
    assert processes_naming(cluster_root) == []


def test_stop_ends_the_daemons_of_a_removed_state_directory(cluster_root: Path) -> None:
    """Someone cleaned /tmp: the pid files are gone, the daemons are not."""
    with Cluster(ClusterSpec(root=cluster_root, nodes=1)):
        shutil.rmtree(cluster_root)
        assert processes_naming(cluster_root)
    assert processes_naming(cluster_root) == []
    cluster_root.mkdir()


def test_a_path_too_long_for_sockets_is_refused(slurm_installed: None, tmp_path: Path) -> None:
    """Before anything starts, with the remedy."""
    with pytest.raises(LabError, match="use a shorter one"):
        Cluster(ClusterSpec(root=tmp_path / ("x" * 80))).start()
