"""Facts of jobs from what slurmrestd tells of accounting (``/slurmdb/…/jobs``). Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from vispa_green.clusters._rest.display import number_of, shown_id, waiting_tasks
from vispa_green.clusters._rest.shapes import Json, amount, inside, moment, refused, rows, state, text, whole
from vispa_green.errors import SlurmError
from vispa_green.model import Answer, JobFact, JobId
from vispa_green.printable import printable
from vispa_green.slurm.hostlist import expand
from vispa_green.slurm.memory import MOST_MIB, StepMemory, peak_mib
from vispa_green.slurm.records import told
from vispa_green.times.slurm_time import LONGEST

T = TypeVar("T")

TELLS_EXIT_CODES = 39
"""v0.0.38 and older call every exit code 0 (seen on 22.05.8): there the code stays unknown."""
TELLS_ALLOCATED = 39
"""Up to v0.0.38, sacct calls allocated what a job without an allocation asked for; since 23.02.5 it says 0."""
MOST_BYTES = MOST_MIB * 2**20
_STEP = re.compile(r"(?:[0-9]{1,10}\.)?(batch|extern|interactive|TBD|[0-9]{1,10})")
_FIRST = datetime.min.replace(tzinfo=UTC)


def facts(
    answer: Json, version: int, uid_of: Callable[[str], int | None], source: str = "slurmrestd"
) -> Answer[list[JobFact]]:
    """Return the facts of an answer; a record of another shape is left out and told of, the others stay.

    ``uid_of`` returns the number of a user where accounting does not tell it. Of a requeued job, which comes once
    for each run, the last run is taken.
    """
    found, faults = read_each(rows(answer, "jobs"), lambda record: fact_of(record, version, uid_of), source)
    latest: dict[JobId, JobFact] = {}
    for fact in found:
        before = latest.get(fact.job_id)
        if before is None or (before.submit or _FIRST) <= (fact.submit or _FIRST):
            latest[fact.job_id] = fact
    return Answer(list(latest.values()), faults)


def read_each(records: Iterable[object], read: Callable[[Json], T], source: str) -> tuple[list[T], tuple[str, ...]]:
    """Return what ``read`` makes of each record, and a sentence for each that it refuses by `SlurmError`."""
    found: list[T] = []
    faults: list[str] = []
    for record in records:
        if not isinstance(record, Mapping):
            faults.append(f"{source}: a record was left out, it is no table")
            continue
        try:
            found.append(read(record))
        except SlurmError as error:
            named = printable(str(record.get("job_id"))[:20])
            faults.append(f"{source}: the record of job {named} was left out: {error}")
    return found, told(faults, source)


def fact_of(record: Json, version: int, uid_of: Callable[[str], int | None]) -> JobFact:
    """Return the fact that a record tells; raise `SlurmError` for one of another shape."""
    job_id, user, elapsed_s = number_of(record), text(record, "user"), whole(record, "time", "elapsed")
    task, waiting = whole(record, "array", "task_id"), waiting_tasks(record, "array", "task")
    at_once = whole(record, "array", "limits", "max", "running", "tasks")
    uid = whole(record, "user_id")
    het = (whole(record, "het", "job_id"), whole(record, "het", "job_offset"))
    return JobFact(
        job_id=str(job_id),
        display_id=shown_id(job_id, whole(record, "array", "job_id"), task, waiting, at_once, het),
        user=user,
        account=text(record, "account"),
        partition=text(record, "partition"),
        name=text(record, "name"),
        state=state(record, "state", "current"),
        nodes=expand(text(record, "nodes")),
        submit=moment(record, "time", "submission"),
        eligible=moment(record, "time", "eligible"),
        start=moment(record, "time", "start"),
        end=moment(record, "time", "end"),
        time_limit=minutes(record, "time", "limit"),
        cpus=_cpus(record, version),
        memory_mib=_tres(record, "requested", "mem"),
        peak_memory_mib=peak_mib(step for one in rows(record, "steps") for step in _memory(one)),
        comment=text(record, "comment", "job"),
        uid=uid_of(user) if uid is None else uid,
        qos=text(record, "qos"),
        wckey=text(record, "wckey", "wckey").removeprefix("*"),
        exit_code=_exit_code(record) if version >= TELLS_EXIT_CODES else "",
        elapsed=None if elapsed_s is None else timedelta(seconds=elapsed_s),
    )


def minutes(record: Json, *names: str) -> timedelta | None:
    """Return a limit of time, ``None`` for one that is not set, without an end or of decades."""
    found = amount(record, *names)
    limit = timedelta(minutes=found) if isinstance(found, int) else None
    return None if limit is None or limit > LONGEST else limit


def _cpus(record: Json, version: int) -> int | None:
    """Return the CPUs that a job was allocated, as the sacct of that time does."""
    asked_for = None if version >= TELLS_ALLOCATED else whole(record, "required", "CPUs")
    return _tres(record, "allocated", "cpu") or asked_for or None


def _tres(record: Json, which: str, kind: str) -> int | None:
    """Return how much of a resource a job was allocated or asked for."""
    for one in rows(record, "tres", which):
        if inside(one, "type") == kind:
            return whole(one, "count", most=MOST_MIB)
    return None


def _memory(step: Json) -> tuple[StepMemory, ...]:
    """Return what a step can have held; nothing for one that never started, or that nobody logged into."""
    name = inside(step, "step", "id")
    match = _STEP.fullmatch(str(name))
    if match is None:
        raise refused(("steps", "step", "id"), name)
    start, end, tasks = moment(step, "time", "start"), moment(step, "time", "end"), whole(step, "tasks", "count")
    used = rows(step, "tres", "requested", "max")
    largest = next((whole(one, "count", most=MOST_BYTES) for one in used if inside(one, "type") == "mem"), None)
    if start is None or (match[1] == "extern" and largest is None):
        return ()
    mib = None if largest is None else -(-largest // 2**20)
    return (StepMemory(start, end, None if mib is None or tasks is None else mib * tasks),)


def _exit_code(record: Json) -> str:
    """Return it as sacct shows it: a code from 128 on is counted from 0 again."""
    code, signal = whole(record, "exit_code", "return_code"), whole(record, "exit_code", "signal", "id")
    return f"{(code or 0) % 128}:{signal or 0}"
