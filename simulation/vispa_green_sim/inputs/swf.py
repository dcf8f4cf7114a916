"""The Standard Workload Format of the Parallel Workloads Archive (version 2.2), plain or gzip.

Fields used, from 1: id 1, submit 2, wait 3, run 4, processors 5 (else requested 8), used memory per
processor in KiB 7, requested time 9, requested memory per processor in KiB 10, user 12, group 13,
executable 14, queue 15, partition 16; -1 is missing. Rows that cannot be true are kept as a one-second
job, as pyss does, and counted: a job left out would change the queue for all others. A job that ran
past its request counts as ended there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from vispa_green.numbers import whole_number
from vispa_green_sim.cells import MOST, real_number
from vispa_green_sim.errors import WorkloadError, place
from vispa_green_sim.inputs import Options
from vispa_green_sim.inputs._columns import Remarks, opened
from vispa_green_sim.workload import Workload

FIELDS = 18
_NEEDED = 9
_NUMBERS = (1, 2, 3, 4, 7, 8)
_PLAIN = re.compile(r"-?[0-9]{1,15}(?: -?[0-9]{1,15}){5}")

Row = tuple[int, int, int, int, int, int, int]
"""submit, run, request, processors, recorded start, memory requested and used in MiB"""


def read(path: Path, options: Options) -> Workload:
    """Read a workload; raise `WorkloadError` with the line of the first fault."""
    header: dict[str, str] = {}
    remarks = Remarks()
    rows: list[Row] = []
    texts: list[Sequence[str]] = []
    with opened(path) as file:
        for line, text in enumerate(file, 1):
            if text.lstrip().startswith(";"):
                key, _, value = text.strip().lstrip("; ").partition(":")
                header.setdefault(key.strip(), value.strip())
            elif cells := text.split():
                rows.append(_row(cells, path, line, remarks))
                texts.append(cells)
    if not rows:
        raise WorkloadError(f"{path}: no jobs in it; a SWF file has one line of {FIELDS} numbers for each job")
    workload = _workload(path, rows, texts, header, remarks)
    return workload.clamped(options.processors) if options.processors else workload


def _row(cells: Sequence[str], path: Path, line: int, remarks: Remarks) -> Row:
    if len(cells) < _NEEDED:
        raise WorkloadError(
            f"{place(path, line)}: {len(cells)} columns, at least {_NEEDED} are needed (of {FIELDS}); "
            "missing values are written as -1"
        )
    submit, wait, run, processors, wanted, request = _six_numbers(cells, path, line)
    if processors <= 0 < wanted:
        remarks.add("no processors allocated, those requested are taken", line)
        processors = wanted
    if run <= 0 or processors <= 0 or submit < 0:
        remarks.add("without a run time, processors or time of submission, taken as a job of 1 s", line)
        return max(submit, 1), 1, 1, max(processors, 1), -1, 0, 0
    if request <= 0:
        remarks.add("no time requested, the run time is taken for it", line)
    elif run > request:
        remarks.add("ran longer than requested, ended at its request", line)
    start = submit + wait if wait >= 0 else -1
    return (
        submit,
        max(min(request, run), 1) if request > 0 else run,
        max(request, run),
        processors,
        start,
        _memory_mib(cells, 9, processors),
        _memory_mib(cells, 6, processors),
    )


def _memory_mib(cells: Sequence[str], column: int, processors: int) -> int:
    """Return the memory of the whole job, rounded up; 0 where the column does not say."""
    kib = cells[column] if len(cells) > column else ""
    return -(-(whole_number(kib, most=int(MOST)) or 0) * processors // 1024)


def _six_numbers(cells: Sequence[str], path: Path, line: int) -> list[int]:
    """Return the numbers of a row, rounded; histories are long, so plain ones are read by their quickest way."""
    texts = [cells[column] for column in _NUMBERS]
    if _PLAIN.fullmatch(" ".join(texts)):
        return list(map(int, texts))
    return [_rounded(cells, column, path, line) for column in _NUMBERS]


def _rounded(cells: Sequence[str], column: int, path: Path, line: int) -> int:
    value = real_number(cells[column])
    if value is None:
        raise WorkloadError(
            f"{place(path, line)}: column {column + 1} is {cells[column]!r}, no number; correct or remove it"
        )
    return round(value)


def _workload(
    path: Path, rows: Sequence[Row], texts: Sequence[Sequence[str]], header: dict[str, str], remarks: Remarks
) -> Workload:
    submit, run, request, processors, start, memory, used = (list(column) for column in zip(*rows, strict=True))
    ids = [cells[0] for cells in texts]
    _refuse_overlap(path, ids, rows)
    return Workload.sorted(
        name=path.name.removesuffix(".gz").removesuffix(".swf"),
        job_id=ids,
        submit_s=submit,
        run_s=run,
        request_s=request,
        processors=processors,
        memory_mib=memory if any(memory) else (),
        used_memory_mib=used if any(used) else (),
        recorded_start_s=start,
        user=_column(texts, 11),
        account=_column(texts, 12),
        job_name=_column(texts, 13),
        qos=_column(texts, 14),
        partition=_column(texts, 15),
        origin_epoch_s=_number(header.get("UnixStartTime")),
        machine_processors=_number(header.get("MaxProcs")) or _number(header.get("MaxNodes")),
        remarks=remarks.all(),
    )


def _column(texts: Iterable[Sequence[str]], column: int) -> Sequence[str]:
    """Return a column of labels, one object for equal ones; empty if it says nothing."""
    seen: dict[str, str] = {}
    labels = [seen.setdefault(c, c) for cells in texts for c in [cells[column] if len(cells) > column else "-1"]]
    return labels if seen.keys() - {"-1"} else ()


def _number(text: str | None) -> int | None:
    first = (text or "").split()
    return (whole_number(first[0], most=int(MOST)) or None) if first else None


def _refuse_overlap(path: Path, ids: Sequence[str], rows: Sequence[Row]) -> None:
    """One job cannot run twice at a time: such a log was merged or dumped with duplicates."""
    if len(set(ids)) == len(ids):
        return
    seen: dict[str, tuple[int, int]] = {}
    for number, (job, row) in enumerate(zip(ids, rows, strict=True), 1):
        span = (row[4], row[4] + row[1])
        if job in seen and row[4] >= 0 and span[0] < seen[job][1] and seen[job][0] < span[1]:
            raise WorkloadError(
                f"{path}: job {job} is there twice and overlaps itself (second time: row {number} of the jobs); "
                "remove one, or give it another id"
            )
        seen[job] = span
