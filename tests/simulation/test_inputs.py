"""Readers: what is right comes through, what is wrong is told with line and remedy."""

from __future__ import annotations

import gzip
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from vispa_green_sim.errors import MachineError, SeriesError, WorkloadError
from vispa_green_sim.grid import from_csv
from vispa_green_sim.inputs import Options, read_workload
from vispa_green_sim.inputs.synthetic import Recipe, make
from vispa_green_sim.slurm_conf import read_machine
from vispa_green_sim.workload import Workload

from tests.simulation.traces import HPC2N, KTH, data, trace
from vispa_green.errors import UnknownPlugin
from vispa_green.ledgers import open_ledger
from vispa_green.model import JobFact, Quantity

JOB = "7 {submit} 5 {run} {procs} -1 -1 {procs} {request} 2048 1 3 4 5 1 2 -1 -1\n"


def swf(folder: Path, *rows: str, header: str = "; MaxProcs: 8\n; UnixStartTime: 843480031\n") -> Path:
    path = folder / "log.swf"
    path.write_text(header + "".join(rows))
    return path


def row(submit: int = 10, run: int = 60, procs: int = 2, request: int = 100, job: int = 7) -> str:
    return str(job) + JOB.format(submit=submit, run=run, procs=procs, request=request)[1:]


def test_a_row_of_swf_comes_through(tmp_path: Path) -> None:
    """With its labels, its memory per processor made the job's, and the header's facts."""
    read = read_workload(swf(tmp_path, row()))
    assert (read.submit_s, read.run_s, read.request_s, read.processors) == ([10], [60], [100], [2])
    assert (read.user, read.account, read.job_name, read.partition) == (["3"], ["4"], ["5"], ["2"])
    assert (read.memory_mib, read.recorded_start_s) == ([4], [15])
    assert (read.origin_epoch_s, read.machine_processors, read.name) == (843480031, 8, "log")


def test_gzip_is_told_by_its_content(tmp_path: Path) -> None:
    """Not by the name."""
    packed = tmp_path / "log.swf"
    packed.write_bytes(gzip.compress(row().encode()))
    assert len(read_workload(packed)) == 1


def test_repairs_are_counted_and_located(tmp_path: Path) -> None:
    """Missing requests fall back to the run time; impossible rows become one second."""
    rows = [
        row(1, 60, 2, -1, 1),
        row(2, -1, 0, 9, 2),
        row(3, 500, 2, 100, 3),
        row(4, 5, 99, 9, 4),
        row(5, 9, 1, -1, 5),
    ]
    read = read_workload(swf(tmp_path, *rows), Options(processors=8))
    assert list(zip(read.run_s, read.request_s, read.processors, strict=True)) == [
        (60, 60, 2), (1, 1, 1), (100, 500, 2), (5, 9, 8), (9, 9, 1),
    ]  # fmt: skip
    assert [(r.count, r.first_line) for r in read.remarks] == [(2, 3), (1, 4), (1, 5), (1, 4)]
    assert str(read.remarks[0]) == "2 rows: no time requested, the run time is taken for it (first: line 3)"


def test_order_is_submission_then_file(tmp_path: Path) -> None:
    """Ties keep the order of the file."""
    read = read_workload(swf(tmp_path, row(9, job=1), row(5, job=2), row(9, job=3), row(5, job=4)))
    assert read.job_id == ["2", "4", "1", "3"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["1 2 3 4\n"], r"log.swf:3: 4 columns, at least 9 are needed .*written as -1"),
        ([row(), row(job=8).replace("60", "6x")], r"log.swf:4: column 4 is '6x', no number; correct or remove it"),
        ([], r"no jobs in it; a SWF file has one line of 18 numbers"),
        (
            [row(), row(12)],
            r"job 7 is there twice and overlaps itself \(second time: row 2",
        ),
    ],
)
def test_bad_swf_is_told(tmp_path: Path, rows: list[str], message: str) -> None:
    """In one line, with the place and what to do."""
    with pytest.raises(WorkloadError, match=message) as told:
        read_workload(swf(tmp_path, *rows))
    assert "\n" not in str(told.value)


