"""What Slurm knows of jobs: ``sacct`` for what ran or may run, ``squeue`` for what waits for its begin time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from vispa_green.model import JobFact
from vispa_green.slurm.commands import SEPARATOR, run
from vispa_green.slurm.hostlist import expand

# Free text comes last: what a separator in it would break is then only itself.
SACCT_FIELDS = (
    "JobIDRaw", "JobID", "User", "Account", "Partition", "State", "NodeList", "Submit", "Eligible", "Start",
    "End", "TimelimitRaw", "AllocCPUS", "ReqMem", "MaxRSS", "JobName", "Comment",
)  # fmt: skip
SQUEUE_FIELDS = (
    "JobID", "JobArrayID", "UserName", "Account", "Partition", "State", "SubmitTime", "EligibleTime", "TimeLimit",
    "NumCPUs", "Name", "Comment",
)  # fmt: skip

_RECORD = re.compile(rf"^(?=\d[^{SEPARATOR}\n]*{SEPARATOR}\d[^{SEPARATOR}\n]*{SEPARATOR})", re.MULTILINE)
_SIZE = re.compile(r"([\d.]+)([KMGTP]?)([cn]?)$")
_DURATION = re.compile(r"(?:(\d+)-)?(?:(\d+):)??(?:(\d+):)?(\d+)$")


@dataclass(frozen=True, slots=True)
class JobQuery:
    """Whom and what to ask for, in ``sacct``'s words; empty means no restriction."""

    job_ids: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    start: datetime | None = None
    end: datetime | None = None


def job_facts(query: JobQuery, *, timeout_s: float) -> list[JobFact]:
    """Return what Slurm knows of the jobs asked for, in the order of ``sacct``, then of the queue.

    Raises `SlurmError` where Slurm or its accounting database cannot be asked.
    """
    known = parse_sacct(run(sacct_command(query), timeout_s=timeout_s))
    ids = {fact.job_id for fact in known}
    # sacct does not know a job with a future begin time until that has come
    waiting = parse_squeue(run(squeue_command(query), timeout_s=timeout_s))
    return known + [fact for fact in waiting if fact.job_id not in ids and _asked_for(fact, query)]


def sacct_command(query: JobQuery) -> list[str]:
    """Return the ``sacct`` call for ``query``; its times are UTC, as `run` makes Slurm read them."""
    command = ["sacct", "-P", "-n", f"--delimiter={SEPARATOR}", f"--format={','.join(SACCT_FIELDS)}"]
    command += [f"--user={','.join(query.users)}"] if query.users else ["--allusers"]
    command += [f"--accounts={','.join(query.accounts)}"] if query.accounts else []
    command += [f"--jobs={','.join(query.job_ids)}"] if query.job_ids else []
    if query.start or not query.job_ids:  # sacct's own default would be today
        command.append(f"--starttime={_utc_text(query.start or datetime(1970, 1, 2, tzinfo=UTC))}")
    return [*command, f"--endtime={_utc_text(query.end)}"] if query.end else command


def squeue_command(query: JobQuery) -> list[str]:
    """Return the ``squeue`` call for what is pending; ids are not passed, since one unknown id fails it."""
    fields = ",".join(f"{field}:{SEPARATOR}" for field in SQUEUE_FIELDS[:-1])
    command = ["squeue", "-h", "-a", "-t", "PENDING", "-O", f"{fields},{SQUEUE_FIELDS[-1]}:"]
    command += [f"--user={','.join(query.users)}"] if query.users else []
    return [*command, f"--account={','.join(query.accounts)}"] if query.accounts else command


def parse_sacct(text: str) -> list[JobFact]:
    """Read ``sacct``'s lines; a job's steps add the largest resident memory among them to its own line."""
    facts: dict[str, JobFact] = {}
    for row in _rows(text, SACCT_FIELDS):
        job_id, _, step = row["JobIDRaw"].partition(".")
        if not step:
            facts[job_id] = _fact(row)
        elif job_id in facts and (rss := mebibytes(row["MaxRSS"])) is not None:
            facts[job_id] = replace(facts[job_id], peak_memory_mib=max(rss, facts[job_id].peak_memory_mib or 0))
    return list(facts.values())


