"""Whatever users write, and whatever is damaged: no other record changes, nothing raises, nothing hangs."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vispa_green.errors import SlurmError
from vispa_green.model import Binding, QueueEntry
from vispa_green.slurm import jobs, squeue
from vispa_green.slurm.bindings import gpu_indices, parse_alone, parse_bindings
from vispa_green.slurm.hostlist import expand, expand_numbers
from vispa_green.slurm.machine import parse_sinfo
from vispa_green.slurm.memory import mebibytes

TOKEN = "vg0123456789abcdef"
RECORDED = Path(__file__).parent / "recorded"
SECOND = 1_795_659_855
FULL = pytest.param(100_000, marks=[pytest.mark.full, pytest.mark.timeout(1200)])


@dataclass(frozen=True, slots=True)
class Written:
    """A job with the texts its user may choose."""

    name: str
    comment: str
    account: str
    project: str
    folder: str


def sacct_text(written: Sequence[Written]) -> str:
    """Print as sacct does: each job, and its batch step below it."""
    return "".join(_sacct_lines(number, job) for number, job in enumerate(written, 1))


def _sacct_lines(number: int, job: Written) -> str:
    both = {"State": "COMPLETED", "ExitCode": "0:0", "NodeList": "n1", "Submit": f"{SECOND}", "Start": f"{SECOND}"}
    both |= {"End": f"{SECOND + 9}", "ElapsedRaw": "9", "AllocCPUS": f"{number}"}
    own = {"JobIDRaw": f"{number}", "JobID": f"{number}", "UID": f"{1000 + number}", "User": f"u{number}"}
    own |= {"Account": job.account, "WCKey": job.project, "JobName": job.name, "Comment": job.comment}
    step = {"JobIDRaw": f"{number}.batch", "JobID": f"{number}.batch", "NTasks": "1", "MaxRSS": f"{number}M"}
    return "".join(
        "".join(f"{({**both, **one}).get(f, '')}{TOKEN}" for f in jobs.FIELDS) + "\n" for one in (own, step)
    )


def squeue_text(written: Sequence[Written]) -> str:
    """Print as squeue does."""
    lines: list[str] = []
    for number, job in enumerate(written, 1):
        values = {"JobID": f"{number}", "JobArrayID": f"{number}", "UserID": f"{1000 + number}", "State": "RUNNING"}
        values |= {"SubmitTime": f"{SECOND}", "NumCPUs": f"{number}", "NodeList": "n1", "TimeLimit": "UNLIMITED"}
        values |= {
            "NumTasks": "1",
            "cpus-per-task": f"{number}",
            "TimeUsed": "0:09",
            "Account": job.account or "(null)",
        }
        values |= {"WCKey": job.project or "(null)", "Name": job.name, "Comment": job.comment or "(null)"}
        lines.append("".join(f"{values.get(field, '')}{TOKEN}" for field in squeue.FIELDS) + "\n")
    return "".join(lines)


def scontrol_record(number: int, job: Written) -> str:
    """Print as ``scontrol -o -d show job`` does."""
    return (
        f"JobId={number} JobName={job.name} UserId=u{number}({1000 + number}) GroupId=g(1) MCS_label=N/A Priority=1"
        f" Nice=0 Account={job.account or '(null)'} QOS=normal WCKey={job.project or '(null)'} JobState=RUNNING"
        f" Reason=None SubmitTime={SECOND} EligibleTime={SECOND} NodeList=n1   Nodes=n1 CPU_IDs=0-{number - 1} Mem=1"
        f" GRES=gpu:a:1(IDX:{number}) MinCPUsNode=1 Command=(null) WorkDir={job.folder}"
        f" Comment={job.comment}  Power= \n"
    )


PLAIN = Written("honest", "mine", "physics", "", "/home")
PIECES = st.sampled_from(
    [
        "\n", "\r\n", "\x1f", "|", " ", " JobId=", "\nJobId=1 ", " UserId=u1(1001)", " MinCPUsNode=1 ", "(null)", "1",
        "vg", "\u2028", "²", scontrol_record(1, PLAIN), "\n" + scontrol_record(1, PLAIN),
        scontrol_record(1, PLAIN).replace("0-0", "0-63"), sacct_text([PLAIN]).replace(TOKEN, "\x1f"),
        "n[0-99999999]", "\n1\x1f1\x1f",
    ]
)  # fmt: skip
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
TEXTS = (
    st.lists(PIECES | st.text(CHARACTERS, max_size=8), max_size=5).map("".join).filter(lambda text: TOKEN not in text)
)
HOSTILE = st.builds(Written, TEXTS, TEXTS, TEXTS, TEXTS, TEXTS)


@given(st.lists(HOSTILE, max_size=3))
def test_records_equal_what_was_submitted(written: list[Written]) -> None:
    written = [PLAIN, *written]
    facts, queue = jobs.parse_sacct(sacct_text(written), TOKEN), squeue.parse_squeue(squeue_text(written), TOKEN)
    assert facts.faults == queue.faults == ()
    expected = [(str(n), n, 1000 + n, job.name) for n, job in enumerate(written, 1)]
    assert [(fact.job_id, fact.cpus, fact.uid, fact.name) for fact in facts.records] == expected
    assert [(entry.job_id, entry.cpus, entry.uid, entry.name) for entry in queue.records] == expected
    assert [fact.peak_memory_mib for fact in facts.records] == [n for n, *_ in enumerate(written, 1)]
    for found, job in zip(facts.records, written, strict=True):
        assert found.comment in {job.comment, ""}
        assert found.account in {job.account, ""}
        assert found.project in {job.project.removeprefix("*"), ""}


@given(st.lists(HOSTILE, max_size=3))
def test_a_binding_is_the_jobs_own_or_it_is_asked_for_alone(written: list[Written]) -> None:
    written = [PLAIN, *written]
    queue = squeue.parse_squeue(squeue_text(written), TOKEN).records
    records = [scontrol_record(number, job) for number, job in enumerate(written, 1)]
    held, doubtful = parse_bindings("".join(records), queue)
    assert set(held) == {entry.job_id for entry in queue}
    for number, (entry, record) in enumerate(zip(queue, records, strict=True), 1):
        known = Binding(1000 + number, None, None, datetime.fromtimestamp(SECOND, UTC), 1, number)
        whole = replace(known, allocated_cpus=number, gpus=(number,))
        assert held[entry.job_id] == {"n1": known if entry in doubtful else whole}
        assert parse_alone(record, entry) == {"n1": whole}


@pytest.mark.parametrize("project", ["", "*", "**", "(null)", "a b\nJobId=1 "])
def test_a_project_of_any_kind_leaves_the_binding_its_own(project: str) -> None:
    """``*`` marks a project that the user did not name, also where he has none."""
    job = replace(PLAIN, project=project)
    (entry,) = squeue.parse_squeue(squeue_text([job]), TOKEN).records
    assert parse_bindings(scontrol_record(1, job), [entry])[1] == []


NONSENSE = ("²", "٣", "-1", "1e9", "1.2.3", "9" * 20, "n[0-99999999]", "n[10-08]", "n[", "a b", "4h", "\x1b[31m")


def with_field(text: str, fields: Sequence[str], field: str, value: str) -> str:
    """Change a field of the first record."""
    pieces = text.split(TOKEN)
    pieces[fields.index(field)] = value
    return TOKEN.join(pieces)


@pytest.mark.parametrize("value", NONSENSE)
@pytest.mark.parametrize(
    "field",
    ["UID", "State", "ExitCode", "Submit", "Start", "End", "ElapsedRaw", "TimelimitRaw", "AllocCPUS", "ReqMem"],
)
def test_a_field_of_sacct_that_makes_no_sense_costs_its_record_alone(field: str, value: str) -> None:
    answer = jobs.parse_sacct(with_field(sacct_text([PLAIN, PLAIN]), jobs.FIELDS, field, value), TOKEN)
    assert [fact.job_id for fact in answer.records] == ["2"]
    (fault,) = answer.faults
    assert fault.startswith("sacct: the record of job 1 was left out")
    assert fault.isprintable()


def test_memory_that_is_not_set_costs_nothing() -> None:
    """22.05 prints 2⁶⁴ - 2 bytes so, for a moment after a job was cancelled before its begin time."""
    answer = jobs.parse_sacct(with_field(sacct_text([PLAIN]), jobs.FIELDS, "ReqMem", "16?"), TOKEN)
    assert ([fact.memory_mib for fact in answer.records], answer.faults) == ([None], ())


@pytest.mark.parametrize("value", NONSENSE)
@pytest.mark.parametrize(
    "field", ["JobArrayID", "UserID", "State", "SubmitTime", "EligibleTime", "TimeLimit", "TimeUsed", "NumCPUs"]
)
def test_a_field_of_squeue_that_makes_no_sense_costs_its_record_alone(field: str, value: str) -> None:
    answer = squeue.parse_squeue(with_field(squeue_text([PLAIN, PLAIN]), squeue.FIELDS, field, value), TOKEN)
    assert [entry.job_id for entry in answer.records] == ["2"]
    (fault,) = answer.faults
    assert fault.startswith("squeue: the record of job 1 was left out")
    assert fault.isprintable()


@pytest.mark.parametrize("value", ["n[0-99999999]", "n[10-08]", "n[", "n[²]"])
def test_nodes_that_make_no_sense_cost_their_record_alone(value: str) -> None:
    facts = jobs.parse_sacct(with_field(sacct_text([PLAIN, PLAIN]), jobs.FIELDS, "NodeList", value), TOKEN)
    queue = squeue.parse_squeue(with_field(squeue_text([PLAIN, PLAIN]), squeue.FIELDS, "NodeList", value), TOKEN)
    assert [fact.job_id for fact in facts.records] == [entry.job_id for entry in queue.records] == ["2"]


def test_in_a_damaged_stretch_no_number_is_taken_for_a_jobs_id() -> None:
    """Fields further on may hold the same number twice, as far apart as the ids: no record begins within a line."""
    line = squeue_text([PLAIN])
    broken = line.replace(f"{TOKEN}RUNNING", "RUNNING", 1)  # one field too few: all that follow are shifted
    answer = squeue.parse_squeue(broken + squeue_text([PLAIN, PLAIN]), TOKEN)
    assert [entry.job_id for entry in answer.records] == ["1", "2"]
    assert answer.faults == ("squeue: a record was left out, its fields are not those that were asked for",)


def test_a_record_that_breaks_off_does_not_take_the_next_with_it() -> None:
    first, second = (line + "\n" for line in squeue_text([PLAIN, PLAIN]).split("\n")[:2])
    for end in range(1, len(first) - 1):
        answer = squeue.parse_squeue(first[:end] + "\n" + second, TOKEN)
        assert [entry.job_id for entry in answer.records] == ["2"]
        assert len(answer.faults) == 1


def test_a_job_that_comes_twice_is_left_out() -> None:
    """Whoever reads the separator from sacct's command line in time can add a record, not take one away."""
    once = sacct_text([PLAIN, PLAIN])
    answer = jobs.parse_sacct(once + sacct_text([replace(PLAIN, name="stolen")]), TOKEN)
    assert [fact.job_id for fact in answer.records] == ["2"]
    assert answer.faults == ("sacct: job 1 was left out, it comes twice",)


