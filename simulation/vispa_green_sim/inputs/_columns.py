"""What readers share: opening, counting remarks, cells to numbers, and jobs of any source to columns."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TextIO, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from vispa_green.numbers import LATEST_S, whole_number
from vispa_green_sim.cells import real_number
from vispa_green_sim.errors import WorkloadError, place
from vispa_green_sim.workload import Remark, Workload


@contextmanager
def opened(path: Path) -> Iterator[TextIO]:
    """Open a text file, unpacked if it is a gzip; raise `WorkloadError` if that cannot be done."""
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rt", encoding="utf-8-sig") if packed else path.open(encoding="utf-8-sig") as file:
            yield file
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise WorkloadError(f"{path}: cannot be read ({error}); is it complete, and text or gzip?") from error


T = TypeVar("T")


class Remarks:
    """Counts what had to be repaired."""

    def __init__(self) -> None:
        self._seen: dict[str, list[int]] = {}

    def add(self, what: str, line: int) -> None:
        """Count one more row."""
        self._seen.setdefault(what, [0, line])[0] += 1

    def all(self) -> tuple[Remark, ...]:
        """Return what was counted, in order of first appearance."""
        return tuple(Remark(what, count, first) for what, (count, first) in self._seen.items())


@dataclass(frozen=True, slots=True)
class Record:
    """One job as a batch system tells it, times in Unix seconds; ``None``: not told."""

    line: int
    job_id: str
    submit: int
    start: int | None
    end: int | None
    request_s: int | None
    processors: int
    eligible: int | None = None
    nodes: int = 0
    memory_mib: int = 0
    gpus: int = 0
    user: str = ""
    account: str = ""
    partition: str = ""
    qos: str = ""
    job_name: str = ""
    dynamic_mw: int = -1
    used_memory_mib: int = 0
    cluster: str = ""
    """With id and submission it names the job; empty where a history is of one cluster."""


def workload_of(name: str, records: Sequence[Record], remarks: Remarks, processors: int | None) -> Workload:
    """Return the workload of what ran; jobs that never started or have not ended are left out and counted.

    Raise `WorkloadError` for a job that ends before it starts, or if nothing is left.
    """
    ran = [record for record in records if _ran(record, name, remarks)]
    if not ran:
        raise WorkloadError(f"{name}: no job in it has both started and ended; take a longer span")
    origin = min(record.submit for record in ran)
    limits = [_request_s(record, remarks) for record in ran]
    eligible = [max(record.submit, record.eligible or 0) - origin for record in ran]
    late = any(moment > record.submit - origin for moment, record in zip(eligible, ran, strict=True))
    workload = Workload.sorted(
        name=name,
        job_id=[record.job_id for record in ran],
        submit_s=[record.submit - origin for record in ran],
        run_s=[_run_s(record, remarks) for record in ran],
        request_s=limits,
        processors=[record.processors for record in ran],
        eligible_s=eligible if late else (),
        nodes=_known([record.nodes for record in ran]),
        memory_mib=_known([record.memory_mib for record in ran]),
        gpus=_known([record.gpus for record in ran]),
        user=_known([record.user for record in ran]),
        account=_known([record.account for record in ran]),
        partition=_known([record.partition for record in ran]),
        qos=_known([record.qos for record in ran]),
        job_name=_known([record.job_name for record in ran]),
        recorded_start_s=[(record.start or 0) - origin for record in ran],
        dynamic_mw=() if all(r.dynamic_mw < 0 for r in ran) else [record.dynamic_mw for record in ran],
        used_memory_mib=_known([record.used_memory_mib for record in ran]),
        origin_epoch_s=origin,
        remarks=remarks.all(),
    )
    return workload.clamped(processors) if processors else workload


def _ran(record: Record, name: str, remarks: Remarks) -> bool:
    if record.start is None:
        remarks.add("never started, left out", record.line)
        return False
    if record.end is None:
        remarks.add("has not ended, left out", record.line)
        return False
    if record.end < record.start or record.start < record.submit:
        what = "ends before it starts" if record.end < record.start else "starts before it is submitted"
        raise WorkloadError(
            f"{name}:{record.line}: job {record.job_id} {what}; local times do that when summer time ends: "
            "dump with TZ=UTC (or SLURM_TIME_FORMAT=%s), or correct the row"
        )
    if record.processors < 1:
        remarks.add("without processors, left out", record.line)
        return False
    return True


def _run_s(record: Record, remarks: Remarks) -> int:
    run = (record.end or 0) - (record.start or 0)
    if run < 1:
        remarks.add("ran for less than a second, taken as 1 s", record.line)
    return max(1, run)


def _request_s(record: Record, remarks: Remarks) -> int:
    if record.request_s is None or record.request_s < 1:
        remarks.add("without a time limit, its run time is taken for it", record.line)
        return max(1, (record.end or 0) - (record.start or 0))
    return record.request_s


def _known(column: list[T]) -> Sequence[T]:
    return column if any(column) else ()


@dataclass(frozen=True, slots=True)
class Table:
    """A file of rows with a header, its columns found under any of several names."""

    path: Path
    rows: Sequence[tuple[int, Mapping[str, str]]]
    zone: ZoneInfo

    def text(self, row: Mapping[str, str], *names: str) -> str:
        """Return the first cell of these columns that says something."""
        return next((cell for name in names if (cell := row.get(name, "").strip()) not in NOTHING), "")

    def number(self, line: int, row: Mapping[str, str], *names: str) -> int | None:
        """Return a whole number (rounded), ``None`` for an empty cell; raise `WorkloadError` otherwise."""
        real = self.real(line, row, *names)
        return None if real is None else round(real)

    def real(self, line: int, row: Mapping[str, str], *names: str) -> float | None:
        """Return a number, ``None`` for an empty cell; raise `WorkloadError` otherwise."""
        text = self.text(row, *names)
        if not text:
            return None
        value = real_number(text)
        if value is None:
            raise WorkloadError(f"{place(self.path, line)}: {names[0]} is {text!r}, no number; correct it")
        return value

    def moment(self, line: int, row: Mapping[str, str], *names: str) -> int | None:
        """Return a time in Unix seconds: ISO 8601 (without an offset: of the zone) or a number of seconds."""
        text = self.text(row, *names)
        if not text:
            return None
        second = whole_number(text, most=LATEST_S)
        if second is None:
            second = _second(text, self.zone)
        if second is None:
            raise WorkloadError(
                f"{place(self.path, line)}: {names[0]} is {text!r}, no time from 1970 to 2106; "
                "ISO 8601 or Unix seconds are understood"
            )
        return second or None


def _second(text: str, zone: ZoneInfo) -> int | None:
    """Return the Unix second of an ISO 8601 time; ``None`` for what is none or out of range."""
    try:
        moment = datetime.fromisoformat(text)
        second = int(moment.replace(tzinfo=moment.tzinfo or zone).timestamp())
    except (ValueError, OverflowError):
        return None
    return second if 0 < second <= LATEST_S else None


NOTHING = frozenset({"", "Unknown", "None", "N/A", "(null)", "nan", "NaT", "None assigned"})
"""What batch systems and data frames write where they know nothing."""


def table(path: Path, zone: str, needed: Sequence[tuple[str, ...]]) -> Table:
    """Read a file of rows, separated by ``|`` or ``,`` as its header is; column names in lower case.

    A parquet file needs pyarrow. ``needed`` are columns without which there is no workload, each under
    any of its names. Raise `WorkloadError` for a missing one.
    """
    try:
        home = ZoneInfo(zone) if zone != "UTC" else ZoneInfo("UTC")
    except (ZoneInfoNotFoundError, ValueError):
        raise WorkloadError(f"no time zone called {zone!r}; write it as Europe/Berlin") from None
    rows = _parquet(path) if path.suffix == ".parquet" else _separated(path)
    header = set(rows[0][1]) if rows else set()
    for names in needed:
        if rows and not header & set(names):
            raise WorkloadError(
                f"{place(path, 1)}: no column {' or '.join(names)}; there are {', '.join(sorted(header))}"
            )
    if not rows:
        raise WorkloadError(f"{path}: no jobs in it; a header line and one line for each job are needed")
    return Table(path, rows, home)


def _separated(path: Path) -> list[tuple[int, Mapping[str, str]]]:
    with opened(path) as file:
        header = file.readline()
        names = [name.strip().lower() for name in next(csv.reader([header], delimiter=_separator(header)), [])]
        reader = csv.reader(file, delimiter=_separator(header), quoting=_quoting(header))
        rows: list[tuple[int, Mapping[str, str]]] = []
        for cells in reader:
            if not cells:
                continue
            if len(cells) < len(names):
                raise WorkloadError(
                    f"{place(path, reader.line_num + 1)}: {len(cells)} cells for {len(names)} columns; "
                    "complete or remove the line (a name with a separator in it? choose another --delimiter)"
                )
            rows.append((reader.line_num + 1, dict(zip(names, cells, strict=False))))
    return rows


def _separator(header: str) -> str:
    return "|" if "|" in header else ","


def _quoting(header: str) -> Literal[0, 3]:
    """Return the module's constant: ``sacct -P`` never quotes, so a quote in a job's name is one."""
    return csv.QUOTE_NONE if "|" in header else csv.QUOTE_MINIMAL


def _parquet(path: Path) -> list[tuple[int, Mapping[str, str]]]:
    try:
        from pyarrow import parquet  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ModuleNotFoundError:
        raise WorkloadError(f"{path}: reading parquet needs pyarrow: install it, or write CSV") from None
    rows = parquet.read_table(path).to_pylist()
    return [(n, {k.lower(): "" if v is None else str(v) for k, v in row.items()}) for n, row in enumerate(rows, 1)]


def utc(moment: datetime | None) -> int | None:
    """Return a time in whole Unix seconds."""
    return None if moment is None else int(moment.astimezone(UTC).timestamp())