def test_what_is_no_file_or_format_is_told(tmp_path: Path) -> None:
    """A missing file, a cut gzip, a typo in the format."""
    with pytest.raises(WorkloadError, match=r"absent.swf: cannot be read"):
        read_workload(tmp_path / "absent.swf")
    cut = tmp_path / "cut.swf.gz"
    cut.write_bytes(gzip.compress(row().encode() * 500)[:60])
    with pytest.raises(WorkloadError, match="is it complete, and text or gzip"):
        read_workload(cut)
    with pytest.raises(UnknownPlugin, match="did you mean 'swf'"):
        read_workload(swf(tmp_path, row()), format_name="swff")


DAY = "2026-03-01T"
COLUMNS = (
    "JobIDRaw|User|Partition|TimelimitRaw|ReqNodes|AllocCPUS|ReqMem|AllocTRES|"
    "Submit|Eligible|Start|End|State|JobName|MaxRSS"
)
SACCT = "\n".join(  # noqa: FLY002 - one line each
    [
        COLUMNS,
        '11|ada|cpu|60|1|4|2000Mc|cpu=4,gres/gpu:a100=2|_08:00:00|_09:00:00|_09:30:00|_10:00:00|COMPLETED|fit "x|',
        "11.batch||||1|4|||_09:30:00|_09:30:00|_09:30:00|_10:00:00|COMPLETED|batch|512M",
        "12|bob|gpu||1|1|4G||_07:00:00|_07:00:00|_07:00:10|_07:00:10|FAILED|x|",
        "13|bob|gpu|60|1|1|4G||_07:00:00|Unknown|Unknown|_07:30:00|CANCELLED by 0|x|",
        "14|bob|gpu|60|1|1|4G||_07:00:00|_07:00:00|_07:00:10|Unknown|RUNNING|x|\n",
    ]
).replace("|_", f"|{DAY}")


