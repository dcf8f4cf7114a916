"""Numbers as Slurm and the kernel write them, and nothing else that Python would also take for one. Pure.

``"²".isdigit()`` is true and ``int("²")`` fails, ``int("٣")`` and ``int("1_0")`` do not; a counter may be
longer than any table can hold, a range longer than any memory. So everything that comes from outside
passes here, and has a limit.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import NamedTuple

LARGEST = 2**63 - 1
"""What a column of the ledger holds."""

LATEST_S = 2**32 - 3
"""In 2106: Slurm writes 2³² − 2 and 2³² − 1 for what is not set, and no job is submitted later."""

MOST_IN_RANGES = 65_536
"""More CPUs than a node has, and more nodes than Slurm allows a cluster (65,533)."""

_WHOLE = re.compile(r"[0-9]{1,19}")
_DECIMAL = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,9})?")


class Span(NamedTuple):
    """``first-last`` of a list of ranges, both included; written with ``width`` digits at least."""

    first: int
    last: int
    width: int


def whole_number(text: str, *, most: int = LARGEST) -> int | None:
    """Return the number that ``text`` is, digits 0 to 9 alone; ``None`` for anything else or more than ``most``."""
    if not _WHOLE.fullmatch(text):
        return None
    number = int(text)
    return number if number <= most else None


def decimal_number(text: str) -> float | None:
    """Return what ``12`` or ``12.5`` says; ``None`` for anything else: signs, exponents and ``inf`` too."""
    return float(text) if _DECIMAL.fullmatch(text) else None


def utc_second(text: str) -> datetime | None:
    """Return the moment so many seconds after 1970; ``None`` for 0, which stands for no time, and anything else."""
    seconds = whole_number(text, most=LATEST_S)
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


def spans(text: str, *, most: int = MOST_IN_RANGES) -> tuple[Span, ...] | None:
    """Return the parts of ``0-2,07``; ``None`` where one runs backwards, or all together hold more than ``most``."""
    found: list[Span] = []
    left = most
    for item in text.split(","):
        low, dash, high = item.partition("-")
        first = whole_number(low)
        last = whole_number(high) if dash else first
        if first is None or last is None or last < first or last - first >= left:
            return None
        left -= last - first + 1
        found.append(Span(first, last, len(low)))
    return tuple(found)


def listed_numbers(text: str, *, most: int = MOST_IN_RANGES) -> tuple[int, ...] | None:
    """Return the numbers of ``0-2,7``, the kernel's and Slurm's way to list CPUs; ``None`` as for `spans`."""
    parts = spans(text, most=most)
    return None if parts is None else tuple(number for part in parts for number in range(part.first, part.last + 1))