def test_a_fact_of_another_user_than_the_agent_saw_is_not_believed() -> None:
    facts = jobs.parse_sacct(sacct_text([PLAIN] * 4), TOKEN).records
    seen: dict[str, int] = {"1": 1001, "2": 4711}  # the third ran where no agent is
    facts[3] = replace(facts[3], uid=None)
    answer = jobs.believed(facts, lambda fact: seen.get(fact.job_id))
    assert [fact.job_id for fact in answer.records] == ["1", "3", "4"]
    assert answer.faults == (
        "slurm: what it says of job 2 was left out: it names the user with uid 1002, but the job ran under uid 4711",
    )


PARSERS: dict[str, tuple[Callable[[str], object], str]] = {
    "sacct": (partial(jobs.parse_sacct, token=TOKEN), sacct_text([PLAIN, PLAIN])),
    "squeue": (partial(squeue.parse_squeue, token=TOKEN), squeue_text([PLAIN, PLAIN])),
    "scontrol": (
        partial(parse_bindings, queue=squeue.parse_squeue(squeue_text([PLAIN]), TOKEN).records),
        scontrol_record(1, PLAIN),
    ),
    "sinfo": (parse_sinfo, "n1|4/4/0/8\nn2|0/8/0/8\n"),
    "hostlist": (expand, "r[1-2]n[01-02,7]-ib,login"),
    "numbers": (expand_numbers, "0-2,7,11-19"),
    "gres": (gpu_indices, "gpu:a100:2(IDX:0-1,3),shard:2(IDX:0)"),
    "size": (mebibytes, "211788K"),
}
JUNK = (
    "",
    "²",
    "٣",
    "1_0",
    "-1",
    "0-99999999",
    "[",
    "]",
    "1.2.3",
    "\n",
    TOKEN,
    "\x1f",
    "9" * 20,
    "4294967294",
    "inf",
    ":",
)


