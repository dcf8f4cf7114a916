"""Dumps of ``sacct -P`` with a header, and tables like NREL's Eagle sample (CSV).

Make one with ``TZ=UTC sacct -aPX --starttime=… --format=JobIDRaw,User,Account,Partition,QOS,TimelimitRaw,
ReqNodes,AllocCPUS,ReqMem,AllocTRES,Submit,Eligible,Start,End,State,JobName``. Steps (``12.batch``), which
follow their job, only add the memory they used. ``Eligible`` later than ``Submit`` holds a job until then.
A job is its cluster, its id and its time of submission: ids come again after years, and on other clusters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from vispa_green.errors import TimeFormatError
from vispa_green.numbers import whole_number
from vispa_green.slurm.memory import mebibytes
from vispa_green.times.slurm_time import parse_duration
from vispa_green_sim.errors import WorkloadError, place
from vispa_green_sim.inputs import Options
from vispa_green_sim.inputs._columns import Record, Remarks, Table, table, workload_of
from vispa_green_sim.workload import Workload

MOST_MINUTES = 2**31
"""Slurm's own limit; above it are its marks for what is not set."""
_ID = ("jobidraw", "job_id", "jobid")
_CPUS = ("alloccpus", "ncpus", "reqcpus", "processors_req")
_SUBMIT, _START, _END = ("submit", "submit_time"), ("start", "start_time"), ("end", "end_time")
_GPU = re.compile(r"gres/gpu(?::[^=,]*)?=([0-9]{1,6})(?![0-9])")


def read(path: Path, options: Options) -> Workload:
    """Read a workload; raise `WorkloadError` with the line of the first fault."""
    rows = table(path, options.zone, (_ID, _CPUS, _SUBMIT, _START, _END))
    remarks = Remarks()
    used = _used_memory(rows)
    records = [_record(rows, line, row, used.get(line, 0)) for line, row in rows.rows if _is_job(rows, row)]
    _remark_twins(records, remarks)
    return workload_of(path.name.partition(".")[0], records, remarks, options.processors)


def _record(rows: Table, line: int, row: Mapping[str, str], used_mib: int) -> Record:
    cpus = rows.number(line, row, *_CPUS) or 0
    nodes = rows.number(line, row, "reqnodes", "nodes_req", "nnodes", "allocnodes") or 0
    submit = rows.moment(line, row, *_SUBMIT)
    job_id = rows.text(row, *_ID)
    if submit is None:
        raise WorkloadError(f"{place(rows.path, line)}: job {job_id} has no time of submission; remove it")
    return Record(
        line=line,
        job_id=job_id,
        cluster=rows.text(row, "cluster"),
        submit=submit,
        eligible=rows.moment(line, row, "eligible", "eligible_time"),
        start=rows.moment(line, row, *_START),
        end=rows.moment(line, row, *_END),
        request_s=_limit_s(rows, line, row),
        processors=cpus,
        nodes=nodes,
        memory_mib=_memory_mib(rows, line, row, cpus, nodes),
        gpus=_gpus(rows, line, row),
        user=rows.text(row, "user"),
        account=rows.text(row, "account"),
        partition=rows.text(row, "partition").partition(",")[0],
        qos=rows.text(row, "qos"),
        job_name=rows.text(row, "jobname", "name"),
        used_memory_mib=max(used_mib, mebibytes(rows.text(row, "maxrss")) or 0),
    )


def _limit_s(rows: Table, line: int, row: Mapping[str, str]) -> int | None:
    """Return the time limit: Eagle's in seconds, Slurm's raw one in minutes, else in its own grammar."""
    if (seconds := rows.number(line, row, "wallclock_req")) is not None:
        return seconds
    if (minutes := whole_number(rows.text(row, "timelimitraw"), most=MOST_MINUTES)) is not None:
        return 60 * minutes
    text = rows.text(row, "timelimit")
    if not text or text == "Partition_Limit":
        return None
    try:
        limit = parse_duration(text)
    except TimeFormatError as error:
        raise WorkloadError(f"{place(rows.path, line)}: {error}") from None
    return None if limit is None else int(limit.total_seconds())


def _memory_mib(rows: Table, line: int, row: Mapping[str, str], cpus: int, nodes: int) -> int:
    if (plain := rows.number(line, row, "mem_req")) is not None:
        return plain
    return mebibytes(rows.text(row, "reqmem"), cpus or 1, nodes or 1) or 0


def _gpus(rows: Table, line: int, row: Mapping[str, str]) -> int:
    if (plain := rows.number(line, row, "gpus_req")) is not None:
        return plain
    found = _GPU.findall(rows.text(row, "alloctres", "reqtres"))
    return max(map(int, found), default=0)


def _is_job(rows: Table, row: Mapping[str, str]) -> bool:
    return bool(row) and "." not in rows.text(row, *_ID)


def _used_memory(rows: Table) -> dict[int, int]:
    """Return the largest memory of the steps of each job, by the job's line: the last of their id before them."""
    used: dict[int, int] = {}
    line_of: dict[tuple[str, str], int] = {}
    for line, row in rows.rows:
        job, dot, _ = rows.text(row, *_ID).partition(".")
        name = rows.text(row, "cluster"), job
        if not dot:
            line_of[name] = line
        elif name in line_of and (mib := mebibytes(rows.text(row, "maxrss"))) is not None:
            used[line_of[name]] = max(mib, used.get(line_of[name], 0))
    return used


def _remark_twins(records: list[Record], remarks: Remarks) -> None:
    """Tasks of an array share id and submission in some dumps: all are jobs of their own."""
    seen: set[tuple[str, str, int]] = set()
    for record in records:
        key = (record.cluster, record.job_id, record.submit)
        if key in seen:
            remarks.add(
                "has another row's id and time of submission, taken as a job of its own; remove it if dumped twice",
                record.line,
            )
        seen.add(key)
