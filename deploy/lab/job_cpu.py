"""The real processor time of the Slurm jobs on this machine, by virtual node."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from lab.proc_files import JIFFY_NS


@dataclass(frozen=True)
class JobReading:
    """The jobs of one node: processor time so far by job, and the processes seen (if the reader looks at any)."""

    cpu_ns: Mapping[int, int] = field(default_factory=dict)
    pids: frozenset[int] = frozenset()


class JobCpu(Protocol):
    """A way to read the jobs of all nodes at once."""

    def read(self) -> Mapping[str, JobReading]:
        """Read every node now; a job that ended may be missing."""


class CgroupJobCpu:
    """Processor time from `cpuacct`, to the nanosecond; needs Slurm's cgroup v1 tracking, hence root."""

    def __init__(self, cgroup_root: Path, nodes: Iterable[str]) -> None:
        self._directories = {node: cgroup_root / "cpuacct" / f"slurm_{node}" for node in nodes}

    def read(self) -> Mapping[str, JobReading]:
        return {node: JobReading(dict(self._jobs(directory))) for node, directory in self._directories.items()}

    def _jobs(self, directory: Path) -> Iterator[tuple[int, int]]:
        for job in directory.glob("uid_*/job_*"):
            with suppress(OSError):  # the job ended between the listing and the reading
                yield int(job.name.removeprefix("job_")), int((job / "cpuacct.usage").read_text())


@dataclass(frozen=True)
class _Process:
    node: str
    job_id: int
    ppid: int
    start_jiffies: int
    cpu_ns: int


class ProcJobCpu:
    """Processor time from `/proc` for a plain user: processes that carry their job and node in their environment.

    The time of children counts when their parent waited for them, so that short-lived ones are not lost; the time
    of processes that nobody of the job waited for is kept here when they disappear.
    """

    def __init__(self, proc: Path, nodes: Iterable[str]) -> None:
        self._proc = proc
        self._nodes = frozenset(nodes)
        self._known: dict[int, _Process] = {}
        self._ended_ns: dict[tuple[str, int], int] = {}

    def read(self) -> Mapping[str, JobReading]:
        alive = dict(self._alive())
        for pid, process in self._known.items():
            present = alive.get(pid)
            gone = present is None or present.start_jiffies != process.start_jiffies
            if gone and process.ppid not in alive:  # a living parent shows the time of its children itself
                job = (process.node, process.job_id)
                self._ended_ns[job] = self._ended_ns.get(job, 0) + process.cpu_ns
        self._known = alive
        totals = dict(self._ended_ns)
        for process in alive.values():
            job = (process.node, process.job_id)
            totals[job] = totals.get(job, 0) + process.cpu_ns
        return {
            node: JobReading(
                {job_id: ns for (owner, job_id), ns in totals.items() if owner == node},
                frozenset(pid for pid, process in alive.items() if process.node == node),
            )
            for node in self._nodes
        }

    def _alive(self) -> Iterator[tuple[int, _Process]]:
        uid = os.geteuid()
        for entry in os.scandir(self._proc):
            if not entry.name.isdigit():
                continue
            with suppress(OSError):  # it ended while we looked, or it is another user's
                if uid and entry.stat().st_uid != uid:
                    continue
                process = self._process(int(entry.name))
                if process is not None:
                    yield int(entry.name), process

    def _process(self, pid: int) -> _Process | None:
        known = self._known.get(pid)
        # A zombie has no environment left but still its time: hence the memory of who belongs to which job.
        if known is not None:
            ppid, start_jiffies, cpu_ns = self._stat(pid)
            if start_jiffies == known.start_jiffies:
                return _Process(known.node, known.job_id, ppid, start_jiffies, cpu_ns)
        node, job_id = self._owner(pid)
        if node not in self._nodes or not job_id.isdigit():
            return None
        return _Process(node, int(job_id), *self._stat(pid))

    def _owner(self, pid: int) -> tuple[str, str]:
        content = (self._proc / str(pid) / "environ").read_bytes()
        if b"SLURM_JOB_ID=" not in content:
            return "", ""
        environ = dict(item.partition("=")[::2] for item in os.fsdecode(content).split("\0"))
        return environ.get("SLURMD_NODENAME", ""), environ.get("SLURM_JOB_ID", "")

    def _stat(self, pid: int) -> tuple[int, int, int]:
        fields = (self._proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
        return int(fields[1]), int(fields[19]), sum(int(jiffies) for jiffies in fields[11:15]) * JIFFY_NS