def test_a_dump_of_sacct_comes_through(tmp_path: Path) -> None:
    """Steps only give their memory; what never ran is left out and counted; a quote in a name is one."""
    path = tmp_path / "jobs.txt"
    path.write_text(SACCT)
    read = read_workload(path)
    assert (read.job_id, read.submit_s, read.eligible_s) == (["12", "11"], [0, 3600], [0, 7200])
    assert (read.run_s, read.request_s, read.recorded_start_s) == ([1, 1800], [1, 3600], [10, 9000])
    assert (read.processors, read.memory_mib, read.gpus) == ([1, 4], [4096, 8000], [0, 2])
    assert (read.job_name, read.used_memory_mib) == (["x", 'fit "x'], [0, 512])
    assert read.origin_epoch_s == int(datetime(2026, 3, 1, 7, tzinfo=UTC).timestamp())
    assert sorted(r.what.split(",")[0] for r in read.remarks) == [
        "has not ended", "never started", "ran for less than a second", "without a time limit",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("AllocCPUS", "Cores"), r"jobs.txt:1: no column alloccpus or ncpus or reqcpus or processors_req; there are"),
        (("|60|1|4|", "|60|1|four|"), r"jobs.txt:2: alloccpus is 'four', no number; correct it"),
        (("T10:00:00|COMPLETED|fit", "T10:xx|COMPLETED|fit"), r"jobs.txt:2: end is '2026-03-01T10:xx', no time"),
        (("T10:00:00|COMPLETED|fit", "T09:00:00|COMPLETED|fit"), r"jobs:2: job 11 ends before it starts; .*TZ=UTC"),
        (('|COMPLETED|fit "x|', ""), r"jobs.txt:2: 12 cells for 15 columns; complete or remove the line"),
    ],
)
def test_a_bad_dump_is_told(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    """With the line; times that run backwards are what the end of summer time does."""
    path = tmp_path / "jobs.txt"
    path.write_text(SACCT.replace(*change))
    with pytest.raises(WorkloadError, match=message):
        read_workload(path)


def test_a_number_that_comes_again_is_another_job(tmp_path: Path) -> None:
    """A year later, or on another cluster; each keeps its own steps' memory. The same row twice is remarked."""
    again = SACCT.splitlines()[1:3]
    later = [line.replace("2026-", "2027-").replace("|ada|", "|bob|").replace("512M", "64M") for line in again]
    path = tmp_path / "jobs.txt"
    path.write_text("\n".join([COLUMNS, *again, *later]))
    read = read_workload(path)
    assert (read.job_id, read.user, read.used_memory_mib) == (["11", "11"], ["ada", "bob"], [512, 64])
    assert read.submit_s == [0, 365 * 86_400]
    assert not read.remarks
    elsewhere = [line + "|b" for line in (again[0], again[1].replace("512M", "64M"))]
    path.write_text("\n".join([COLUMNS + "|Cluster", again[0] + "|a", *elsewhere, again[1] + "|a"]))
    read = read_workload(path)
    assert (read.job_id, read.used_memory_mib, read.remarks) == (["11", "11"], [512, 64], ())
    path.write_text("\n".join([COLUMNS, *again, *again]))
    [remark] = read_workload(path).remarks
    assert (remark.count, remark.first_line) == (1, 4)


NO_NUMBERS = ("²", "٣", "1_0", "1e300", "9" * 30, "inf", "0x1", "--1", "1.2.3")


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_what_python_takes_for_a_number_is_none(tmp_path: Path, text: str) -> None:
    """In each format: one error with the line, whatever int(), float() and isdigit() say."""
    with pytest.raises(WorkloadError, match=r"log\.swf:4: column 4 is "):
        read_workload(swf(tmp_path, row(), row().replace(" 60 ", f" {text} ", 1)))
    dump = tmp_path / "jobs.txt"
    for right, name in (("|60|1|4|", "alloccpus"), (f"|{DAY}10:00:00|COMPLETED|fit", "end")):
        dump.write_text(SACCT.replace(right, f"|60|1|{text}|" if name == "alloccpus" else f"|{text}|COMPLETED|fit"))
        with pytest.raises(WorkloadError, match=rf"jobs\.txt:2: {name} is "):
            read_workload(dump)
    conf = tmp_path / "slurm.conf"
    conf.write_text(f"NodeName=n1 CPUs={text}\n")
    with pytest.raises(MachineError, match=r"slurm\.conf:1: cpus="):
        read_machine(conf)
    series = tmp_path / "grid.csv"
    series.write_text(f"utc_start,co2\n2026-03-01T00:00:00Z,1\n2026-03-01T01:00:00Z,{text}\n")
    with pytest.raises(SeriesError, match=r"grid\.csv:3: .* is no number"):
        from_csv(series, Quantity.CARBON_INTENSITY, column="co2")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cells=st.lists(st.one_of(st.text(max_size=12), st.sampled_from(NO_NUMBERS), st.integers().map(str)), max_size=20)
)
def test_any_row_is_read_or_refused(tmp_path: Path, cells: list[str]) -> None:
    """With an error of ours, never another; what is read has values that a simulation can count with."""
    (tmp_path / "log.swf").write_text(row() + " ".join(cells) + "\n", encoding="utf-8")
    (tmp_path / "jobs.csv").write_text(
        "job_id,ncpus,submit,start,end,timelimitraw,reqmem,alloctres\n1,1,5,6,9,1,1G,\n" + ",".join(cells) + "\n",
        encoding="utf-8",
    )
    for file in ("log.swf", "jobs.csv"):
        with suppress(WorkloadError):
            read = read_workload(tmp_path / file)
            for column in (read.submit_s, read.run_s, read.request_s, read.processors, read.memory_mib):
                assert all(0 <= number < 2**63 for number in column)