def damaged(text: str, chance: random.Random) -> str:
    for _ in range(chance.randint(1, 4)):
        start = chance.randint(0, len(text))
        end = min(len(text), start + chance.choice((0, 1, 1, 5, 40)))
        text = text[:start] + chance.choice((*JUNK, text[start:end] * 2)) + text[end:]
    return text


@pytest.mark.parametrize("count", [3_000, FULL])
@pytest.mark.parametrize("name", PARSERS)
def test_no_damage_raises_anything_else_than_a_slurm_error(name: str, count: int) -> None:
    parse, sound = PARSERS[name]
    chance = random.Random(name)
    for _ in range(count):
        with suppress(SlurmError):
            parse(damaged(sound, chance))


@pytest.mark.parametrize("count", [2_000, FULL])
@pytest.mark.parametrize("name", ["sacct", "squeue"])
def test_a_record_that_lost_or_won_a_field_is_left_out_and_told_and_the_rest_is_kept(name: str, count: int) -> None:
    parse: Callable[[str], Any] = PARSERS[name][0]
    lines = (sacct_text if name == "sacct" else squeue_text)([PLAIN] * 4).splitlines(keepends=True)
    each = len(lines) // 4
    whole = parse("".join(lines)).records
    chance = random.Random(name)
    for _ in range(count):
        number = chance.randrange(4)
        fields = lines[number * each].removesuffix("\n").split(TOKEN)
        at = chance.randrange(len(fields) - 1)  # between the first field and what closes the last
        closes = at == len(fields) - 2
        fields[at : at + 2] = chance.choice(([fields[at] + fields[at + 1]], [fields[at], "", fields[at + 1]]))
        broken = [*lines[: number * each], TOKEN.join(fields) + "\n", *lines[number * each + 1 :]]
        answer = parse("".join(broken))
        assert answer.faults
        assert all(record in whole for record in kept_apart(answer.records, whole))
        assert whole[number].job_id not in {record.job_id for record in answer.records}
        lost = {record.job_id for record in whole} - {record.job_id for record in answer.records}
        closing = {whole[number + 1].job_id} if number < 3 and closes else set()
        assert lost <= {whole[number].job_id} | closing, "only what ran into the broken record is lost with it"


def kept_apart(records: Sequence[Any], whole: Sequence[Any]) -> list[Any]:
    """Return the records with the peaks they had: that of the job above a fault is not known, rightly."""
    peaks = {record.job_id: record for record in whole}
    return [
        record
        if isinstance(record, QueueEntry) or record.peak_memory_mib is not None
        else replace(record, peak_memory_mib=peaks[record.job_id].peak_memory_mib)
        for record in records
    ]


@pytest.mark.timeout(60)  # what grows as the square of its length takes far longer, also on a busy machine
@pytest.mark.parametrize("name", PARSERS)
@pytest.mark.parametrize(
    "piece", ["(", "[", "[0-9]", "1", "1,", ",", "\n", "JobId=1 ", TOKEN, f"\n1{TOKEN}", "n[1-9]"]
)
def test_long_answers_take_no_long_time(name: str, piece: str) -> None:
    with suppress(SlurmError):
        PARSERS[name][0](piece * (1_000_000 // len(piece)))
