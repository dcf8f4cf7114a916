"""The id that users see, put together from the numbers that slurmrestd tells apart. Pure."""

from __future__ import annotations

import re

from vispa_green.clusters._rest.shapes import Json, inside, refused, whole

_BITMAP = re.compile(r"0x[0-9A-Fa-f]{1,250000}")  # of slurm.conf(5)'s MaxArraySize, at most 4,000,001 bits, a quarter
_TASKS = re.compile(r"[0-9,:-]+(?:,\.\.\.|\.\.\.)?(?:%[0-9]+)?")
MOST_SHOWN = 64
"""Slurm cuts a longer list of tasks as ``squeue`` shows it (SLURM_BITSTR_LEN)."""


def shown_id(
    job_id: int, array_id: int | None, task: int | None, tasks: str, at_once: int | None, het: tuple[int | None, ...]
) -> str:
    """Return ``12_3``, ``12_[4-9%2]``, ``12+1`` or the plain number.

    ``tasks`` are those that wait, ``at_once`` how many of them may run at the same time; ``het`` the number of
    the whole and the offset in it.
    """
    if array_id and task is not None:
        return f"{array_id}_{task}"
    if array_id and tasks:
        limit = f"%{at_once}" if at_once and "%" not in tasks else ""
        return f"{array_id}_[{tasks}{limit}]"
    whole_id, offset = het
    return f"{whole_id}+{offset}" if whole_id and offset is not None else str(job_id)


def waiting_tasks(value: Json, *names: str) -> str:
    """Return tasks as ``1,3-5``; accounting of 22.05 tells them as the bits of a number: ``0x3A``."""
    found = inside(value, *names)
    if not found:
        return ""
    if isinstance(found, str) and _BITMAP.fullmatch(found):
        return _ranges(int(found, 16))
    if isinstance(found, str) and _TASKS.fullmatch(found):
        return found
    raise refused(names, found)


def _ranges(bits: int) -> str:
    digits = f"{bits:b}"[::-1]
    spans = ((match.start(), match.end() - 1) for match in re.finditer("1+", digits))
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)


def number_of(value: Json) -> int:
    """Return a record's job number; refuse a record without one."""
    job_id = whole(value, "job_id")
    if not job_id:
        raise refused(("job_id",), inside(value, "job_id"))
    return job_id