def test_local_times_across_the_change_of_clocks(tmp_path: Path) -> None:
    """In Berlin's zone, two o'clock to four o'clock is one hour in March."""
    path = tmp_path / "jobs.csv"
    path.write_text("job_id,ncpus,submit,start,end\n1,1,2026-03-29 01:30,2026-03-29 01:30,2026-03-29 03:30\n")
    assert read_workload(path, Options(zone="Europe/Berlin")).run_s == [3600]
    assert read_workload(path).run_s == [7200]
    with pytest.raises(WorkloadError, match="no time zone called 'Berlin'"):
        read_workload(path, Options(zone="Berlin"))


def test_the_sample_of_eagle_is_read() -> None:
    """A thousand real Slurm jobs; tasks of an array share an id there."""
    read = read_workload(data("workloads/nrel_eagle_sample_1000.csv"))
    assert len(read) == 1000
    assert [r.count for r in read.remarks] == [451]
    assert max(read.request_s) >= 86_400


def test_our_own_ledger_is_a_history(tmp_path: Path) -> None:
    """Facts of jobs become jobs."""
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    hour = timedelta(hours=1)
    fact = JobFact(
        "5", "5", "ada", "hep", "cpu", "fit", "COMPLETED", ("n1", "n2"),
        noon, noon, noon + hour, noon + 3 * hour, 4 * hour, 8, memory_mib=4000, peak_memory_mib=900,
    )  # fmt: skip
    ledger = open_ledger(f"sqlite://{tmp_path / 'ledger.sqlite'}", create=True)
    ledger.facts.append("lab", [fact], noon)
    ledger.close()
    read = read_workload(tmp_path / "ledger.sqlite")
    assert (read.run_s, read.request_s, read.processors, read.nodes) == ([7200], [14_400], [8], [2])
    assert (read.user, read.memory_mib, read.used_memory_mib) == (["ada"], [4000], [900])


def test_pm100_gives_the_power_above_idle(tmp_path: Path) -> None:
    """Mean of the samples, less the idle power of the job's nodes."""
    path = tmp_path / "pm100.csv"
    path.write_text(
        "job_id,num_cores_alloc,num_nodes_alloc,num_gpus_alloc,mem_alloc,submit_time,start_time,end_time,"
        "time_limit,user_id,partition,node_power_consumption\n"
        "1,64,2,8,400,2020-05-04 10:00:00+00:00,2020-05-04 10:01:00+00:00,2020-05-04 10:02:00+00:00,"
        '1440,7,1,"[900.0, 1100.0]"\n'
    )
    read = read_workload(path, Options(idle_w_per_node=240), "pm100")
    assert (read.dynamic_mw, read.run_s, read.request_s, read.gpus) == ([520_000], [60], [86_400], [8])
    path.write_text(path.read_text().replace("[900.0, 1100.0]", "lots"))
    with pytest.raises(WorkloadError, match=r"pm100.csv:2: node_power_consumption is no list of numbers"):
        read_workload(path, format_name="pm100")


def test_fdata_gives_mean_power_and_memory(tmp_path: Path) -> None:
    """Bytes become MiB."""
    path = tmp_path / "fdata.csv"
    path.write_text(
        "jid,usr,jnam,cnumat,nnuma,elpl,adt,sdt,edt,avgpcon,mszl,mmszu\n"
        "a,u1,j,96,2,3600,2023-01-01T00:00:00,2023-01-01T00:10:00,2023-01-01T00:20:00,250.5,33554432,1048577\n"
    )
    read = read_workload(path, Options(idle_w_per_node=60), "fdata")
    assert (read.dynamic_mw, read.memory_mib, read.used_memory_mib) == ([130_500], [32], [2])


