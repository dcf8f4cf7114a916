"""What Slurm knows of jobs: ``sacct`` for what ran or may run, ``squeue`` for what waits for its begin time."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from vispa_green.model import Answer, JobFact
from vispa_green.slurm import squeue
from vispa_green.slurm.commands import run
from vispa_green.slurm.hostlist import expand
from vispa_green.slurm.memory import UNKNOWN, StepMemory, mebibytes, peak_mib
from vispa_green.slurm.records import (
    Fault,
    Record,
    count,
    damaged,
    matching,
    moment,
    new_token,
    number,
    read_each,
    text_of,
    told,
)
from vispa_green.times.slurm_time import LONGEST

FIELDS = (
    "JobIDRaw", "JobID", "UID", "User", "Account", "Partition", "QOS", "State", "ExitCode", "NodeList", "Submit",
    "Eligible", "Start", "End", "ElapsedRaw", "TimelimitRaw", "AllocCPUS", "ReqMem", "NTasks", "MaxRSS", "WCKey",
    "JobName", "Comment", "JobIDRaw",
)  # fmt: skip

_STATE = re.compile(r"[A-Z_]{1,40}(?: by [0-9]{1,10})?")
_DISPLAY_ID = re.compile(r"[0-9]{1,10}(?:[_+][0-9\[\]%,.:x-]+)?(?:\.[0-9A-Za-z+_]+)?")
_EXIT_CODE = re.compile(r"(?:[0-9]{1,5}:[0-9]{1,5})?")
_NO_LIMIT = frozenset({"", "UNLIMITED", "Partition_Limit"})
_NO_MEMORY = frozenset({"", "16?"})
"""The second is what 22.05 makes of 2⁶⁴ - 2 bytes: not set, as for a job that is cancelled before it may start."""
_EXTERN = "extern"
"""The step of what logs in from outside; without such a login it holds nothing, and often no figure."""


@dataclass(frozen=True, slots=True)
class JobQuery:
    """Whom and what to ask for, in ``sacct``'s words; empty means no restriction."""

    job_ids: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    start: datetime | None = None
    end: datetime | None = None


def job_facts(query: JobQuery, *, timeout_s: float) -> Answer[list[JobFact]]:
    """Return what Slurm knows of the jobs asked for, in the order of ``sacct``, then of the queue.

    Raises `SlurmError` where Slurm or its accounting database cannot be asked.
    """
    known = recorded(query, timeout_s=timeout_s)
    ids = {fact.job_id for fact in known.records}
    # sacct does not know a job with a future begin time until that has come
    queue = squeue.entries(("PENDING",), users=query.users, accounts=query.accounts, timeout_s=timeout_s)
    waiting = (squeue.waiting_fact(entry) for entry in queue.records if entry.job_id not in ids)
    return Answer(
        known.records + [fact for fact in waiting if _asked_for(fact, query)],
        known.faults + queue.faults,
    )


def recorded(query: JobQuery, *, timeout_s: float) -> Answer[list[JobFact]]:
    """Return what accounting has of the jobs asked for; raise `SlurmError` where it does not answer."""
    token = new_token()
    return parse_sacct(run(sacct_command(query, token), timeout_s=timeout_s), token)


def believed(facts: Iterable[JobFact], seen_uid: Callable[[JobFact], int | None]) -> Answer[list[JobFact]]:
    """Return the facts whose user is the one under whom the agent saw the job run; the others are faults.

    ``seen_uid`` returns that user's number, ``None`` for a job that no agent saw: then Slurm's word stands.
    """
    kept: list[JobFact] = []
    faults: list[str] = []
    for fact in facts:
        seen = seen_uid(fact)
        if seen is None or fact.uid is None or seen == fact.uid:
            kept.append(fact)
        else:
            faults.append(
                f"slurm: what it says of job {fact.display_id} was left out: it names the user with uid {fact.uid},"
                f" but the job ran under uid {seen}"
            )
    return Answer(kept, told(faults, "slurm"))


def sacct_command(query: JobQuery, token: str) -> list[str]:
    """Return the ``sacct`` call for ``query``; its times are UTC, as `run` makes Slurm read them."""
    command = ["sacct", "-p", "-n", f"--delimiter={token}", f"--format={','.join(FIELDS)}"]
    command += [f"--user={','.join(query.users)}"] if query.users else ["--allusers"]
    command += [f"--accounts={','.join(query.accounts)}"] if query.accounts else []
    command += [f"--jobs={','.join(query.job_ids)}"] if query.job_ids else []
    if query.start or not query.job_ids:  # sacct's own default would be today
        command.append(f"--starttime={_utc_text(query.start or datetime(1970, 1, 2, tzinfo=UTC))}")
    return [*command, f"--endtime={_utc_text(query.end)}"] if query.end else command