def parse_squeue(text: str) -> list[JobFact]:
    """Read the lines of pending jobs; the start that Slurm expects for them is no fact and left out."""
    return [
        JobFact(
            job_id=row["JobID"],
            display_id=row["JobArrayID"],
            user=row["UserName"],
            account=_text(row["Account"]),
            partition=row["Partition"],
            name=row["Name"],
            state=row["State"],
            nodes=(),
            submit=_time(row["SubmitTime"]),
            eligible=_time(row["EligibleTime"]),
            start=None,
            end=None,
            time_limit=_limit(row["TimeLimit"]),
            cpus=_count(row["NumCPUs"]),
            comment=_text(row["Comment"]),
        )
        for row in _rows(text, SQUEUE_FIELDS)
    ]


def mebibytes(text: str, cpus: int = 1, nodes: int = 1) -> int | None:
    """Return e.g. ``2000M`` or ``500Mc`` (per CPU, Slurm < 21.08) in MiB, rounded up; ``None`` if it is no size."""
    match = _SIZE.match(text)
    if not match:
        return None
    factor = {"": 2**-20, "K": 2**-10, "M": 1, "G": 2**10, "T": 2**20, "P": 2**30}[match[2]]
    each = {"": 1, "c": cpus, "n": nodes}[match[3]]
    return -int(-float(match[1]) * factor * each // 1)


def matches(fact: JobFact, wanted: str) -> bool:
    """Tell whether ``12``, ``12_3``, ``12+1`` or a raw id, as typed after ``-j``, means this job."""
    whole = re.split(r"[_+]", fact.display_id, maxsplit=1)[0]
    return wanted in {fact.job_id, fact.display_id, whole}


def _fact(row: dict[str, str]) -> JobFact:
    nodes, cpus = expand(row["NodeList"]), _count(row["AllocCPUS"])
    return JobFact(
        job_id=row["JobIDRaw"],
        display_id=row["JobID"],
        user=row["User"],
        account=row["Account"],
        partition=row["Partition"],
        name=row["JobName"],
        state=row["State"].split(" ", 1)[0],  # "CANCELLED by 1000"
        nodes=nodes,
        submit=_time(row["Submit"]),
        eligible=_time(row["Eligible"]),
        start=_time(row["Start"]),
        end=_time(row["End"]),
        time_limit=timedelta(minutes=int(row["TimelimitRaw"])) if row["TimelimitRaw"].isdigit() else None,
        cpus=cpus,
        memory_mib=mebibytes(row["ReqMem"], cpus or 1, len(nodes) or 1),
        comment=_text(row["Comment"]),
    )


def _rows(text: str, fields: Sequence[str]) -> Iterator[dict[str, str]]:
    """Cut the output into records; a line break in a name or comment continues the line before."""
    for record in _RECORD.split(text):
        if record.count(SEPARATOR) >= len(fields) - 1:
            yield _row(record.removesuffix("\n"), fields)


def _row(record: str, fields: Sequence[str]) -> dict[str, str]:
    return dict(zip(fields, record.split(SEPARATOR, len(fields) - 1), strict=True))


def _asked_for(fact: JobFact, query: JobQuery) -> bool:
    before_end = query.end is None or fact.submit is None or fact.submit < query.end
    return before_end and (not query.job_ids or any(matches(fact, wanted) for wanted in query.job_ids))


def _text(field: str) -> str:
    return "" if field == "(null)" else field


def _count(field: str) -> int | None:
    return int(field) or None if field.isdigit() else None


def _time(field: str) -> datetime | None:
    return datetime.fromtimestamp(int(field), UTC) if field.isdigit() and int(field) else None


def _limit(field: str) -> timedelta | None:
    match = _DURATION.match(field)
    if not match:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def _utc_text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
