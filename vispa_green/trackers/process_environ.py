"""Jobs from the environments of their processes, for a Slurm that uses no cgroups (``proctrack/linuxproc``).

A process belongs to the job that its ``SLURM_JOB_ID`` names, on the node that ``SLURMD_NODENAME`` names.
CPU time is user + system time with that of reaped children (proc_pid_stat(5)). A process that cleans its
environment, or lives and dies between two looks, escapes; cgroups have neither fault.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from vispa_green.host import NS_PER_TICK, Host
from vispa_green.model import Binding, JobId, Tracker
from vispa_green.registry import NoOptions
from vispa_green.trackers import _processes

ProcessKey = tuple[int, int]
"""Pid and start time: a pid alone is used again."""


@dataclass(frozen=True, slots=True)
class _Process:
    job_id: JobId
    parent: int
    cpu_ns: int


@dataclass(slots=True)
class _Stranger:
    """A process of no job so far; a fork shows its parent's environment until it executes its own program."""

    looks_left: int = 8


class ProcessEnviron:
    """Remembers who owns which process, so that an environment is read only while it may still change."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._owners: dict[ProcessKey, JobId | _Stranger] = {}
        self._alive: dict[ProcessKey, _Process] = {}
        self._retired_ns: dict[JobId, int] = {}
        self._cpu_ns: dict[JobId, int] = {}

    def present(self) -> Collection[JobId]:
        """Return every job that has a process now; its CPU time comes with it, there is no cheaper way."""
        alive = self._look()
        pids = {pid for pid, _ in alive}
        for key, process in self._alive.items():
            # What a reaped child used stands in its parent's account, unless the parent is not the job's.
            if key not in alive and process.parent not in pids:
                self._retired_ns[process.job_id] = self._retired_ns.get(process.job_id, 0) + process.cpu_ns
        self._alive = alive
        present = {process.job_id for process in alive.values()}
        self._retired_ns = {job: ns for job, ns in self._retired_ns.items() if job in present}
        found = {job: self._retired_ns.get(job, 0) for job in sorted(present)}
        for process in alive.values():
            found[process.job_id] += process.cpu_ns
        self._cpu_ns = found
        return present

    def places(self) -> Collection[str]:
        """Return nothing: the kernel does not tell of processes."""
        return ()

    def usage(self) -> Mapping[JobId, int]:
        """Return the CPU time of the jobs as of the last look."""
        return self._cpu_ns

    def binding(self, job_id: JobId) -> Binding:
        """Return owner and GPUs by the job's processes; how many CPUs it has they do not know."""
        pids = [pid for (pid, _), process in self._alive.items() if process.job_id == job_id]
        uids = (_processes.owner(self._host.procfs, pid) for pid in pids)
        uid = next((uid for uid in uids if uid is not None), None)
        return Binding(uid, None, _processes.bound_gpus(self._host.procfs, pids))

    def _look(self) -> dict[ProcessKey, _Process]:
        owners: dict[ProcessKey, JobId | _Stranger] = {}
        found: dict[ProcessKey, _Process] = {}
        for path in self._host.procfs.glob("[0-9]*"):
            pid = int(path.name)
            try:
                # The command's name stands in parentheses and may contain anything, so cut after the last.
                fields = (path / "stat").read_text().rpartition(")")[2].split()
                key, parent = (pid, int(fields[19])), int(fields[1])
                cpu_ns = sum(int(field) for field in fields[11:15]) * NS_PER_TICK
            except (OSError, ValueError, IndexError):  # gone meanwhile
                continue
            owner = owners[key] = self._owner(key)
            if isinstance(owner, JobId):
                found[key] = _Process(owner, parent, cpu_ns)
        self._owners = owners
        return found

    def _owner(self, key: ProcessKey) -> JobId | _Stranger:
        owner = self._owners.get(key, _Stranger())
        if isinstance(owner, JobId) or owner.looks_left == 0:
            return owner
        variables = _processes.environment(self._host.procfs, key[0])
        if "SLURM_JOB_ID" in variables and variables.get("SLURMD_NODENAME") == self._host.name:
            return variables["SLURM_JOB_ID"]
        owner.looks_left -= 1
        return owner


def make(host: Host | None, options: NoOptions) -> Tracker:
    """Return the tracker of a node."""
    assert host is not None
    return ProcessEnviron(host)