def test_a_synthetic_workload_is_its_recipe(tmp_path: Path) -> None:
    """Same seed, same jobs; a typo in the recipe is told."""
    assert make(Recipe(jobs=500, seed=3)) == make(Recipe(jobs=500, seed=3)) != make(Recipe(jobs=500, seed=4))
    path = tmp_path / "made.toml"
    path.write_text("jobs = 50\nlod = 0.8\n")
    with pytest.raises(WorkloadError, match="no setting 'lod' – did you mean 'load'"):
        read_workload(path)


CONF = """# a small site
NodeName=DEFAULT RealMemory=256000
NodeName=cpu[01-03] Sockets=2 CoresPerSocket=32 \\
   State=UNKNOWN
NodeName=gpu1 CPUs=64 Gres=gpu:a100:4,shard:8 RealMemory=512000
PartitionName=DEFAULT MaxTime=1-00:00:00
PartitionName=main Nodes=cpu[01-03] Default=YES PriorityTier=2
PartitionName=gpu Nodes=gpu1 MaxTime=UNLIMITED
"""


def test_slurm_conf_is_a_machine(tmp_path: Path) -> None:
    """Equal nodes are one class; defaults, continued lines and GRES are followed."""
    path = tmp_path / "slurm.conf"
    path.write_text(CONF)
    machine = read_machine(path)
    assert [(c.name, c.count, c.gpus) for c in machine.classes] == [
        ("64c-256000m-0g", 3, 0),
        ("64c-512000m-4g", 1, 4),
    ]
    main, gpu = machine.partitions
    assert (main.nodes, main.max_time_s, main.priority_tier, main.is_default) == (
        ((0, 0), (0, 1), (0, 2)),
        86_400,
        2,
        True,
    )
    assert (gpu.nodes, gpu.max_time_s, machine.processors) == (((1, 0),), None, 256)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("Nodes=gpu1", "Nodes=gpu7"), r"slurm.conf:8: partition gpu has node gpu7, which no NodeName line has"),
        (("CPUs=64", "CPUs=many"), r"slurm.conf:5: cpus=many is no whole number up to"),
        (("cpu[01-03] Sock", "cpu[01- Sock"), r"slurm.conf:3: 'cpu\[01-' is no list of nodes"),
        (("NodeName", "Node"), r"no NodeName line"),
    ],
)
def test_a_bad_slurm_conf_is_told(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    """With the line."""
    path = tmp_path / "slurm.conf"
    path.write_text(CONF.replace(*change))
    with pytest.raises(MachineError, match=message):
        read_machine(path)


def test_columns_that_contradict_are_refused() -> None:
    """A workload is whole or is none."""
    with pytest.raises(WorkloadError, match="2 values of user for 1 jobs; a column is complete or empty"):
        Workload("w", ["1"], [0], [1], [1], [1], user=["a", "b"])
    with pytest.raises(WorkloadError, match=r"job 1 has run_s = 0; the least is 1: correct or remove the job"):
        Workload("w", ["1"], [0], [0], [1], [1])
    with pytest.raises(WorkloadError, match="not in order of submission"):
        Workload("w", ["1", "2"], [5, 4], [1, 1], [1, 1], [1, 1])


def test_the_archive_files_are_as_their_headers_say() -> None:
    """Machine sizes and counts of jobs."""
    assert [(len(trace(*c)), trace(*c).machine_processors) for c in (KTH, HPC2N)] == [(27_992, 100), (202_876, 240)]


def test_a_workload_can_be_played_again_and_cut() -> None:
    """Times move on, labels stay; the unknown stays unknown."""
    once = Workload("w", ["1", "2"], [5, 9], [1, 2], [3, 4], [1, 1], user=["a", "b"], recorded_start_s=[6, -1])
    twice = once.repeated(2, gap_s=10)
    assert (twice.submit_s, twice.recorded_start_s) == ([5, 9, 19, 23], [6, -1, 20, -1])
    assert (twice.user, twice.run_s) == (["a", "b"] * 2, [1, 2] * 2)
    assert twice.picked([0, 1]) == once
