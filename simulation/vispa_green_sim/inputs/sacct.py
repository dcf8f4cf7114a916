"""Dumps of ``sacct -P`` with a header, and tables like NREL's Eagle sample (CSV).

Make one with ``TZ=UTC sacct -aPX --starttime=… --format=JobIDRaw,User,Account,Partition,QOS,TimelimitRaw,
ReqNodes,AllocCPUS,ReqMem,AllocTRES,Submit,Eligible,Start,End,State,JobName``. Steps (``12.batch``) only
add the memory they used. ``Eligible`` later than ``Submit`` holds a job until then.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from vispa_green.errors import TimeFormatError
from vispa_green.slurm.jobs import mebibytes
from vispa_green.times.slurm_time import parse_duration
from vispa_green_sim.errors import WorkloadError, place
from vispa_green_sim.inputs import Options
from vispa_green_sim.inputs._columns import Record, Remarks, Table, table, workload_of
from vispa_green_sim.workload import Workload

_ID = ("jobidraw", "job_id", "jobid")
_CPUS = ("alloccpus", "ncpus", "reqcpus", "processors_req")
_SUBMIT, _START, _END = ("submit", "submit_time"), ("start", "start_time"), ("end", "end_time")
_GPU = re.compile(r"gres/gpu(?::[^=,]*)?=(\d+)")


def read(path: Path, options: Options) -> Workload:
    """Read a workload; raise `WorkloadError` with the line of the first fault."""
    rows = table(path, options.zone, (_ID, _CPUS, _SUBMIT, _START, _END))
    remarks = Remarks()
    used = _used_memory(rows)
    records = [_record(rows, line, row, used) for line, row in rows.rows if row and "." not in rows.text(row, *_ID)]
    _remark_shared_ids(records, remarks)
    return workload_of(path.name.partition(".")[0], records, remarks, options.processors)


def _record(rows: Table, line: int, row: Mapping[str, str], used: Mapping[str, int]) -> Record:
    cpus = rows.number(line, row, *_CPUS) or 0
    nodes = rows.number(line, row, "reqnodes", "nodes_req", "nnodes", "allocnodes") or 0
    submit = rows.moment(line, row, *_SUBMIT)
    job_id = rows.text(row, *_ID)
    if submit is None:
        raise WorkloadError(f"{place(rows.path, line)}: job {job_id} has no time of submission; remove it")
    return Record(
        line=line,
        job_id=job_id,
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
        used_memory_mib=max(used.get(job_id, 0), mebibytes(rows.text(row, "maxrss")) or 0),
    )


def _limit_s(rows: Table, line: int, row: Mapping[str, str]) -> int | None:
    """Return the time limit: Eagle's in seconds, Slurm's raw one in minutes, else in its own grammar."""
    if (seconds := rows.number(line, row, "wallclock_req")) is not None:
        return seconds
    raw = rows.text(row, "timelimitraw")
    if raw.isdigit():
        return 60 * int(raw)
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


def _used_memory(rows: Table) -> dict[str, int]:
    used: dict[str, int] = {}
    for _, row in rows.rows:
        job, dot, _ = rows.text(row, *_ID).partition(".")
        if dot and (mib := mebibytes(rows.text(row, "maxrss"))) is not None:
            used[job] = max(mib, used.get(job, 0))
    return used


def _remark_shared_ids(records: list[Record], remarks: Remarks) -> None:
    """Tasks of an array share an id in some dumps, and so do runs of a requeued job: all are jobs of their own."""
    seen: set[str] = set()
    for record in records:
        if record.job_id in seen:
            remarks.add("has another row's id, taken as a job of its own; remove it if dumped twice", record.line)
        seen.add(record.job_id)
