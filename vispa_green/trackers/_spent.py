"""The CPU time of jobs whose directories come and go.

A job's directory is gone before anybody can read it a last time. But the directory above it, which counts
all jobs, keeps what they used: what it grew by, and no job that is still there did, was theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from vispa_green.energy.accounting import split_exact
from vispa_green.model import JobId


class Spent:
    """Remembers the last reading, to work out what ended jobs used after it."""

    def __init__(self, read_ns: Callable[[str], int | None]) -> None:
        self._read_ns = read_ns
        self._total_ns: int | None = None
        self._cpu_ns: dict[JobId, int] = {}
        self._earlier_ns: dict[JobId, int] = {}

    def usage(self, above: Sequence[str], directories: Mapping[JobId, str]) -> dict[JobId, int]:
        """Return the CPU time of the jobs in ``directories`` and of those that ended, by the ones ``above`` them."""
        # Above first, so that what comes meanwhile is nobody's.
        totals_ns = [ns for path in above if (ns := self._read_ns(path)) is not None]
        total_ns = sum(totals_ns) if above and len(totals_ns) == len(above) else None
        readable_ns = {job: ns for job, path in directories.items() if (ns := self._read_ns(path)) is not None}
        return self.after(total_ns, readable_ns, directories.keys())

    def after(
        self, total_ns: int | None, readable_ns: Mapping[JobId, int], present: Collection[JobId]
    ) -> dict[JobId, int]:
        """Return the CPU time of every job that can be told, those that ended since the last call included.

        ``total_ns`` is the counter above the jobs, ``None`` where it cannot be read; then an ended job keeps
        the time of its last reading. So it does while a present job cannot be read.
        """
        found = dict(readable_ns)
        ended = sorted(set(self._cpu_ns) - set(present))
        if ended and total_ns is not None and self._total_ns is not None and set(present) <= set(readable_ns):
            grown_ns = sum(ns - _start_ns(self._cpu_ns, job, ns) for job, ns in readable_ns.items())
            rest_ns = max(0, total_ns - self._total_ns - grown_ns)
            # Of several that ended at once, each is taken to have gone on as before.
            pace = [1 + self._cpu_ns[job] - _start_ns(self._earlier_ns, job, self._cpu_ns[job]) for job in ended]
            parts = split_exact(rest_ns, pace)
            found |= {job: self._cpu_ns[job] + part for job, part in zip(ended, parts, strict=True)}
        kept_ns = {job: ns for job, ns in self._cpu_ns.items() if job in present}
        self._total_ns, self._earlier_ns, self._cpu_ns = total_ns, self._cpu_ns, {**kept_ns, **readable_ns}
        return found


def _start_ns(before_ns: Mapping[JobId, int], job: JobId, now_ns: int) -> int:
    """Return where a job's counter stood before; a requeued job starts again at zero."""
    start_ns = before_ns.get(job, 0)
    return start_ns if start_ns <= now_ns else 0
