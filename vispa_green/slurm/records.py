"""Cutting what ``sacct`` and ``squeue`` print into records, whatever users wrote into their fields.

Slurm prints job names, comments and accounts as they were written: with line ends, with any separator one
could choose beforehand. So each call draws a separator of its own (`new_token`), which follows each field,
and the first field, the job's id, is asked for again as the last. A record counts only if that fits.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from vispa_green.errors import SlurmError, TimeFormatError
from vispa_green.numbers import utc_second, whole_number
from vispa_green.printable import printable
from vispa_green.times.slurm_time import parse_duration

T = TypeVar("T")
Record = Mapping[str, str]

FAULTS_TOLD = 5
"""More of them are only counted."""

MOST = 2**32
"""More CPUs, uids and seconds than there are in any job: Slurm's own fields end there."""

_ID = re.compile(r"[0-9]{1,10}(?:\.[0-9A-Za-z+_]{1,32})?")
_NO_TIME = frozenset({"", "0", "N/A", "NONE", "None", "Unknown"})
_SPAN = re.compile(r"UNLIMITED|[0-9][0-9:-]*")
_NO_SPAN = frozenset({"", "NOT_SET", "Partition_Limit", "INVALID"})
_NO_COUNT = frozenset({"", "0", "N/A", "4294967294", "4294967295"})
"""The last two are Slurm's marks for what is not set; squeue prints them for jobs that have not started."""
_DECADES = re.compile(r"[0-9]{5,10}-[0-9]{2}:[0-9]{2}:[0-9]{2}")


@dataclass(frozen=True, slots=True)
class Fault:
    """A record that was left out, in the place where it stood."""

    sentence: str


def new_token() -> str:
    """Return a separator that nobody can have written into a job: 128 random bits."""
    return f"vg{os.urandom(16).hex()}"  # as secrets does, which would bring OpenSSL into every agent's memory


def read_each(
    text: str, program: str, fields: Sequence[str], token: str, read: Callable[[Record], T]
) -> Iterator[T | Fault]:
    """Yield every record as ``read`` makes it; a fault for one that is cut wrongly or that ``read`` refuses.

    ``read`` refuses by raising `SlurmError`. The first and the last of ``fields`` are the same id.
    """
    for record in _cut(text, fields, token):
        if record is None:
            yield Fault(f"{program}: a record was left out, its fields are not those that were asked for")
            continue
        try:
            yield read(record)
        except SlurmError as error:
            yield Fault(f"{program}: the record of job {record[fields[0]]} was left out: {error}")


def told(faults: Sequence[str], program: str) -> tuple[str, ...]:
    """Return the first few faults, and how many there are besides."""
    more = len(faults) - FAULTS_TOLD
    return (*faults[:FAULTS_TOLD], *([f"{program}: {more} more records were left out"] if more > 0 else []))


def text_of(record: Record, field: str) -> str:
    """Return a text, empty where Slurm has none."""
    return "" if record[field] == "(null)" else record[field]


def matching(record: Record, field: str, pattern: re.Pattern[str]) -> str:
    """Return a field that has the form of ``pattern``; raise `SlurmError` for any other."""
    if not pattern.fullmatch(record[field]):
        raise damaged(record, field)
    return record[field]


def count(record: Record, field: str) -> int | None:
    """Return a number of CPUs or tasks, ``None`` where there is none."""
    return None if record[field] in _NO_COUNT else number(record, field)


def number(record: Record, field: str) -> int | None:
    """Return a whole number: a uid, seconds; ``None`` for an empty field."""
    if not record[field]:
        return None
    found = whole_number(record[field], most=MOST)
    if found is None:
        raise damaged(record, field)
    return found


def moment(record: Record, field: str) -> datetime | None:
    """Return a time in UTC, ``None`` where Slurm has none."""
    if record[field] in _NO_TIME:
        return None
    found = utc_second(record[field])
    if found is None:
        raise damaged(record, field)
    return found


def duration(record: Record, field: str) -> timedelta | None:
    """Return a span as Slurm prints it, ``None`` for one without an end, of decades, or not yet set."""
    if record[field] in _NO_SPAN or _DECADES.fullmatch(record[field]):
        return None
    if not _SPAN.fullmatch(record[field]):
        raise damaged(record, field)
    try:
        return parse_duration(record[field])
    except TimeFormatError:
        raise damaged(record, field) from None


def damaged(record: Record, field: str) -> SlurmError:
    """Return the error that refuses a record for what one field says."""
    return SlurmError(
        f"its {field} reads '{printable(record[field][:40])}', which is nothing that Slurm writes there"
    )


def _cut(text: str, fields: Sequence[str], token: str) -> Iterator[Record | None]:
    """Yield the records, and ``None`` for each stretch that is none."""
    pieces = text.split(token)
    width, last, at = len(fields), len(pieces) - 1, 0
    while at < last:
        before, _, first = pieces[at].rpartition("\n")
        if before or not _is_record(pieces, at, width):
            yield None
            at = next((later for later in range(at, last) if _is_record(pieces, later, width)), last)
            if at == last:
                return
            first = pieces[at].rpartition("\n")[2]
        yield dict(zip(fields, (first, *pieces[at + 1 : at + width]), strict=True))
        at += width
    if pieces[last].strip():
        yield None


def _is_record(pieces: Sequence[str], at: int, width: int) -> bool:
    """Say whether a whole record begins with the last line of this piece: its own id is at its end, too."""
    end = at + width
    if end >= len(pieces) or not pieces[end].startswith("\n"):
        return False
    _, line_end, first = pieces[at].rpartition("\n")
    if at > 0 and not line_end:
        return False
    return pieces[end - 1] == first and _ID.fullmatch(first) is not None
