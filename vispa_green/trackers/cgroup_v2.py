"""Jobs from Slurm's cgroup v2 directories: ``system.slice/[NODE_]slurmstepd.scope/job_J``.

CPU time is ``usage_usec`` of ``cpu.stat``, which is there even without the cpu controller (kernel,
``cgroup-v2.rst``); that of the scope contains all jobs, ended ones too. Since Slurm 26.05 the directory may
carry a job's SLUID instead of its number; the number is then read from the environment of a process in it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from itertools import product
from pathlib import Path

from vispa_green.host import Host, read_count, read_small
from vispa_green.model import Binding, JobId, Tracker
from vispa_green.registry import NoOptions
from vispa_green.trackers import _processes
from vispa_green.trackers._spent import Spent

NUMBERED = re.compile(r"job_([0-9]+)")
SLUID = re.compile(r"s[0-9A-Z]{10,}")


class CgroupV2:
    """The jobs below the unified hierarchy, mounted alone or beside v1."""

    def __init__(self, host: Host) -> None:
        self._host = host
        scopes = ("slurmstepd.scope", f"{host.name}_slurmstepd.scope")
        self._places = [
            f"{root}/system.slice/{scope}" for root, scope in product((host.cgroup, host.cgroup / "unified"), scopes)
        ]
        self._names: dict[str, list[str]] = {}
        self._directory: dict[JobId, str] = {}
        self._job_of: dict[str, JobId] = {}
        self._jobs: frozenset[JobId] = frozenset()
        self._unresolved = False
        self._spent = Spent(_usage_ns)

    def present(self) -> Collection[JobId]:
        """Return every job that has a directory now; the same object as before, if nothing has changed."""
        # Where there are jobs, they are all below the scope of the one slurmd of this name.
        places = self._names if self._jobs else self._places
        names = {scope: found for scope in places if (found := _names(scope)) is not None}
        if names != self._names or self._unresolved:
            self._names = names
            self._resolve()
        return self._jobs

    def places(self) -> Collection[str]:
        """Return the scopes that are there."""
        return tuple(self._names)

    def _resolve(self) -> None:
        known, self._job_of, self._unresolved = self._job_of, {}, False
        for scope, names in self._names.items():
            for path in (f"{scope}/{name}" for name in names if NUMBERED.fullmatch(name) or SLUID.fullmatch(name)):
                job_id = known.get(path) or self._job_id(path)
                if job_id is None:  # a process may tell it at the next look
                    self._unresolved = True
                else:
                    self._job_of[path] = job_id
        self._directory = {job_id: path for path, job_id in self._job_of.items()}
        self._jobs = frozenset(self._directory)

    def usage(self) -> Mapping[JobId, int]:
        """Return the CPU time of the jobs, by their own directories and the one above."""
        return self._spent.usage(list(self._names), self._directory)

    def binding(self, job_id: JobId) -> Binding:
        """Return owner, CPUs of the cpuset and GPUs by the job's processes."""
        if job_id not in self._directory:
            return Binding()
        directory = Path(self._directory[job_id])
        pids = list(_processes.members(directory))
        uids = (_processes.owner(self._host.procfs, pid) for pid in pids)
        uid = next((uid for uid in uids if uid is not None), None)
        return Binding(uid, _allocated(directory), _processes.bound_gpus(self._host.procfs, pids))

    def _job_id(self, path: str) -> JobId | None:
        name = path.rpartition("/")[2]
        if numbered := NUMBERED.fullmatch(name):
            return numbered[1]
        pids = _processes.members(Path(path))
        numbers = (_processes.environment(self._host.procfs, pid).get("SLURM_JOB_ID") for pid in pids)
        return next((number for number in numbers if number), None)


def _names(directory: str) -> list[str] | None:
    try:
        return os.listdir(directory)  # noqa: PTH208 - at every look, and a Path costs more than the call
    except OSError:
        return None


def _usage_ns(directory: str) -> int | None:
    usage_us = read_count(f"{directory}/cpu.stat", b"usage_usec ")
    return None if usage_us is None else usage_us * 1000


def _allocated(directory: Path) -> int | None:
    try:
        return _processes.cpu_count(read_small(f"{directory}/cpuset.cpus"))
    except OSError:
        return None


def make(host: Host | None, options: NoOptions) -> Tracker:
    """Return the tracker of a node."""
    assert host is not None
    return CgroupV2(host)