def parse_sacct(text: str, token: str) -> Answer[list[JobFact]]:
    """Read what `sacct_command` prints; the memory of its steps becomes the peak of a job.

    A job that comes twice is left out: sacct, which has no variable for its separator, shows it on its
    command line while it runs, and whoever reads it there could write a second record, but not remove the first.
    """
    jobs: list[tuple[JobFact, list[StepMemory]]] = []
    faults: list[str] = []
    for one in read_each(text, "sacct", FIELDS, token, _job_or_step):
        if isinstance(one, JobFact):
            jobs.append((one, []))
        elif isinstance(one, Fault):
            faults.append(one.sentence)
            if jobs:  # it may have been a step of the job above it, which then has no known peak
                jobs[-1][1].append(UNKNOWN)
        elif jobs and jobs[-1][0].job_id == one.job_id:  # sacct prints steps below their job
            jobs[-1][1].extend(one.memory)
    times_seen = Counter(fact.job_id for fact, _ in jobs)
    faults += [f"sacct: job {job_id} was left out, it comes twice" for job_id, n in times_seen.items() if n > 1]
    facts = [replace(fact, peak_memory_mib=peak_mib(steps)) for fact, steps in jobs if times_seen[fact.job_id] == 1]
    return Answer(facts, told(faults, "sacct"))


def matches(fact: JobFact, wanted: str) -> bool:
    """Tell whether ``12``, ``12_3``, ``12+1`` or a raw id, as typed after ``-j``, means this job."""
    whole = re.split(r"[_+]", fact.display_id, maxsplit=1)[0]
    return wanted in {fact.job_id, fact.display_id, whole}


@dataclass(frozen=True, slots=True)
class _Step:
    job_id: str
    memory: tuple[StepMemory, ...]


def _job_or_step(record: Record) -> JobFact | _Step:
    job_id, dot, step = record["JobIDRaw"].partition(".")
    return _Step(job_id, _step_memory(record, step)) if dot else _fact(record)


def _fact(record: Record) -> JobFact:
    nodes, cpus, elapsed_s = expand(record["NodeList"]), count(record, "AllocCPUS"), number(record, "ElapsedRaw")
    memory_mib = mebibytes(record["ReqMem"], cpus or 1, len(nodes) or 1)
    if memory_mib is None and record["ReqMem"] not in _NO_MEMORY:
        raise damaged(record, "ReqMem")
    return JobFact(
        job_id=record["JobIDRaw"],
        display_id=matching(record, "JobID", _DISPLAY_ID),
        user=record["User"],
        account=text_of(record, "Account"),
        partition=record["Partition"],
        name=record["JobName"],
        state=matching(record, "State", _STATE).partition(" ")[0],  # "CANCELLED by 1000"
        nodes=nodes,
        submit=moment(record, "Submit"),
        eligible=moment(record, "Eligible"),
        start=moment(record, "Start"),
        end=moment(record, "End"),
        time_limit=_limit(record),
        cpus=cpus,
        memory_mib=memory_mib,
        comment=text_of(record, "Comment"),
        uid=number(record, "UID"),
        qos=text_of(record, "QOS"),
        wckey=text_of(record, "WCKey").removeprefix("*"),  # so marked where the user did not name one
        exit_code=matching(record, "ExitCode", _EXIT_CODE),
        elapsed=None if elapsed_s is None else timedelta(seconds=elapsed_s),
    )


def _step_memory(record: Record, step: str) -> tuple[StepMemory, ...]:
    """Return what a step can have held; nothing for one that never started, or that nobody logged into."""
    start, end, tasks = moment(record, "Start"), moment(record, "End"), count(record, "NTasks")
    largest = mebibytes(record["MaxRSS"])
    if start is None or (step == _EXTERN and not record["MaxRSS"]):
        return ()
    if largest is None and record["MaxRSS"]:
        raise damaged(record, "MaxRSS")
    return (StepMemory(start, end, None if largest is None or tasks is None else largest * tasks),)


def _limit(record: Record) -> timedelta | None:
    if record["TimelimitRaw"] in _NO_LIMIT:
        return None
    minutes = number(record, "TimelimitRaw")
    limit = None if minutes is None else timedelta(minutes=minutes)
    return None if limit is None or limit > LONGEST else limit


def _asked_for(fact: JobFact, query: JobQuery) -> bool:
    before_end = query.end is None or fact.submit is None or fact.submit < query.end
    return before_end and (not query.job_ids or any(matches(fact, wanted) for wanted in query.job_ids))


def _utc_text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
