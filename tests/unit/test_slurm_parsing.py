"""What Slurm prints, read: recorded from Slurm 22.05.8 of deploy/lab, where jobs had nasty names on purpose."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vispa_green.errors import SlurmError
from vispa_green.model import Binding
from vispa_green.slurm.bindings import gpu_indices, parse_bindings
from vispa_green.slurm.commands import run
from vispa_green.slurm.hostlist import expand, expand_numbers
from vispa_green.slurm.jobs import JobQuery, matches, mebibytes, parse_sacct, parse_squeue, sacct_command

RECORDED = Path(__file__).parent / "recorded"
NAMES = st.from_regex(r"[a-z]{1,6}-?", fullmatch=True)


def recorded(name: str) -> str:
    return (RECORDED / name).read_bytes().decode()


@pytest.mark.parametrize(
    ("text", "nodes"),
    [
        ("n1", "n1"),
        ("n[1-3,7]", "n1 n2 n3 n7"),
        ("n[08-11]", "n08 n09 n10 n11"),
        ("a1,b[2-3],c", "a1 b2 b3 c"),
        ("r[1-2]n[01-02]-ib", "r1n01-ib r1n02-ib r2n01-ib r2n02-ib"),
        ("None assigned", ""),
        ("", ""),
    ],
)
def test_a_node_list_is_written_out(text: str, nodes: str) -> None:
    assert expand(text) == tuple(nodes.split())


@pytest.mark.parametrize("text", ["n[1-", "n]1", "n[a-b]", "n[1-2", "n[[1]]"])
def test_what_is_no_node_list_is_refused(text: str) -> None:
    with pytest.raises(SlurmError):
        expand(text)


@given(NAMES, st.sets(st.integers(0, 400), min_size=1), st.integers(0, 4))
def test_ranges_stand_for_exactly_their_numbers(prefix: str, numbers: set[int], width: int) -> None:
    """Compress a set of numbers as Slurm does, and get every name back, in order and padded."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1 and len(str(number)) == len(str(runs[-1][0]).zfill(width)):
            runs[-1].append(number)
        else:
            runs.append([number])
    ranges = ",".join(f"{r[0]:0{width}}-{r[-1]:0{width}}" if len(r) > 1 else f"{r[0]:0{width}}" for r in runs)
    assert expand(f"{prefix}[{ranges}]") == tuple(f"{prefix}{n:0{width}}" for n in sorted(numbers))
    assert expand_numbers(ranges) == tuple(sorted(numbers))


@given(st.lists(st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True), min_size=1))
def test_names_without_ranges_come_back_as_they_are(names: list[str]) -> None:
    assert expand(",".join(names)) == tuple(names)


def test_a_finished_job_is_read_with_the_memory_of_its_steps() -> None:
    job = {fact.job_id: fact for fact in parse_sacct(recorded("sacct.txt"))}["6"]
    assert (job.user, job.state, job.nodes, job.cpus, job.comment) == ("root", "COMPLETED", ("n1",), 1, "done")
    assert (job.start, job.end) == (
        datetime(2026, 11, 22, 7, 39, 27, tzinfo=UTC),
        datetime(2026, 11, 22, 7, 39, 31, tzinfo=UTC),
    )
    assert (job.memory_mib, job.peak_memory_mib, job.time_limit) == (1000, 207, timedelta(days=365))


def test_names_and_comments_may_hold_separators_and_line_breaks() -> None:
    jobs = {fact.job_id: fact for fact in parse_sacct(recorded("sacct.txt"))}
    assert (jobs["1"].name, jobs["1"].comment) == ("pipe|name", "green|a=b c")
    assert (jobs["10"].name, jobs["10"].comment) == ("nl\nx", "two\nlines")
    assert jobs["11"].name == "nl\nx=1 JobId=3"
    assert jobs["9"].comment == ""


def test_an_array_task_has_its_own_id_and_the_shown_one() -> None:
    task = {fact.display_id: fact for fact in parse_sacct(recorded("sacct.txt"))}["3_1"]
    assert task.job_id == "7"
    assert [matches(task, wanted) for wanted in ("3", "3_1", "7", "3_2", "1")] == [True, True, True, False, False]


def test_pending_and_cancelled_jobs_have_no_invented_times() -> None:
    jobs = {fact.job_id: fact for fact in parse_sacct(recorded("sacct.txt"))}
    assert (jobs["9"].state, jobs["9"].nodes, jobs["9"].start, jobs["9"].end) == ("PENDING", (), None, None)
    assert (jobs["13"].state, jobs["13"].end, jobs["13"].nodes) == ("RUNNING", None, ("n1", "n2"))
    assert jobs["16"].state == "CANCELLED"


