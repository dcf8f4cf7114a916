"""The fake host shows what was added to it: counters wrap, jiffies lose no time, jobs come and go."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lab.hosttree import HostTree, Layout
from lab.proc_files import JIFFY_NS


def shown_uj(tree: HostTree, zone: str) -> int:
    return int((tree.sysfs_root / "class/powercap" / zone / "energy_uj").read_text())


def stat_jiffies(tree: HostTree, name: str) -> tuple[int, int]:
    for line in (tree.procfs_root / "stat").read_text().splitlines():
        fields = line.split()
        if fields[0] == name:
            return int(fields[1]), int(fields[4])
    raise AssertionError(f"no {name} in proc/stat")


@settings(max_examples=50)  # files are slow on a busy machine
@given(steps=st.lists(st.integers(0, 1000), max_size=12), first_uj=st.integers(0, 1000))
def test_counters_unwrapped_are_the_truth(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int], first_uj: int
) -> None:
    tree = HostTree(tmp_path_factory.mktemp("host"), packages=1, max_energy_range_uj=1000, first_uj=first_uj)
    unwrapped, before = 0, shown_uj(tree, "intel-rapl:0")
    for uj in steps:
        tree.add_energy("package-0", uj)
        now = shown_uj(tree, "intel-rapl:0")
        unwrapped += (now - before) % 1001
        before = now
    assert unwrapped == tree.truth.energy_uj["package-0"] == sum(steps)


def test_the_largest_value_shown_is_the_range(tmp_path: Path) -> None:
    tree = HostTree(tmp_path, max_energy_range_uj=1000)
    tree.add_energy("package-1", 1000)
    assert shown_uj(tree, "intel-rapl:1") == 1000
    tree.add_energy("package-1", 1)
    assert shown_uj(tree, "intel-rapl:1") == 0


def test_sub_zones_are_nested_and_flat_and_one_counter(tmp_path: Path) -> None:
    tree = HostTree(tmp_path)
    tree.add_energy("dram-0", 5)
    flat = tmp_path / "sys/class/powercap/intel-rapl:0:0"
    nested = tmp_path / "sys/class/powercap/intel-rapl:0/intel-rapl:0:0"
    assert flat.is_symlink()
    assert flat.resolve() == nested.resolve()
    assert (nested / "name").read_text() == "dram\n"
    assert (nested / "energy_uj").read_text() == "5\n"
    assert tree.truth.node_uj == 5


def test_traps_show_the_same_energy_more_than_once(tmp_path: Path) -> None:
    tree = HostTree(tmp_path, packages=1, layout=Layout(psys=True, mmio=True, core=True, uncore=True))
    for _ in range(7):
        tree.add_energy("package-0", 101)
    tree.add_energy("dram-0", 10)
    names = {path.name: (path / "name").read_text().strip() for path in (tmp_path / "sys/class/powercap").glob("*:*")}
    assert names == {
        "intel-rapl:0": "package-0", "intel-rapl:0:0": "core", "intel-rapl:0:1": "uncore", "intel-rapl:0:2": "dram",
        "intel-rapl:1": "psys", "intel-rapl-mmio:0": "package-0",
    }  # fmt: skip
    assert shown_uj(tree, "intel-rapl-mmio:0") == shown_uj(tree, "intel-rapl:0") == 707
    assert shown_uj(tree, "intel-rapl:0:0") == 707 * 60 // 100
    assert shown_uj(tree, "intel-rapl:1") == 717 == tree.truth.node_uj


@pytest.mark.parametrize(("dies", "second"), [("own", 0), ("mirrored", 68)])
def test_dies_have_their_own_register_or_mirror_one(tmp_path: Path, dies: str, second: int) -> None:
    layout = Layout(dies="own" if dies == "own" else "mirrored")
    tree = HostTree(tmp_path, packages=1, dram=False, layout=layout)
    tree.add_energy(tree.devices[0], 68)
    assert (tmp_path / "sys/class/powercap/intel-rapl:1/name").read_text() == "package-0-die-1\n"
    assert shown_uj(tree, "intel-rapl:0") == 68
    assert shown_uj(tree, "intel-rapl:1") == second
    assert tree.truth.node_uj == 68


@settings(max_examples=50)  # files are slow on a busy machine
@given(st.lists(st.tuples(st.integers(0, 10**8), st.integers(0, 10**8)), max_size=12))
def test_jiffies_never_lose_time(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int]]) -> None:
    tree = HostTree(tmp_path_factory.mktemp("host"), cpus=3)
    for busy_ns, idle_ns in steps:
        tree.add_cpu(busy_ns, idle_ns)
    truth = tree.truth
    assert stat_jiffies(tree, "cpu") == (truth.busy_ns // JIFFY_NS, truth.idle_ns // JIFFY_NS)
    each = sum(stat_jiffies(tree, f"cpu{cpu}")[0] for cpu in range(3))
    assert truth.busy_ns // JIFFY_NS - each in range(3)


def test_a_job_of_v1_has_its_directories_and_leaves_none(tmp_path: Path) -> None:
    tree = HostTree(tmp_path)
    tree.start_job(5, 1001, "0-3", pids=(77,))
    tree.burn(5, 1_500_000_001)
    job = tmp_path / "cgroup/cpuacct/slurm_n1/uid_1001/job_5"
    assert (job / "cpuacct.usage").read_text() == "1500000001\n"
    assert (job / "step_batch/task_0/cpuacct.usage").read_text() == "1500000001\n"
    assert (tmp_path / "cgroup/cpuset/slurm_n1/uid_1001/job_5/cpuset.cpus").read_text() == "0-3\n"
    assert (tmp_path / "cgroup/freezer/slurm_n1/uid_1001/job_5/step_batch/cgroup.procs").read_text() == "77\n"
    tree.end_job(5)
    assert not list(tmp_path.glob("cgroup/**/*_*[0-9]/**/*job*"))
    assert not list(tmp_path.glob("cgroup/**/uid_*"))
    assert tree.truth.job_cpu_ns == {5: 1_500_000_001}


def test_a_job_of_v2_counts_microseconds_without_losing_nanoseconds(tmp_path: Path) -> None:
    tree = HostTree(tmp_path, cgroup="v2", node="n2")
    tree.start_job(11, 0, None)
    for _ in range(1000):
        tree.burn(11, 1_999)
    job = tmp_path / "cgroup/system.slice/n2_slurmstepd.scope/job_11"
    assert (job / "cpu.stat").read_text().startswith("usage_usec 1999\n")
    assert not (job / "cpuset.cpus").exists()
    tree.end_job(11)
    assert not job.exists()
    assert job.parent.exists()


def test_a_job_may_be_named_by_its_sluid_below_a_single_slurmd(tmp_path: Path) -> None:
    tree = HostTree(tmp_path, cgroup="v2", layout=Layout(single_slurmd=True))
    tree.start_job(12, 0, "1", sluid="s8FXKTA79XAR00")
    assert (tmp_path / "cgroup/system.slice/slurmstepd.scope/s8FXKTA79XAR00/cpuset.cpus").read_text() == "1\n"


def test_a_process_carries_its_job(tmp_path: Path) -> None:
    tree = HostTree(tmp_path)
    tree.start_job(3, 1001, None)
    tree.set_process(42, {"SLURM_JOB_ID": "3", "A": "b c"}, job_id=3, uid=1001, comm="my job", cpu_ns=25_000_000)
    process = tmp_path / "proc/42"
    assert (process / "environ").read_bytes() == b"SLURM_JOB_ID=3\0A=b c\0"
    assert "2:cpuacct:/slurm_n1/uid_1001/job_3/step_batch/task_0\n" in (process / "cgroup").read_text()
    stat = (process / "stat").read_text()
    assert stat.startswith("42 (my job) R 1 ")
    fields = stat.rpartition(")")[2].split()
    assert (len(fields), fields[11], fields[19]) == (50, "2", "100")
    assert (tmp_path / "cgroup/freezer/slurm_n1/uid_1001/job_3/step_batch/cgroup.procs").read_text() == "42\n"
    tree.remove_process(42)
    assert not process.exists()
    assert (tmp_path / "cgroup/freezer/slurm_n1/uid_1001/job_3/step_batch/cgroup.procs").read_text() == ""


def test_a_reboot_starts_counters_from_zero_and_keeps_the_truth(tmp_path: Path) -> None:
    tree = HostTree(tmp_path)
    boot_id = tmp_path / "proc/sys/kernel/random/boot_id"
    first = boot_id.read_text()
    tree.start_job(1, 0, None)
    tree.add_energy("package-0", 9)
    tree.add_cpu(10**9, 10**9)
    tree.reboot("another", 1_750_000_100)
    assert boot_id.read_text() == "another\n" != first
    assert shown_uj(tree, "intel-rapl:0") == 0
    assert stat_jiffies(tree, "cpu") == (0, 0)
    assert tree.truth.energy_uj["package-0"] == 9


def test_misuse_is_refused(tmp_path: Path) -> None:
    tree = HostTree(tmp_path, layout=Layout(core=True))
    with pytest.raises(ValueError, match="only grows"):
        tree.add_energy("package-0", -1)
    with pytest.raises(ValueError, match="core and uncore follow"):
        tree.add_energy("core-0", 1)
    with pytest.raises(ValueError, match="not /"):
        HostTree(Path("/"))
