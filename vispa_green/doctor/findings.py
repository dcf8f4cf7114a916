"""What the doctor finds, and what a check is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from vispa_green.session import Session


class Level(StrEnum):
    """How bad it is: ``fail`` means that something asked for cannot work."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found, and what to do about it (nothing, where it is ``ok``)."""

    level: Level
    what: str
    remedy: str = ""


Check = Callable[[Session], Iterator[Finding]]
