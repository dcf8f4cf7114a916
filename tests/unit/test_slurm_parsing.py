"""What Slurm prints, read: recorded from Slurm 22.05.8 of deploy/lab, where jobs had nasty names on purpose."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vispa_green.errors import SlurmError
from vispa_green.model import Binding, JobFact, QueueEntry
from vispa_green.slurm.bindings import gpu_indices, parse_alone, parse_bindings
from vispa_green.slurm.commands import run
from vispa_green.slurm.hostlist import expand, expand_numbers
from vispa_green.slurm.jobs import JobQuery, matches, parse_sacct, sacct_command
from vispa_green.slurm.memory import StepMemory, mebibytes, peak_mib
from vispa_green.slurm.squeue import parse_squeue, waiting_fact

RECORDED = Path(__file__).parent / "recorded"
TOKEN = "vg0123456789abcdef"
NAMES = st.from_regex(r"[a-z]{1,6}-?", fullmatch=True)


def recorded(name: str) -> str:
    return (RECORDED / name).read_bytes().decode()


def second(number: int) -> datetime:
    return datetime.fromtimestamp(number, UTC)


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


@pytest.mark.parametrize(
    "text", ["n[1-", "n]1", "n[a-b]", "n[1-2", "n[[1]]", "n[10-08]", "n[0-99999999]", "n[1-9][1-9999]", "n[²]"]
)
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


def sacct() -> dict[str, JobFact]:
    answer = parse_sacct(recorded("sacct.txt"), TOKEN)
    assert answer.faults == ()
    return {fact.display_id: fact for fact in answer.records}


def squeue() -> dict[str, QueueEntry]:
    answer = parse_squeue(recorded("squeue.txt"), TOKEN)
    assert answer.faults == ()
    return {entry.job_id: entry for entry in answer.records}


def test_a_finished_job_is_read_with_what_its_tasks_can_have_held_together() -> None:
    """Each of the three tasks held 100 MiB; Slurm keeps the largest only."""
    job = sacct()["19"]
    assert (job.user, job.uid, job.state, job.nodes, job.cpus) == ("cloudsdk", 1000, "COMPLETED", ("n2",), 3)
    assert (job.start, job.end) == (second(1795659857), second(1795659867))
    assert (job.elapsed, job.exit_code, job.qos) == (timedelta(seconds=10), "0:0", "normal")
    assert job.memory_mib == 3000
    assert job.peak_memory_mib is not None
    assert 300 <= job.peak_memory_mib <= 330


def test_the_peak_of_what_still_runs_is_not_known() -> None:
    assert sacct()["16"].peak_memory_mib is None


def test_names_and_comments_may_hold_separators_and_line_breaks() -> None:
    names = {entry.job_id: (entry.name, entry.comment) for entry in squeue().values()}
    assert names["15"] == ("pipe|name", "green|a=b c")
    assert names["16"] == ("nl\nx", "two\nlines")
    assert names["5"] == ("ends\r\n\v\x85", "")
    assert sacct()["16"].name == "nl\nx"
    assert sacct()["18"].name.startswith("fake UserId=a(1) Nodes=n1")


def test_an_array_task_has_its_own_id_and_the_shown_one() -> None:
    task = sacct()["24_5"]
    assert task.job_id == "25"
    assert [matches(task, wanted) for wanted in ("24", "24_5", "25", "24_6", "5")] == [True, True, True, False, False]


def test_pending_and_cancelled_jobs_have_no_invented_times() -> None:
    jobs = sacct()
    assert (jobs["21"].state, jobs["21"].nodes, jobs["21"].start, jobs["21"].end) == ("PENDING", (), None, None)
    assert (jobs["17"].state, jobs["17"].end, jobs["17"].nodes) == ("RUNNING", None, ("n1", "n2"))
    assert (jobs["22"].state, jobs["22"].has_run) == ("CANCELLED", False)
    assert (jobs["23"].state, jobs["23"].has_run) == ("CANCELLED", True)


def test_a_job_that_waits_for_its_begin_time_is_read_from_the_queue() -> None:
    entry = squeue()["20"]
    job = waiting_fact(entry)
    assert (job.job_id, job.name, job.comment, job.uid) == ("20", "later job", "x|y", 65534)
    assert job.start is None
    assert (job.submit, job.eligible) == (second(1795659855), second(1795663455))
    assert job.time_limit == timedelta(days=1, hours=2)
    assert (entry.state, entry.reason, entry.begin) == ("PENDING", "BeginTime", job.eligible)


def test_what_the_queue_has_not_set_is_not_known() -> None:
    """squeue shows 4294967294 tasks of a job that never started."""
    jobs = squeue()
    assert (jobs["22"].tasks, jobs["22"].cpus_per_task, jobs["22"].time_limit) == (None, 100, None)
    assert (jobs["19"].tasks, jobs["19"].cpus_per_task, jobs["19"].used) == (3, 1, timedelta(seconds=10))
    assert (jobs["24"].begin, jobs["24"].display_id) == (None, "24_6")


def test_cores_and_gpus_are_read_for_each_node() -> None:
    held, _ = parse_bindings(recorded("scontrol.txt"), squeue().values())
    each = Binding(1000, 2, (0, 1), second(1795659855), 2, 2)
    assert held["17"] == {"n1": each, "n2": each}
    assert held["25"] == {"n1": Binding(65534, 1, (), second(1795659855), 1, 1)}
    assert held["20"] == {}


def test_a_job_name_cannot_claim_somebody_elses_gpu() -> None:
    """Job 18 of the recording is named after an allocation, 13 wrote a record of 12 into its comment."""
    text = recorded("scontrol.txt").replace("RUNNING SubmitTime=", "RUNNING Reason=None SubmitTime=")
    held, doubtful = parse_bindings(text, squeue().values())
    assert held["18"] == {"n2": Binding(65534, 1, (), second(1795659855), 1, 1)}
    assert [entry.job_id for entry in doubtful] == ["12"]
    assert held["12"] == {"n1": Binding(1000, None, None, second(1795659774), 1, 2)}
    assert parse_alone(text[text.index("JobId=12 ") :], doubtful[0]) == {
        "n1": Binding(1000, 2, (), second(1795659774), 1, 2)
    }
    assert parse_alone(text, doubtful[0]) is None


def test_equal_nodes_are_printed_as_one_range() -> None:
    entry = QueueEntry("5", "5", "a", "RUNNING", "None", None, 8, None, uid=1, name="x", submit=second(9))
    line = (
        "JobId=5 JobName=x UserId=a(1) GroupId=a(1) MCS_label=N/A Priority=9 Nice=0 Account=(null) QOS=normal"
        " JobState=RUNNING Reason=None SubmitTime=9 EligibleTime=9 NodeList=n[1-3]   Nodes=n[1-2] CPU_IDs=0-1,4 Mem=9"
        " GRES=gpu:a100:3(IDX:0-1,3),shard:2(IDX:0)   Nodes=n3 CPU_IDs=2 Mem=9 GRES= MinCPUsNode=1 Comment=y\n"
    )
    full = Binding(1, 3, (0, 1, 3), second(9))
    assert parse_bindings(line, [entry]) == ({"5": {"n1": full, "n2": full, "n3": Binding(1, 1, (), second(9))}}, [])


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
    ("text", "mib"),
    [
        ("2000M", 2000),
        ("2G", 2048),
        ("211788K", 207),
        ("500Mc", 2000),
        ("1Gn", 2048),
        ("", None),
        ("1.2.3", None),
        ("²M", None),
    ],
)
def test_sizes(text: str, mib: int | None) -> None:
    assert mebibytes(text, cpus=4, nodes=2) == mib


def test_steps_that_run_together_hold_their_memory_together_and_others_do_not() -> None:
    step = [
        StepMemory(second(start), second(end), mib)
        for start, end, mib in ((0, 100, 10), (10, 50, 200), (50, 90, 300))
    ]
    assert peak_mib(step) == 310
    assert peak_mib([]) is None
    assert peak_mib([*step, StepMemory(second(0), None, 5)]) is None, "it may yet grow"
    assert peak_mib([*step, StepMemory(second(95), second(96), None)]) is None


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 9), st.integers(0, 999)), min_size=1))
def test_the_peak_is_that_of_the_fullest_second(spans: list[tuple[int, int, int]]) -> None:
    steps = [StepMemory(second(start), second(start + length), mib) for start, length, mib in spans]
    each = [sum(mib for start, length, mib in spans if start <= at < start + max(length, 1)) for at in range(30)]
    assert peak_mib(steps) == max(each)


def test_sacct_is_asked_in_utc() -> None:
    berlin_summer = datetime.fromisoformat("2026-07-01T02:00:00+02:00")
    command = sacct_command(JobQuery(job_ids=("1", "2_3"), users=("ada",), start=berlin_summer), TOKEN)
    assert command[-3:] == ["--user=ada", "--jobs=1,2_3", "--starttime=2026-07-01T00:00:00"]


def test_an_absent_slow_or_failing_command_is_one_line_that_says_what_to_do() -> None:
    with pytest.raises(SlurmError, match=r"no vg-no-such on this machine; install Slurm.*enabled = false"):
        run(["vg-no-such"], timeout_s=1)
    with pytest.raises(SlurmError, match=r"no answer within 0.1 s; see whether `scontrol ping`"):
        run(["sleep", "5"], timeout_s=0.1)
    with pytest.raises(SlurmError, match=r"sh failed: second; try `sh -c …` by hand") as failed:
        run(["sh", "-c", "echo first >&2; echo second >&2; exit 3"], timeout_s=5)
    assert "\n" not in str(failed.value)
