"""Jobs from Slurm's cgroup v1 directories: ``cpuacct/slurm[_NODE]/uid_U/job_J``.

A slurmd built for several daemons on a host puts its node's name into the directory, others do not. The
counter ``cpuacct.usage`` (ns) of the job's directory contains its steps (kernel, ``cpuacct.rst``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from vispa_green.host import Host
from vispa_green.model import Binding, JobId, Tracker
from vispa_green.registry import NoOptions
from vispa_green.trackers import _processes

CPU_CONTROLLERS = ("cpuacct", "cpu,cpuacct")
"""The hierarchy's usual names; where both exist, one is a link to the other and the jobs are the same."""


@dataclass(frozen=True, slots=True)
class CgroupV1:
    """The jobs below the cpuacct hierarchy."""

    host: Host

    def jobs(self) -> Mapping[JobId, int]:
        """Return the CPU time of every job that has a directory now."""
        found: dict[JobId, int] = {}
        for directory in self._directories("job_*"):
            try:
                cpu_ns = int((directory / "cpuacct.usage").read_text())
            except (OSError, ValueError):  # ended between the listing and the reading
                continue
            found[directory.name.removeprefix("job_")] = cpu_ns
        return found

    def binding(self, job_id: JobId) -> Binding:
        """Return owner, CPUs of the cpuset and GPUs by the job's processes."""
        for directory in self._directories(f"job_{job_id}"):
            uid = directory.parent.name.removeprefix("uid_")
            gpus = _processes.bound_gpus(self.host.procfs, _processes.members(directory))
            return Binding(int(uid) if uid.isdigit() else None, self._allocated(directory), gpus)
        return Binding()

    def _directories(self, pattern: str) -> Iterator[Path]:
        for controller in CPU_CONTROLLERS:
            for name in ("slurm", f"slurm_{self.host.name}"):
                yield from (self.host.cgroup / controller / name).glob(f"uid_*/{pattern}")

    def _allocated(self, directory: Path) -> int | None:
        below = Path(*directory.parts[-3:])  # slurm_NODE/uid_U/job_J, the same under every controller
        try:
            return _processes.cpu_count((self.host.cgroup / "cpuset" / below / "cpuset.cpus").read_text())
        except OSError:
            return None


def make(host: Host | None, options: NoOptions) -> Tracker:
    """Return the tracker of a node."""
    assert host is not None
    return CgroupV1(host)