def test_a_job_that_waits_for_its_begin_time_is_read_from_the_queue() -> None:
    job = parse_squeue(recorded("squeue.txt"))[0]
    assert (job.job_id, job.name, job.comment) == ("4", "later job", "x|y")
    assert job.start is None
    assert job.eligible is not None
    assert job.submit is not None
    assert job.eligible - job.submit == timedelta(hours=1)
    assert job.time_limit == timedelta(days=1, hours=2)


def test_cores_and_gpus_are_read_for_each_node() -> None:
    held = parse_bindings(recorded("scontrol.txt"))
    assert held["13"] == {"n1": Binding(allocated_cpus=2, gpus=(0, 1)), "n2": Binding(allocated_cpus=2, gpus=(0, 1))}
    assert held["17"] == {"n1": Binding(allocated_cpus=1, gpus=())}
    assert held["4"] == {}


def test_equal_nodes_are_printed_as_one_range() -> None:
    line = (
        "JobId=5 JobName=x UserId=a(1) NodeList=n[1-3]   Nodes=n[1-2] CPU_IDs=0-1,4 Mem=9"
        " GRES=gpu:a100:3(IDX:0-1,3),shard:2(IDX:0)   Nodes=n3 CPU_IDs=2 Mem=9 GRES= MinCPUsNode=1 Comment=y\n"
    )
    full = Binding(allocated_cpus=3, gpus=(0, 1, 3))
    assert parse_bindings(line) == {"5": {"n1": full, "n2": full, "n3": Binding(allocated_cpus=1, gpus=())}}


def test_a_job_name_cannot_claim_somebody_elses_gpu() -> None:
    """Job 12 of the recording is named after an allocation; an honest job beside it is still read."""
    fake = "fake UserId=a(1) Nodes=n1 CPU_IDs=0-7 Mem=1 GRES=gpu:a:1(IDX:0) MinCPUsNode=1"
    line = f"JobId=12 JobName={fake} UserId=r(0)   Nodes=n1 CPU_IDs=2 Mem=1 GRES= MinCPUsNode=1 Comment=(null)\n"
    assert parse_bindings(line) == {}
    second = "JobId=13 JobName=a UserId=r(0)   Nodes=n1 CPU_IDs=2 Mem=1 GRES= MinCPUsNode=1 Comment=(null)\n"
    assert parse_bindings(line + second) == {"13": {"n1": Binding(allocated_cpus=1, gpus=())}}
    smuggled = "JobId=14 JobName=a\n" + second.replace("CPU_IDs=2", "CPU_IDs=0-7") + second
    assert "13" not in parse_bindings(smuggled)


@pytest.mark.parametrize(
    ("gres", "indices"),
    [
        ("", ()),
        ("gpu:a100:1(IDX:0)", (0,)),
        ("gpu:2(IDX:1,3)", (1, 3)),
        ("gpu:a100:2(IDX:0-1),gpu:h100:1(IDX:4)", (0, 1, 4)),
        ("gpu:1(IDX:N/A)", ()),
        ("mygpu:1(IDX:7)", ()),
    ],
)
def test_gpu_indices(gres: str, indices: tuple[int, ...]) -> None:
    assert gpu_indices(gres) == indices


@pytest.mark.parametrize(
    ("text", "mib"), [("2000M", 2000), ("2G", 2048), ("211788K", 207), ("500Mc", 2000), ("1Gn", 2048), ("", None)]
)
def test_sizes(text: str, mib: int | None) -> None:
    assert mebibytes(text, cpus=4, nodes=2) == mib


def test_sacct_is_asked_in_utc() -> None:
    berlin_summer = datetime.fromisoformat("2026-07-01T02:00:00+02:00")
    command = sacct_command(JobQuery(job_ids=("1", "2_3"), users=("ada",), start=berlin_summer))
    assert command[-3:] == ["--user=ada", "--jobs=1,2_3", "--starttime=2026-07-01T00:00:00"]


def test_an_absent_slow_or_failing_command_is_one_line_that_says_what_to_do() -> None:
    with pytest.raises(SlurmError, match=r"no vg-no-such on this machine; install Slurm.*enabled = false"):
        run(["vg-no-such"], timeout_s=1)
    with pytest.raises(SlurmError, match=r"no answer within 0.1 s; see whether `scontrol ping`"):
        run(["sleep", "5"], timeout_s=0.1)
    with pytest.raises(SlurmError, match=r"sh failed: second; try `sh -c …` by hand") as failed:
        run(["sh", "-c", "echo first >&2; echo second >&2; exit 3"], timeout_s=5)
    assert "\n" not in str(failed.value)
