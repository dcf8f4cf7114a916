"""Jobs from Slurm's cgroup v1 directories: ``cpuacct/slurm[_NODE]/uid_U/job_J``.

A slurmd built for several daemons on a host puts its node's name into the directory, others do not. The
counter ``cpuacct.usage`` (ns) of the job's directory contains its steps, and that of the topmost all jobs,
ended ones too (kernel, ``cpuacct.rst``).
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
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
        self._directory: dict[JobId, str] = {}
        self._tops: list[str] = []
        self._spent = Spent(_usage_ns)

    def present(self) -> Collection[JobId]:
        """Return every job that has a directory now."""
        self._tops, self._directory = [], {}
        for controller in CPU_CONTROLLERS:
            for name in ("slurm", f"slurm_{self._host.name}"):
                self._list(f"{self._host.cgroup}/{controller}/{name}")
            if self._tops:
                break
        return self._directory.keys()

    def usage(self) -> Mapping[JobId, int]:
        """Return the CPU time of the jobs, by their own directories and the one above."""
        return self._spent.usage(self._tops, self._directory)

    def binding(self, job_id: JobId) -> Binding:
        """Return owner, CPUs of the cpuset and GPUs by the job's processes."""
        if job_id not in self._directory:
            return Binding()
        directory = Path(self._directory[job_id])
        uid = whole_number(directory.parent.name.removeprefix("uid_"))
        gpus = _processes.bound_gpus(self._host.procfs, _processes.members(directory))
        return Binding(uid, self._allocated(directory), gpus)

    def _list(self, top: str) -> None:
        for user in _names(top, "uid_"):
            for job in _names(f"{top}/{user}", "job_"):
                self._directory[job.removeprefix("job_")] = f"{top}/{user}/{job}"
        if os.path.isdir(top):  # noqa: PTH112 - at every look, and a Path costs more than the call
            self._tops.append(top)

    def _allocated(self, directory: Path) -> int | None:
        below = Path(*directory.parts[-3:])  # slurm_NODE/uid_U/job_J, the same under every controller
        try:
            return _processes.cpu_count(read_small(f"{self._host.cgroup}/cpuset/{below}/cpuset.cpus"))
        except OSError:
            return None


def _names(directory: str, start: str) -> Iterator[str]:
    try:
        names = os.listdir(directory)  # noqa: PTH208 - as above
    except OSError:  # not there, or gone meanwhile
        return iter(())
    return (name for name in names if name.startswith(start))


def _usage_ns(directory: str) -> int | None:
    return read_count(f"{directory}/cpuacct.usage")


def make(host: Host | None, options: NoOptions) -> Tracker:
    """Return the tracker of a node."""
    assert host is not None
    return CgroupV1(host)
