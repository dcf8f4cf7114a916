"""Jobs from Slurm's cgroup v1 directories: ``cpuacct/slurm[_NODE]/uid_U/job_J``.

A slurmd built for several daemons on a host puts its node's name into the directory, others do not. The
counter ``cpuacct.usage`` (ns) of the job's directory contains its steps, and that of the topmost all jobs,
ended ones too (kernel, ``cpuacct.rst``).
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from itertools import product
from pathlib import Path

from vispa_green.host import Host, read_count, read_small
from vispa_green.model import Binding, JobId, Tracker
from vispa_green.numbers import whole_number
from vispa_green.registry import NoOptions
from vispa_green.trackers import _processes
from vispa_green.trackers._spent import Spent

CPU_CONTROLLERS = ("cpuacct", "cpu,cpuacct")
"""The hierarchy's usual names; where both exist, one is a link to the other and the jobs are the same."""


class CgroupV1:
    """The jobs below the cpuacct hierarchy."""

    def __init__(self, host: Host) -> None:
        self._host = host
        names = ("slurm", f"slurm_{host.name}")
        self._places = [f"{host.cgroup}/{one}/{name}" for one, name in product(CPU_CONTROLLERS, names)]
        self._names: dict[str, dict[str, list[str]]] = {}
        self._directory: dict[JobId, str] = {}
        self._jobs: frozenset[JobId] = frozenset()
        self._spent = Spent(_usage_ns)

    def present(self) -> Collection[JobId]:
        """Return every job that has a directory now; the same object as before, if nothing has changed."""
        # Where there are jobs, they are all below the directory of the one slurmd of this name.
        places = self._names if self._jobs else self._places
        names = {top: found for top in places if (found := _below(top)) is not None}
        if names != self._names:
            self._names = names
            self._directory = {
                job.removeprefix("job_"): f"{top}/{user}/{job}"
                for top, users in names.items()
                for user, jobs in users.items()
                for job in jobs
            }
            self._jobs = frozenset(self._directory)
        return self._jobs

    def places(self) -> Collection[str]:
        """Return the directories of the slurmds that are there, and of their users."""
        return (*self._names, *(f"{top}/{user}" for top, users in self._names.items() for user in users))

    def usage(self) -> Mapping[JobId, int]:
        """Return the CPU time of the jobs, by their own directories and the one above."""
        return self._spent.usage(self._tops(), self._directory)

    def _tops(self) -> list[str]:
        """Return the directories above the jobs, one of two that are the same."""
        found = {top.rpartition("/")[2]: top for top in self._names}
        return list(found.values())

    def binding(self, job_id: JobId) -> Binding:
        """Return owner, CPUs of the cpuset and GPUs by the job's processes."""
        if job_id not in self._directory:
            return Binding()
        directory = Path(self._directory[job_id])
        uid = whole_number(directory.parent.name.removeprefix("uid_"))
        gpus = _processes.bound_gpus(self._host.procfs, _processes.members(directory))
        return Binding(uid, self._allocated(directory), gpus)

    def _allocated(self, directory: Path) -> int | None:
        below = Path(*directory.parts[-3:])  # slurm_NODE/uid_U/job_J, the same under every controller
        try:
            return _processes.cpu_count(read_small(f"{self._host.cgroup}/cpuset/{below}/cpuset.cpus"))
        except OSError:
            return None


def _below(top: str) -> dict[str, list[str]] | None:
    """Return the jobs by their users' directories, ``None`` where there is no such place."""
    users = _names(top, "uid_")
    return None if users is None else {user: _names(f"{top}/{user}", "job_") or [] for user in users}


def _names(directory: str, start: str) -> list[str] | None:
    try:
        names = os.listdir(directory)  # noqa: PTH208 - at every look, and a Path costs more than the call
    except OSError:  # not there, or gone meanwhile
        return None
    return [name for name in names if name.startswith(start)]


def _usage_ns(directory: str) -> int | None:
    return read_count(f"{directory}/cpuacct.usage")


def make(host: Host | None, options: NoOptions) -> Tracker:
    """Return the tracker of a node."""
    assert host is not None
    return CgroupV1(host)
