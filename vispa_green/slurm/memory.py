"""How much memory all tasks and steps of a job can have held at once, from ``sacct``'s figures. Pure.

Slurm keeps the peak of the largest task of each step (``MaxRSS``), not that of the job. So what comes out
is an upper bound: every task at the peak of the largest, all steps of one moment at their peaks together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from vispa_green.numbers import decimal_number

MOST_MIB = 2**40
"""An exbibyte: no job has more, and it fits every column."""

_SIZE = re.compile(r"([0-9.]+)([KMGTP]?)([cn]?)")
_MIB = {"": 2**-20, "K": 2**-10, "M": 1, "G": 2**10, "T": 2**20, "P": 2**30}
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class StepMemory:
    """A step of a job: when it ran and how much it can have held; ``None``: not over yet, or not known."""

    start: datetime
    end: datetime | None
    bound_mib: int | None


UNKNOWN = StepMemory(datetime.fromtimestamp(0, UTC), None, None)
"""A step of which nothing is known."""


def mebibytes(text: str, cpus: int = 1, nodes: int = 1) -> int | None:
    """Return e.g. ``2000M`` or ``500Mc`` (per CPU, Slurm < 21.08) in MiB, rounded up; ``None`` if it is no size."""
    match = _SIZE.fullmatch(text)
    amount = decimal_number(match[1]) if match else None
    if match is None or amount is None:
        return None
    each = {"": 1, "c": cpus, "n": nodes}[match[3]]
    mib = -int(-amount * _MIB[match[2]] * each // 1)
    return mib if mib <= MOST_MIB else None


def peak_mib(steps: Iterable[StepMemory]) -> int | None:
    """Return the most that steps which ran at the same time can have held together; ``None`` where one is unknown.

    Times are Slurm's whole seconds: a step that begins in the second in which another ends follows it.
    """
    changes: list[tuple[datetime, int]] = []
    for step in steps:
        if step.end is None or step.bound_mib is None:
            return None
        changes += [(step.start, step.bound_mib), (max(step.end, step.start + _SECOND), -step.bound_mib)]
    held = most = 0
    for _, change in sorted(changes):  # of one moment, what ends comes first
        held += change
        most = max(most, held)
    return most if changes else None
