"""Values of slurmrestd's JSON, each taken only in a shape that Slurm gives it. Pure.

Up to 22.05 a number is a plain one, ``null`` or one of Slurm's marks where it is not set; later versions write
``{"set": true, "infinite": false, "number": 5}``. A state has become a list. Both are understood, anything
else refuses the record it stands in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any

from vispa_green.errors import SlurmError
from vispa_green.numbers import utc_second, whole_number
from vispa_green.printable import printable
from vispa_green.slurm.records import MOST

Json = Mapping[str, Any]
MARKS = frozenset({2**16 - 2, 2**16 - 1, 2**32 - 2, 2**32 - 1, 2**64 - 2, 2**64 - 1})
"""What Slurm keeps in fields of 16, 32 and 64 bits that are not set, or without an end."""
FLAGS_SHOWN = (
    "COMPLETING", "CONFIGURING", "RESIZING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT", "STOPPED",
    "REVOKED", "RESV_DEL_HOLD", "SIGNALING", "STAGE_OUT",
)  # fmt: skip
"""The flags that Slurm's commands show in place of a state, the first that is set (job_state_string)."""
_STATE = re.compile(r"[A-Z_]{1,40}")


class Endless(Enum):
    """Stands for a number that is infinite."""

    ENDLESS = "endless"


def inside(value: Json, *names: str) -> Any:  # noqa: ANN401 - any JSON
    """Return what stands under a path of names, ``None`` where it ends early; refuse what is no table on the way."""
    found: Any = value
    for name in names:
        if found is None:
            return None
        if not isinstance(found, Mapping):
            raise refused(names, found)
        found = found.get(name)
    return found


def whole(value: Json, *names: str, most: int = MOST) -> int | None:
    """Return a whole number, ``None`` where it is not set or infinite."""
    found = amount(value, *names, most=most)
    return None if found is Endless.ENDLESS else found


def amount(value: Json, *names: str, most: int = MOST) -> int | Endless | None:
    """Return a whole number, `Endless`, or ``None`` where it is not set."""
    found = inside(value, *names)
    if isinstance(found, Mapping):
        if found.get("infinite") is True:
            return Endless.ENDLESS
        if found.get("set") is not True:
            return None
        found = found.get("number")
    elif found is None:
        return None
    if type(found) is not int:  # a bool is an int, too
        raise refused(names, found)
    if found in MARKS:
        return None
    number = whole_number(str(found), most=most) if abs(found) < 2**64 else None
    if number is None:
        raise refused(names, found)
    return number


def moment(value: Json, *names: str) -> datetime | None:
    """Return a time in UTC, ``None`` where it is not set or 0."""
    seconds = whole(value, *names)
    if not seconds:
        return None
    found = utc_second(str(seconds))
    if found is None:
        raise refused(names, seconds)
    return found


def text(value: Json, *names: str) -> str:
    """Return a text, empty where there is none."""
    found = inside(value, *names)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise refused(names, found)
    return "" if found == "(null)" else found


def state(value: Json, *names: str) -> str:
    """Return a state as Slurm's commands call it; refuse what is none.

    Where it is a list, it holds what a job does by itself, then flags; the commands show one of these words.
    """
    found = inside(value, *names)
    words = found if isinstance(found, list) else [found]
    if not words or not all(isinstance(one, str) and _STATE.fullmatch(one) for one in words):
        raise refused(names, found)
    shown: str = next((flag for flag in FLAGS_SHOWN if flag in words), words[0])
    return shown


def rows(value: Json, *names: str) -> list[Any]:
    """Return a list, empty where there is none."""
    found = inside(value, *names)
    if found is None:
        return []
    if not isinstance(found, list):
        raise refused(names, found)
    return found


def refused(names: tuple[str, ...], found: object) -> SlurmError:
    """Return the error that refuses a record for what one field says."""
    shown = printable(repr(found)[:40])
    return SlurmError(f"its {'.'.join(names)} reads {shown}, which is nothing that Slurm writes there")
