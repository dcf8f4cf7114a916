"""What readers share: opening, counting remarks, and putting rows together."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from vispa_green_sim.errors import WorkloadError
from vispa_green_sim.workload import Remark


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
